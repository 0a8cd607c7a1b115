/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

#include "code.h"
#include "event.h"
#include "hash.h"
#include "name-list.h"
#include "sha256.h"
#include "syscalls.h"
#include "util.h"

enum {
        TEXT_MAX = 16 * 1024, /* bytes of a disassembly */
        LINE_MAX_BYTES = 256,
        REST_MAX = 32, /* of its last line, where it is cut */
};

/* What the instructions of classic BPF are called, as libpcap does it. The operand takes `k`. */
static const struct instruction {
        uint16_t code;
        const char *name, *operand;
} instructions[] = {
        {BPF_RET | BPF_K, "ret", "#%d"},
        {BPF_RET | BPF_A, "ret", ""},
        {BPF_LD | BPF_W | BPF_ABS, "ld", "[%d]"},
        {BPF_LD | BPF_H | BPF_ABS, "ldh", "[%d]"},
        {BPF_LD | BPF_B | BPF_ABS, "ldb", "[%d]"},
        {BPF_LD | BPF_W | BPF_IND, "ld", "[x + %d]"},
        {BPF_LD | BPF_H | BPF_IND, "ldh", "[x + %d]"},
        {BPF_LD | BPF_B | BPF_IND, "ldb", "[x + %d]"},
        {BPF_LD | BPF_W | BPF_LEN, "ld", "#pktlen"},
        {BPF_LD | BPF_IMM, "ld", "#0x%x"},
        {BPF_LD | BPF_MEM, "ld", "M[%d]"},
        {BPF_LDX | BPF_IMM, "ldx", "#0x%x"},
        {BPF_LDX | BPF_MEM, "ldx", "M[%d]"},
        {BPF_LDX | BPF_W | BPF_LEN, "ldx", "#pktlen"},
        {BPF_LDX | BPF_B | BPF_MSH, "ldxb", "4*([%d]&0xf)"},
        {BPF_ST, "st", "M[%d]"},
        {BPF_STX, "stx", "M[%d]"},
        {BPF_JMP | BPF_JA, "ja", NULL},
        {BPF_JMP | BPF_JEQ | BPF_K, "jeq", "#0x%x"},
        {BPF_JMP | BPF_JEQ | BPF_X, "jeq", "x"},
        {BPF_JMP | BPF_JGT | BPF_K, "jgt", "#0x%x"},
        {BPF_JMP | BPF_JGT | BPF_X, "jgt", "x"},
        {BPF_JMP | BPF_JGE | BPF_K, "jge", "#0x%x"},
        {BPF_JMP | BPF_JGE | BPF_X, "jge", "x"},
        {BPF_JMP | BPF_JSET | BPF_K, "jset", "#0x%x"},
        {BPF_JMP | BPF_JSET | BPF_X, "jset", "x"},
        {BPF_ALU | BPF_ADD | BPF_K, "add", "#%d"},
        {BPF_ALU | BPF_ADD | BPF_X, "add", "x"},
        {BPF_ALU | BPF_SUB | BPF_K, "sub", "#%d"},
        {BPF_ALU | BPF_SUB | BPF_X, "sub", "x"},
        {BPF_ALU | BPF_MUL | BPF_K, "mul", "#%d"},
        {BPF_ALU | BPF_MUL | BPF_X, "mul", "x"},
        {BPF_ALU | BPF_DIV | BPF_K, "div", "#%d"},
        {BPF_ALU | BPF_DIV | BPF_X, "div", "x"},
        {BPF_ALU | BPF_MOD | BPF_K, "mod", "#%d"},
        {BPF_ALU | BPF_MOD | BPF_X, "mod", "x"},
        {BPF_ALU | BPF_AND | BPF_K, "and", "#0x%x"},
        {BPF_ALU | BPF_AND | BPF_X, "and", "x"},
        {BPF_ALU | BPF_OR | BPF_K, "or", "#0x%x"},
        {BPF_ALU | BPF_OR | BPF_X, "or", "x"},
        {BPF_ALU | BPF_XOR | BPF_K, "xor", "#0x%x"},
        {BPF_ALU | BPF_XOR | BPF_X, "xor", "x"},
        {BPF_ALU | BPF_LSH | BPF_K, "lsh", "#%d"},
        {BPF_ALU | BPF_LSH | BPF_X, "lsh", "x"},
        {BPF_ALU | BPF_RSH | BPF_K, "rsh", "#%d"},
        {BPF_ALU | BPF_RSH | BPF_X, "rsh", "x"},
        {BPF_ALU | BPF_NEG, "neg", ""},
        {BPF_MISC | BPF_TAX, "tax", ""},
        {BPF_MISC | BPF_TXA, "txa", ""},
};

/* include/uapi/linux/filter.h: SKF_AD_*, loads from below SKF_AD_OFF + 64, four by four. */
static const char *const ancillaries[SKF_AD_MAX / 4] = {
        "proto",  "type", "ifidx", "nla",      "nlan",  "mark", "queue",  "hatype",
        "rxhash", "cpu",  "xor_x", "vlan_tci", "vlanp", "poff", "random", "vlan_tpid",
};

static const struct instruction *find(uint16_t code) {
        for (size_t i = 0; i < ELEMENTSOF(instructions); i++)
                if (instructions[i].code == code)
                        return &instructions[i];
        return NULL;
}

static bool is_absolute_load(uint16_t code) {
        return BPF_CLASS(code) == BPF_LD && BPF_MODE(code) == BPF_ABS && !(code & 0xff00);
}

static const char *ancillary(const struct sock_filter *f) {
        uint32_t at = f->k - (uint32_t) SKF_AD_OFF;

        return is_absolute_load(f->code) && at < SKF_AD_MAX && at % 4 == 0 ? ancillaries[at / 4]
                                                                           : NULL;
}

/* One line, without its end. `ret` has LINE_MAX_BYTES; returns the length. */
static size_t disassemble(const struct sock_filter *f, size_t at, char *ret) {
        const struct instruction *i = find(f->code);
        const char *name = i ? i->name : "unimp", *special = i ? ancillary(f) : NULL;
        char operand[32];

        if (!i)
                snprintf(operand, sizeof(operand), "0x%x", f->code);
        else if (!i->operand)
                snprintf(operand, sizeof(operand), "%llu", at + 1ULL + f->k);
        else if (special)
                snprintf(operand, sizeof(operand), "[%s]", special);
        else
                snprintf(operand, sizeof(operand), i->operand, f->k);

        if (BPF_CLASS(f->code) == BPF_JMP && BPF_OP(f->code) != BPF_JA)
                return (size_t) snprintf(ret, LINE_MAX_BYTES, "(%03zu) %-8s %-16s jt %zu\tjf %zu",
                                         at, name, operand, at + 1 + f->jt, at + 1 + f->jf);
        return (size_t) snprintf(ret, LINE_MAX_BYTES, "(%03zu) %-8s %s", at, name, operand);
}

/* include/uapi/linux/seccomp.h: SECCOMP_RET_*. */
static const struct {
        uint32_t action;
        const char *name;
} actions[] = {
        {SECCOMP_RET_KILL_PROCESS, "kill process"},
        {SECCOMP_RET_KILL_THREAD, "kill thread"},
        {SECCOMP_RET_TRAP, "trap"},
        {SECCOMP_RET_ERRNO, "errno"},
        {SECCOMP_RET_USER_NOTIF, "notify"},
        {SECCOMP_RET_TRACE, "trace"},
        {SECCOMP_RET_LOG, "log"},
        {SECCOMP_RET_ALLOW, "allow"},
};

/* What an instruction means to seccomp, into `ret` of `n` bytes; "" where there is nothing to
 * say. */
static void comment(const struct sock_filter *f, const char *syscall, char *ret, size_t n) {
        uint32_t data = f->k & SECCOMP_RET_DATA;
        const char *error = data <= 4095 ? strerrorname_np((int) data) : NULL;

        ret[0] = 0;
        if (syscall)
                snprintf(ret, n, "\t; %s", syscall);
        if (f->code != (BPF_RET | BPF_K))
                return;
        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (actions[i].action == (f->k & SECCOMP_RET_ACTION_FULL))
                        snprintf(ret, n, "\t; %s%s%s", actions[i].name,
                                 actions[i].action == SECCOMP_RET_ERRNO && error ? " " : "",
                                 actions[i].action == SECCOMP_RET_ERRNO && error ? error : "");
}

static void set_disassembly(struct event *e, const struct sock_filter *insns, size_t n,
                            const struct syscalls *syscalls) {
        char text[TEXT_MAX], line[LINE_MAX_BYTES], note[LINE_MAX_BYTES / 2] = "";
        size_t used = 0, i;

        for (i = 0; i < n; i++) {
                size_t length = disassemble(&insns[i], i, line), noted;

                if (syscalls)
                        comment(&insns[i], syscalls_get(syscalls, i), note, sizeof(note));
                noted = strlen(note);
                if (used + length + noted + 1 > sizeof(text) - REST_MAX)
                        break;
                memcpy(text + used, line, length);
                memcpy(text + used + length, note, noted);
                used += length + noted;
                text[used++] = '\n';
        }
        if (i < n)
                used += (size_t) snprintf(text + used, REST_MAX, "… %zu more\n", n - i);
        if (used > 0)
                event_set_stringn(e, FIELD_FILTER_DISASSEMBLY, text, used - 1);
}

/* Never 0: calls of the same name on two architectures are one. */
static uint64_t name_key(const char *name) {
        return hash_string(HASH_BEGIN, name) | 1;
}

static void set_syscalls(struct event *e, const struct syscalls *syscalls, size_t n) {
        struct name_list list = {};

        for (size_t i = 0; i < n; i++) {
                const char *name = syscalls_get(syscalls, i);

                if (name && name_list_is_new(&list, name_key(name)))
                        name_list_add(&list, name);
        }
        name_list_set(&list, e, FIELD_SECCOMP_SYSCALLS);
}

static void set_sha256(struct event *e, const struct sock_filter *insns, size_t n) {
        char text[SHA256_HEX];
        struct sha256_ctx hash;

        sha256_init(&hash);
        sha256_update(&hash, n * sizeof(*insns), (const uint8_t *) insns);
        sha256_hex(&hash, text);
        event_set_string(e, FIELD_FILTER_SHA256, text);
}

void filter_describe(struct event *e, const struct sock_filter *insns, size_t n, bool seccomp) {
        _cleanup_(syscalls_freep) struct syscalls *syscalls = NULL;

        event_set_u32(e, FIELD_FILTER_INSTRUCTIONS, (uint32_t) n);
        set_sha256(e, insns, n);
        if (seccomp && syscalls_new(&syscalls, insns, n) >= 0)
                set_syscalls(e, syscalls, n);
        set_disassembly(e, insns, n, syscalls);
}
