/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an inventory is to show: objects that somebody else holds, programs that run, and many of
 * them. */

#include <errno.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "kernel-btf.h"
#include "trigger.h"
#include "util.h"

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

/* What rootkits made of BPF do: a program that decides before the kernel does, and says to whoever
 * asks for the next program that there is none. */
static int hide_programs(const struct arguments *a) {
        const struct bpf_insn insns[] = {
                /* security_bpf(cmd, …) */
                {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 1, .src_reg = 1},
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
                {.code = BPF_JMP | BPF_JNE | BPF_K,
                 .dst_reg = 1,
                 .imm = BPF_PROG_GET_NEXT_ID,
                 .off = 1},
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -ENOENT},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {
                .prog_type = BPF_PROG_TYPE_TRACING,
                .expected_attach_type = BPF_MODIFY_RETURN,
                .prog_name = "hider",
        };
        int id = kernel_type(BTF_KIND_FUNC, "security_bpf"), program;
        long link;

        if (id < 0)
                return report_skip("hide-programs", "this kernel has no security_bpf()");
        attr.attach_btf_id = (uint32_t) id;
        program = load_program(&attr, insns, ELEMENTSOF(insns));
        if (program < 0)
                return program;
        attr = (union bpf_attr){};
        attr.raw_tracepoint.prog_fd = (uint32_t) program;
        link = bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
        if (link < 0)
                return (int) link;
        report_begin("hide-programs");
        report_program(program);
        report_end();
        return 0;
}

const struct action inventory_actions[] = {
        {"map-by-id", "ID", map_by_id, "opens a map by its id"},
        {"prog-run-id", "ID [N]", prog_run_id, "runs a program of somebody else N times"},
        {"hide-programs", "", hide_programs, "hides all programs from who lists them"},
        {"prog-many", "[N]", prog_many, "loads N programs"},
        {},
};
