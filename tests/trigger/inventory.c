/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an inventory is to show: objects that somebody else holds, programs that run, and many of
 * them. */

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "trigger.h"

static int map_by_id(const struct arguments *a) {
        union bpf_attr attr = {.map_id = (uint32_t) atoi(argument(a, 0, "0"))};
        long ret = bpf_call(BPF_MAP_GET_FD_BY_ID, &attr, sizeof(attr));

        report_begin("map-by-id");
        report_call("MAP_GET_FD_BY_ID", ret);
        report_end();
        return (int) ret;
}

static int prog_run_id(const struct arguments *a) {
        union bpf_attr attr = {.prog_id = (uint32_t) atoi(argument(a, 0, "0"))};
        long ret = bpf_call(BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
        char packet[64] = {};

        if (ret < 0)
                return (int) ret;
        attr = (union bpf_attr){};
        attr.test.prog_fd = (uint32_t) ret;
        attr.test.data_in = (uintptr_t) packet;
        attr.test.data_size_in = sizeof(packet);
        attr.test.repeat = (uint32_t) atoi(argument(a, 1, "1"));
        ret = bpf_call(BPF_PROG_TEST_RUN, &attr, sizeof(attr));
        report_begin("prog-run-id");
        report_call("PROG_TEST_RUN", ret);
        report_end();
        return (int) ret;
}

/* Their fds stay open. */
static int prog_many(const struct arguments *a) {
        const int n = atoi(argument(a, 0, "1000"));
        const struct rlimit limit = {(rlim_t) n + 64, (rlim_t) n + 64};

        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        for (int i = 0; i < n; i++) {
                int fd = make_program("one_of_many", BPF_PROG_TYPE_SOCKET_FILTER, 0, i);

                if (fd < 0)
                        return fd;
        }
        report_begin("prog-many");
        report_number("programs", n);
        report_end();
        return 0;
}

const struct action inventory_actions[] = {
        {"map-by-id", "ID", map_by_id, "opens a map by its id"},
        {"prog-run-id", "ID [N]", prog_run_id, "runs a program of somebody else N times"},
        {"prog-many", "[N]", prog_many, "loads N programs"},
        {},
};
