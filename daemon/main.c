/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmond: what its command line says. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "observe.h"
#include "probe.h"
#include "util.h"

enum {
        EXIT_USAGE = 2,
        EXIT_NOT_AUTHORIZED = 77,
};

static void help(FILE *f) {
        fputs("bpfmond [OPTION…]\n"
              "Tells who installs what into the kernel through bpf(), as org.bpfmon1 on the "
              "system bus.\n\n"
              "      --observe=cgroup:PATH  only processes in this cgroup v2 directory and below\n"
              "      --observe=pid:N        only process N and its descendants\n"
              "      --config=FILE          read this file and FILE.d/*.conf in place of "
              "bpfmond.conf(5)\n"
              "      --rules=DIRECTORY      read rules from there in place of bpfmon.rules(5)\n"
              "      --ring-size=BYTES      size of the ring buffer (a power of two)\n"
              "      --no-kprobes           use tracepoints alone\n"
              "      --debug                say more\n"
              "      --version              print the version\n"
              "  -h, --help                 print this\n",
              f);
}

static int usage(const char *option, const char *value, const char *what) {
        fprintf(stderr, "bpfmond: %s=%s: %s\n", option, value, what);
        return -EINVAL;
}

static int parse_ring_size(const char *text, size_t *ret) {
        unsigned long size, page = (unsigned long) sysconf(_SC_PAGESIZE);
        char *end;

        errno = 0;
        size = strtoul(text, &end, 10);
        if (errno || *end || text[0] < '0' || text[0] > '9' || size < page || size > 1UL << 30 ||
            (size & (size - 1)))
                return usage(
                        "--ring-size", text,
                        "write a number of bytes that is a power of two, from a page to 1 GiB");
        *ret = size;
        return 0;
}

/* Returns 0 to go on, 1 to end well, -EINVAL. */
static int parse_options(int argc, char *argv[], struct daemon_options *options) {
        enum {
                OPTION_OBSERVE = 256,
                OPTION_CONFIG,
                OPTION_RULES,
                OPTION_RING_SIZE,
                OPTION_NO_KPROBES,
                OPTION_DEBUG,
                OPTION_VERSION
        };
        static const struct option table[] = {
                {"observe", required_argument, NULL, OPTION_OBSERVE},
                {"config", required_argument, NULL, OPTION_CONFIG},
                {"rules", required_argument, NULL, OPTION_RULES},
                {"ring-size", required_argument, NULL, OPTION_RING_SIZE},
                {"no-kprobes", no_argument, NULL, OPTION_NO_KPROBES},
                {"debug", no_argument, NULL, OPTION_DEBUG},
                {"version", no_argument, NULL, OPTION_VERSION},
                {"help", no_argument, NULL, 'h'},
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", table, NULL)) >= 0) {
                switch (c) {
                case OPTION_OBSERVE:
                        if (observe_parse(optarg, &options->probes) < 0)
                                return usage("--observe", optarg,
                                             "write cgroup:/PATH or pid:NUMBER");
                        break;
                case OPTION_CONFIG:
                        if (optarg[0] != '/')
                                return usage("--config", optarg, "write an absolute path");
                        options->overrides.config = optarg;
                        break;
                case OPTION_RULES:
                        if (optarg[0] != '/')
                                return usage("--rules", optarg, "write an absolute path");
                        options->overrides.rules = optarg;
                        break;
                case OPTION_RING_SIZE:
                        if (parse_ring_size(optarg, &options->overrides.ring_size) < 0)
                                return -EINVAL;
                        break;
                case OPTION_NO_KPROBES:
                        options->overrides.no_kprobes = true;
                        break;
                case OPTION_DEBUG:
                        options->overrides.debug = true;
                        break;
                case OPTION_VERSION:
                        puts("bpfmond " BPFMON_VERSION);
                        return 1;
                case 'h':
                        help(stdout);
                        return 1;
                default:
                        return -EINVAL;
                }
        }
        if (optind < argc) {
                fprintf(stderr, "bpfmond: takes no arguments: %s\n", argv[optind]);
                return -EINVAL;
        }
        return 0;
}

int main(int argc, char *argv[]) {
        struct daemon_options options = {};
        int k = parse_options(argc, argv, &options);

        if (k != 0)
                return k < 0 ? EXIT_USAGE : EXIT_SUCCESS;
        probe_quiet();
        k = daemon_run(&options);
        if (k == -EPERM || k == -EACCES)
                return EXIT_NOT_AUTHORIZED;
        return k < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
