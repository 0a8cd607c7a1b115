/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions that are hard to observe rightly: calls by other roads. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

enum {
        PAGE = 4096,
        COMMON_ATTRS = 1 << 16, /* BPF_COMMON_ATTRS, from Linux 7.0 */
};

#ifdef __x86_64__
static long bpf_call_32bit(int cmd, void *attr, unsigned size) {
        long r;

        /* 357: bpf in arch/x86/entry/syscalls/syscall_32.tbl */
        asm volatile("int $0x80"
                     : "=a"(r)
                     : "a"(357L), "b"((long) cmd), "c"(attr), "d"((long) size)
                     : "memory", "r8", "r9", "r10", "r11");
        return (int) r;
}

static int compat(const struct arguments *a) {
        union bpf_attr *attr = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        long ret;

        if (attr == MAP_FAILED)
                return -errno;
        fill_map(attr, "trigger_compat", 8);
        ret = bpf_call_32bit(BPF_MAP_CREATE, attr, sizeof(*attr));
        if (ret == -ENOSYS)
                return report_skip("compat", "this kernel takes no 32-bit calls");
        return report_made("compat", "MAP_CREATE", ret, report_map);
}

/* Fails before the kernel has a copy of the attributes. */
static int compat_efault(const struct arguments *a) {
        long ret = bpf_call_32bit(BPF_MAP_CREATE, (void *) 8, sizeof(union bpf_attr));

        if (ret == -ENOSYS)
                return report_skip("compat-efault", "this kernel takes no 32-bit calls");
        report_begin("compat-efault");
        report_call("MAP_CREATE", ret);
        report_end();
        return ret < 0 ? 0 : -EBADE;
}
#else
static int compat(const struct arguments *a) {
        return report_skip("compat", "a 64-bit process cannot make 32-bit calls here");
}

static int compat_efault(const struct arguments *a) {
        return report_skip("compat-efault", "a 64-bit process cannot make 32-bit calls here");
}
#endif

/* A program that makes a map itself: it lays the attributes out on its stack, and returns what the
 * helper returned. */
static int make_caller(void) {
        enum { WORDS = 12, HELPER_SYS_BPF = 166, PROG_TYPE_SYSCALL = 31 };
        uint32_t words[WORDS] = {};
        struct bpf_insn insns[WORDS + 6];
        union bpf_attr map, attr = {
                                    .prog_type = PROG_TYPE_SYSCALL,
                                    .prog_name = "trigger_nested",
                                    .prog_flags = BPF_F_SLEEPABLE,
                            };
        size_t n = 0;

        fill_map(&map, "trigger_inner", 8);
        memcpy(words, &map, sizeof(words));
        for (int i = 0; i < WORDS; i++)
                insns[n++] = (struct bpf_insn){.code = BPF_ST | BPF_MEM | BPF_W,
                                               .dst_reg = BPF_REG_10,
                                               .off = 4 * (i - WORDS),
                                               .imm = words[i]};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4 * WORDS};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = BPF_MAP_CREATE};
        insns[n++] = (struct bpf_insn){
                .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 4 * WORDS};
        insns[n++] = (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = HELPER_SYS_BPF};
        insns[n++] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
        return load_program(&attr, insns, n);
}

static int nested(const struct arguments *a) {
        union bpf_attr attr = {};
        int fd = make_caller(), r;

        if (fd == -EINVAL)
                return report_skip("nested", "no programs that call bpf() (they came with 5.14)");
        if (fd < 0)
                return fd;
        attr.test.prog_fd = fd;
        r = bpf_call(BPF_PROG_TEST_RUN, &attr, sizeof(attr));
        if (r < 0)
                return r;
        return report_made("nested", "MAP_CREATE", (int) attr.test.retval, report_map);
}

/* struct bpf_common_attr, which the header that we are built with may not have. */
struct common {
        uint64_t log_buf;
        uint32_t log_size;
        uint32_t log_level;
        uint32_t log_true_size;
};

/* Loads a program whose log comes by the common attributes. */
static long load_with_common(uint32_t type, struct common *common) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {
                .prog_type = type,
                .prog_name = "trigger_common",
                .insns = (uintptr_t) insns,
                .insn_cnt = ELEMENTSOF(insns),
                .license = (uintptr_t) "GPL",
        };
        long r = syscall(SYS_bpf, BPF_PROG_LOAD | COMMON_ATTRS, &attr, sizeof(attr), common,
                         sizeof(*common));

        return r < 0 ? -errno : r;
}

static int common_attrs(const struct arguments *a) {
        char log[PAGE] = "";
        struct common common = {
                .log_buf = (uintptr_t) log, .log_size = sizeof(log), .log_level = 1};
        long ret = load_with_common(BPF_PROG_TYPE_SOCKET_FILTER, &common);

        if (ret == -EINVAL)
                return report_skip("common-attrs", "this kernel has no common attributes");
        report_begin("common-attrs");
        report_call("PROG_LOAD", ret);
        report_number("log_size", common.log_size);
        report_number("log_true_size", common.log_true_size);
        if (ret >= 0)
                ret = report_program(ret);
        report_end();
        return ret < 0 ? ret : common.log_true_size ? 0 : -EBADE;
}

/* The verifier says no, in the log of the common attributes alone. */
static int common_attrs_reject(const struct arguments *a) {
        const struct bpf_insn insns[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_X, .src_reg = BPF_REG_7},
                {.code = BPF_JMP | BPF_EXIT},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                               .prog_name = "trigger_common",
                               .insns = (uintptr_t) insns,
                               .insn_cnt = ELEMENTSOF(insns),
                               .license = (uintptr_t) "GPL"};
        char log[PAGE] = "";
        struct common common = {
                .log_buf = (uintptr_t) log, .log_size = sizeof(log), .log_level = 1};
        long ret = syscall(SYS_bpf, BPF_PROG_LOAD | COMMON_ATTRS, &attr, sizeof(attr), &common,
                           sizeof(common));

        if (ret >= 0)
                return -EBADE;
        ret = -errno;
        if (ret == -EINVAL)
                return report_skip("common-attrs-reject", "this kernel has no common attributes");
        report_begin("common-attrs-reject");
        report_call("PROG_LOAD", ret);
        for (size_t n = strlen(log); n > 0 && log[n - 1] == '\n'; n--)
                log[n - 1] = 0;
        report_text("log", log);
        report_end();
        return 0;
}

/* Refused by every kernel: a type that none has, or already for the flag. */
static int common_attrs_fail(const struct arguments *a) {
        struct common common = {.log_size = 0, .log_level = 7};
        long ret = load_with_common(UINT16_MAX, &common);

        report_begin("common-attrs-fail");
        report_call("PROG_LOAD", ret);
        report_number("log_level", common.log_level);
        report_end();
        return ret < 0 ? 0 : -EBADE;
}

const struct action odd_actions[] = {
        {"common-attrs", "", common_attrs, "a program, with attributes common to all commands"},
        {"common-attrs-reject", "", common_attrs_reject,
         "is refused, with a log in those attributes"},
        {"common-attrs-fail", "", common_attrs_fail, "the same, refused"},
        {"compat", "", compat, "a 32-bit call"},
        {"compat-efault", "", compat_efault, "a 32-bit call, attributes at a bad address"},
        {"nested", "", nested, "a program that calls bpf() itself"},
        {},
};
