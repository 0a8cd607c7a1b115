/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loads that have much to tell: programs with maps and helpers, long ones, and refusals with a log.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trigger.h"
#include "util.h"

#define INSN(c, d, s, o, i) \
        ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV(register, value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, register, 0, 0, value)
#define CALL(helper)         INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define EXIT()               INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define LOAD_MAP(register, fd) \
        INSN(BPF_LD | BPF_IMM | BPF_DW, register, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
/* Reads a register that nothing was written to. */
#define WRONG() INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_7, 0, 0)

enum {
        LOG_SHOWN_MAX = 4096,
        LOG_SIZE = 1024 * 1024,
        ATTR_SIZE_OLD = 72, /* before there was log_true_size */
};

/* Looks one map up and names another; `last` comes before the exit. */
static int load_with_maps(const char *name, const int maps[2], struct bpf_insn last) {
        const struct bpf_insn insns[] = {
                INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
                INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
                INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
                LOAD_MAP(BPF_REG_1, maps[0]),
                CALL(BPF_FUNC_map_lookup_elem),
                LOAD_MAP(BPF_REG_6, maps[1]),
                LOAD_MAP(BPF_REG_6, maps[0]),
                CALL(BPF_FUNC_get_smp_processor_id),
                CALL(BPF_FUNC_get_smp_processor_id),
                last,
                EXIT(),
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};

        memcpy(attr.prog_name, name, strlen(name));
        return load_program(&attr, insns, ELEMENTSOF(insns));
}

static int prog_maps(const struct arguments *a) {
        int maps[2] = {make_map("trigger_one", BPF_MAP_TYPE_HASH, 8, 16),
                       make_map("trigger_two", BPF_MAP_TYPE_ARRAY, 8, 16)};
        bool reject = strcmp(argument(a, 0, ""), "reject") == 0;
        uint32_t ids[2];
        int fd, r = 0;

        if (maps[0] < 0 || maps[1] < 0)
                return MIN(maps[0], maps[1]);
        for (int i = 0; i < 2; i++)
                ids[i] = object_id(maps[i]);
        fd = load_with_maps("trigger_maps", maps, reject ? WRONG() : MOV(BPF_REG_0, 0));
        report_begin("prog-maps");
        report_call("PROG_LOAD", fd);
        report_numbers("maps", ids, 2);
        if (fd >= 0)
                r = report_program(fd);
        report_end();
        return r;
}

/* As many instructions as asked for. */
static int prog_long(const struct arguments *a) {
        uint32_t n = (uint32_t) strtoul(argument(a, 0, "10000"), NULL, 0);
        _cleanup_free_ struct bpf_insn *insns = calloc(n, sizeof(*insns));
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                               .prog_name = "trigger_long"};

        if (!insns || n < 2)
                return -EINVAL;
        for (uint32_t i = 0; i < n; i++)
                insns[i] = MOV(BPF_REG_0, 0);
        insns[n - 1] = EXIT();
        return report_made("prog-long", "PROG_LOAD", load_program(&attr, insns, n), report_program);
}

/* The end of the log, without the newline. */
static void report_log(const char *log, size_t size) {
        _cleanup_free_ char *text = strndup(log, size);
        size_t n = text ? strlen(text) : 0;

        while (n > 0 && text[n - 1] == '\n')
                text[--n] = 0;
        report_text("log", n > 0 ? text : "");
}

/* Is refused after `n` instructions, with a log of a level and a buffer of a size. */
static int reject_with(const char *action, uint32_t n, uint32_t level, uint32_t log_size,
                       uint32_t size) {
        _cleanup_free_ struct bpf_insn *insns = calloc(n + 2, sizeof(*insns));
        _cleanup_free_ char *log = calloc(1, LOG_SIZE);
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                               .prog_name = "trigger_verdict",
                               .log_level = level};
        long ret;

        if (!insns || !log)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                insns[i] = MOV(BPF_REG_0, (int) i);
        insns[n] = WRONG();
        insns[n + 1] = EXIT();
        attr.insns = (uintptr_t) insns;
        attr.insn_cnt = n + 2;
        attr.license = (uintptr_t) "GPL";
        attr.log_size = log_size;
        attr.log_buf = log_size ? (uintptr_t) log : 0;
        ret = bpf_call(BPF_PROG_LOAD, &attr, size);
        report_begin(action);
        report_call("PROG_LOAD", ret);
        report_log(log, log_size);
        report_end();
        return 0;
}

/* The log has less than is told of it. */
static int reject_log(const struct arguments *a) {
        return reject_with("reject-log", 20, 1, LOG_SIZE, sizeof(union bpf_attr));
}

/* The same, where the kernel cannot say how long it is. */
static int reject_log_old(const struct arguments *a) {
        return reject_with("reject-log-old", 20, 1, LOG_SIZE, ATTR_SIZE_OLD);
}

/* No room for all of it: the kernel keeps the end, from 6.4 on, or the beginning. */
static int reject_log_small(const struct arguments *a) {
        return reject_with("reject-log-small", 20, 1, 200, sizeof(union bpf_attr));
}

static int reject_log_small_old(const struct arguments *a) {
        return reject_with("reject-log-small-old", 20, 1, 200, ATTR_SIZE_OLD);
}

static int reject_log_long(const struct arguments *a) {
        return reject_with("reject-log-long", 3000, 2, LOG_SIZE, sizeof(union bpf_attr));
}

static int reject_log_long_old(const struct arguments *a) {
        return reject_with("reject-log-long-old", 3000, 2, LOG_SIZE, ATTR_SIZE_OLD);
}

static int reject_quiet(const struct arguments *a) {
        return reject_with("reject-quiet", 20, 0, 0, sizeof(union bpf_attr));
}

/* A kprobe that changes memory of a process, what a function returns, or sends a signal, if it were
 * attached. */
static int prog_dangerous(const struct arguments *a) {
        const char *kind = argument(a, 0, "memory");
        const struct bpf_insn memory[] = {
                INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0),
                MOV(BPF_REG_1, 0),
                INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
                INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -8),
                MOV(BPF_REG_3, 8),
                CALL(BPF_FUNC_probe_write_user),
                MOV(BPF_REG_0, 0),
                EXIT(),
        };
        const struct bpf_insn result[] = {
                MOV(BPF_REG_2, 0),
                CALL(BPF_FUNC_override_return),
                MOV(BPF_REG_0, 0),
                EXIT(),
        };
        const struct bpf_insn signal[] = {
                MOV(BPF_REG_1, 0),
                CALL(BPF_FUNC_send_signal),
                MOV(BPF_REG_0, 0),
                EXIT(),
        };
        const struct {
                const char *kind;
                const struct bpf_insn *insns;
                size_t n;
        } programs[] = {
                {"memory", memory, ELEMENTSOF(memory)},
                {"result", result, ELEMENTSOF(result)},
                {"signal", signal, ELEMENTSOF(signal)},
        };
        union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_KPROBE, .prog_name = "trigger_danger"};

        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                if (strcmp(programs[i].kind, kind) != 0)
                        continue;
                int fd = load_program(&attr, programs[i].insns, programs[i].n);
                if (fd == -EINVAL)
                        return report_skip("prog-dangerous", "no such program or helper here");
                return report_made("prog-dangerous", "PROG_LOAD", fd, report_program);
        }
        return -EINVAL;
}

/* The smallest program of a type, by its number. */
static int prog_type(const struct arguments *a) {
        uint32_t type = (uint32_t) strtoul(argument(a, 0, "1"), NULL, 0);

        return report_made("prog-type", "PROG_LOAD", make_program("trigger_type", type, 0, 0),
                           report_program);
}

const struct action program_actions[] = {
        {"prog-maps", "[reject]", prog_maps, "loads a program with helpers and two maps"},
        {"prog-long", "N", prog_long, "loads a program of N instructions"},
        {"prog-dangerous", "[memory|result|signal]", prog_dangerous,
         "loads a kprobe that can change what processes do"},
        {"prog-type", "N", prog_type, "loads a program of a type"},
        {"reject-log", "", reject_log, "is refused, with a log"},
        {"reject-log-old", "", reject_log_old, "the same, by the attributes of old"},
        {"reject-log-small", "", reject_log_small, "no room for the log"},
        {"reject-log-small-old", "", reject_log_small_old, "the same, by the attributes of old"},
        {"reject-log-long", "", reject_log_long, "a long log"},
        {"reject-log-long-old", "", reject_log_long_old, "the same, by the attributes of old"},
        {"reject-quiet", "", reject_quiet, "is refused, without a log"},
        {},
};
