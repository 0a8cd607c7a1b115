/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmon-notify: alerts of bpfmond as notifications on the desktop. */

#include <getopt.h>
#include <locale.h>
#include <string.h>

#include "client.h"
#include "mutes.h"
#include "notifier.h"

enum { OPTION_VERSION = 256, OPTION_TEST, OPTION_SCOPE, OPTION_MUTES, OPTION_MUTE, OPTION_UNMUTE };

static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"test", no_argument, NULL, OPTION_TEST},
        {"scope", required_argument, NULL, OPTION_SCOPE},
        {"list-mutes", no_argument, NULL, OPTION_MUTES},
        {"mute", required_argument, NULL, OPTION_MUTE},
        {"unmute", required_argument, NULL, OPTION_UNMUTE},
        {},
};

static const char help[] =
        "bpfmon-notify [OPTION…]\n"
        "\n"
        "Shows the alerts of bpfmond as notifications on the desktop, until the session ends.\n"
        "\n"
        "      --test              Show a sample, and end when it is closed\n"
        "      --scope=SCOPE       Whose alerts: alerts (everybody's, without paths and arguments),\n"
        "                          own, or all (everybody's with everything, for administrators)\n"
        "      --list-mutes        List the programs that are muted\n"
        "      --mute=PROGRAM      Mute a program: the path of its executable, or USER:NAME\n"
        "      --unmute=PROGRAM    Show alerts about it again\n"
        "  -h, --help              Show this\n"
        "      --version           Show the version\n"
        "\n"
        "See bpfmon-notify(1).\n";

/* Keeps one of several names, or complains. */
static int choose_scope(const char *name, const char **ret) {
        static const char *const scopes[] = {"alerts", "own", "all"};

        for (size_t i = 0; i < ELEMENTSOF(scopes); i++)
                if (strcmp(scopes[i], name) == 0) {
                        *ret = scopes[i];
                        return EXIT_SUCCESS;
                }

        complain("there is no scope \"%s\": alerts, own or all", name);
        return EXIT_USAGE;
}

static int list(struct mutes *mutes) {
        const char *const *programs;
        size_t n;

        int r = mutes_refresh(mutes);
        if (r < 0) {
                complain("cannot read %s: %s", mutes_file(mutes), strerror(-r));
                return EXIT_FAILURE;
        }
        programs = mutes_list(mutes, &n);
        for (size_t i = 0; i < n; i++)
                puts(programs[i]);
        if (fflush(stdout) != 0) {
                complain("cannot write the output: %s", strerror(errno));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

static int change(struct mutes *mutes, int (*how)(struct mutes *m, const char *program),
                  const char *program, const char *nothing) {
        int r = how(mutes, program);

        if (r < 0) {
                complain("cannot change %s: %s", mutes_file(mutes),
                         r == -EINVAL ? "that is no name of a program" : strerror(-r));
                return EXIT_FAILURE;
        }
        if (r == 0) {
                complain("%s %s", program, nothing);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        _cleanup_(mutes_freep) struct mutes *mutes = NULL;
        struct notifier_options o = {.scope = "alerts"};
        const char *program = NULL;
        int what = 0, c;

        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C");
        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        fputs(help, stdout);
                        return EXIT_SUCCESS;
                case OPTION_VERSION:
                        puts("bpfmon-notify " BPFMON_VERSION);
                        return EXIT_SUCCESS;
                case OPTION_TEST:
                        o.test = true;
                        break;
                case OPTION_SCOPE:
                        if (choose_scope(optarg, &o.scope) != EXIT_SUCCESS)
                                return EXIT_USAGE;
                        break;
                case OPTION_MUTES:
                case OPTION_MUTE:
                case OPTION_UNMUTE:
                        what = c;
                        program = optarg;
                        break;
                default:
                        return EXIT_USAGE; /* getopt has said why */
                }
        if (optind < argc) {
                complain("takes no arguments: \"%s\"; see bpfmon-notify --help", argv[optind]);
                return EXIT_USAGE;
        }

        int r = mutes_new(&mutes, NULL);
        if (r < 0) {
                complain("cannot tell where mutes are kept: %s",
                         r == -ENXIO ? "neither XDG_CONFIG_HOME nor HOME is set" : strerror(-r));
                return EXIT_FAILURE;
        }

        if (what == OPTION_MUTES)
                return list(mutes);
        if (what == OPTION_MUTE)
                return change(mutes, mutes_add, program, "is muted already");
        if (what == OPTION_UNMUTE)
                return change(mutes, mutes_remove, program, "is not muted");
        return notifier_run(&o, mutes);
}
