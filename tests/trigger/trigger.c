/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes bpf() calls on request, one named action a run, and says in a line of JSON what really
 * happened. What it says comes from the kernel and not from bpfmon: tests compare the two. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

static const struct action *const tables[] = {
        object_actions,    failure_actions, odd_actions,     race_actions,       storm_actions,
        process_actions,   call_actions,    link_actions,    program_actions,    live_actions,
        pin_actions,       tamper_actions,  network_actions, traffic_actions,    perf_actions,
        socket_actions,    filter_actions,  gone_actions,    struct_ops_actions, held_actions,
        inventory_actions, talk_actions,
};

long bpf_call(int cmd, void *attr, unsigned size) {
        long r = syscall(SYS_bpf, cmd, attr, size);

        return r < 0 ? -errno : r;
}

void fill_map(union bpf_attr *attr, const char *name, uint32_t value_size) {
        memset(attr, 0, sizeof(*attr));
        attr->map_type = BPF_MAP_TYPE_HASH;
        attr->key_size = 4;
        attr->value_size = value_size;
        attr->max_entries = 16;
        memcpy(attr->map_name, name, MIN(strlen(name), sizeof(attr->map_name) - 1));
}

int make_map(const char *name, uint32_t type, uint32_t value_size, uint32_t max_entries) {
        union bpf_attr attr = {
                .map_type = type,
                .key_size = 4,
                .value_size = value_size,
                .max_entries = max_entries,
        };

        snprintf(attr.map_name, sizeof(attr.map_name), "%s", name);
        return bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr));
}

int load_program(union bpf_attr *attr, const struct bpf_insn *insns, size_t n) {
        attr->insns = (uintptr_t) insns;
        attr->insn_cnt = n;
        attr->license = (uintptr_t) "GPL";
        return bpf_call(BPF_PROG_LOAD, attr, sizeof(*attr));
}

int make_program(const char *name, uint32_t type, uint32_t attach_type, int result) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = result},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = type, .expected_attach_type = attach_type};

        snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
        return load_program(&attr, insns, ELEMENTSOF(insns));
}

int open_raw_tracepoint(int program) {
        union bpf_attr attr = {};

        attr.raw_tracepoint.name = (uintptr_t) "cgroup_mkdir";
        attr.raw_tracepoint.prog_fd = program;
        return bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
}

const char *argument(const struct arguments *a, int i, const char *fallback) {
        return i < a->n ? a->items[i] : fallback;
}

static const struct action *find(const char *name) {
        for (size_t t = 0; t < ELEMENTSOF(tables); t++)
                for (const struct action *a = tables[t]; a->name; a++)
                        if (strcmp(a->name, name) == 0)
                                return a;
        return NULL;
}

static void list(FILE *out) {
        for (size_t t = 0; t < ELEMENTSOF(tables); t++)
                for (const struct action *a = tables[t]; a->name; a++)
                        fprintf(out, "  %-20s %-22s %s\n", a->name, a->usage, a->meaning);
}

static void usage(FILE *out) {
        fprintf(out, "Usage: trigger [--wait] [--pause|--hold] ACTION [ARGUMENT...]\n"
                     "       trigger list\n\n"
                     "  --wait   does nothing before a byte comes on standard input\n"
                     "  --pause  stays, with everything open, until standard input is closed\n"
                     "  --hold   the same at its report, before it takes anything away\n\n"
                     "Actions:\n");
        list(out);
}

static void wait_for_byte(void) {
        char c;

        (void) !read(STDIN_FILENO, &c, 1);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                {"wait", no_argument, NULL, 'w'},
                {"pause", no_argument, NULL, 'p'},
                {"hold", no_argument, NULL, 'H'},
                {"help", no_argument, NULL, 'h'},
                {},
        };
        const struct action *action;
        bool wait = false, pause = false;
        int c, r;

        while ((c = getopt_long(argc, argv, "+wpHh", options, NULL)) != -1)
                switch (c) {
                case 'w':
                        wait = true;
                        break;
                case 'p':
                        pause = true;
                        break;
                case 'H':
                        reports_hold();
                        break;
                case 'h':
                        usage(stdout);
                        return 0;
                default:
                        return 2;
                }
        if (optind == argc) {
                usage(stderr);
                return 2;
        }
        if (strcmp(argv[optind], "list") == 0) {
                list(stdout);
                return 0;
        }
        action = find(argv[optind]);
        if (!action) {
                fprintf(stderr, "trigger: unknown action \"%s\": see trigger list\n", argv[optind]);
                return 2;
        }

        /* Before Linux 5.11 maps count as locked memory; without privilege this is of no use. */
        (void) setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        if (wait)
                wait_for_byte();
        r = action->run(&(struct arguments){argc - optind - 1, argv + optind + 1});
        if (r < 0) {
                fprintf(stderr, "trigger: %s: %s\n", action->name, strerror(-r));
                return 1;
        }
        if (pause)
                wait_for_end();
        return 0;
}
