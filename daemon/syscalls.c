/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>

#include "syscalls.h"

/* What is known where control comes to an instruction. */
struct state {
        bool reached;
        enum { HOLDS_OTHER, HOLDS_NUMBER, HOLDS_ARCH } a; /* what is in the accumulator */
        uint32_t arch;                                    /* AUDIT_ARCH_*, 0: any */
};

struct syscalls {
        size_t n;
        char *names[BPF_MAXINSNS];
};

struct syscalls *syscalls_free(struct syscalls *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n; i++)
                free(s->names[i]);
        free(s);
        return NULL;
}

const char *syscalls_get(const struct syscalls *s, size_t i) {
        return i < s->n ? s->names[i] : NULL;
}

/* What is known on all ways there. */
static void arrive(struct state *states, size_t n, uint64_t at, struct state from) {
        struct state *to;

        if (at >= n)
                return;
        to = &states[at];
        if (to->reached && to->a != from.a)
                from.a = HOLDS_OTHER;
        if (to->reached && to->arch != from.arch)
                from.arch = 0;
        *to = from;
}

static bool is_jump(const struct sock_filter *f) {
        return BPF_CLASS(f->code) == BPF_JMP && BPF_OP(f->code) != BPF_JA;
}

/* Jumps only go forward. */
static void leave(struct state *states, size_t n, size_t at, const struct sock_filter *f) {
        struct state after = states[at], equal;

        switch (BPF_CLASS(f->code)) {
        case BPF_LD:
                after.a = HOLDS_OTHER;
                if (f->code == (BPF_LD | BPF_W | BPF_ABS) &&
                    f->k == offsetof(struct seccomp_data, nr))
                        after.a = HOLDS_NUMBER;
                if (f->code == (BPF_LD | BPF_W | BPF_ABS) &&
                    f->k == offsetof(struct seccomp_data, arch))
                        after.a = HOLDS_ARCH;
                break;
        case BPF_ALU:
                after.a = HOLDS_OTHER;
                break;
        case BPF_MISC:
                if (f->code == (BPF_MISC | BPF_TXA))
                        after.a = HOLDS_OTHER;
                break;
        case BPF_RET:
                return;
        case BPF_JMP:
                if (!is_jump(f)) {
                        arrive(states, n, at + 1 + (uint64_t) f->k, after);
                        return;
                }
                equal = after;
                if (f->code == (BPF_JMP | BPF_JEQ | BPF_K) && after.a == HOLDS_ARCH)
                        equal.arch = f->k;
                arrive(states, n, at + 1 + f->jt, equal);
                arrive(states, n, at + 1 + f->jf, after);
                return;
        }
        arrive(states, n, at + 1, after);
}

/* libseccomp's names of architectures are AUDIT_ARCH_*, but for x32: that is a bit of the number.
 */
static char *resolve(uint32_t arch, uint32_t number) {
        enum { X32_SYSCALL_BIT = 0x40000000 };

        if (arch == 0)
                arch = seccomp_arch_native();
        if (arch == SCMP_ARCH_X86_64 && number & X32_SYSCALL_BIT)
                arch = SCMP_ARCH_X32;
        return seccomp_syscall_resolve_num_arch(arch, (int) number);
}

int syscalls_new(struct syscalls **ret, const struct sock_filter *insns, size_t n) {
        _cleanup_(syscalls_freep) struct syscalls *s = calloc(1, sizeof(*s));
        _cleanup_free_ struct state *states = NULL;

        n = MIN(n, (size_t) BPF_MAXINSNS);
        states = calloc(n + 1, sizeof(*states));
        if (!s || !states)
                return -ENOMEM;

        s->n = n;
        states[0].reached = true;
        for (size_t i = 0; i < n; i++) {
                if (!states[i].reached)
                        continue;
                if (insns[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && states[i].a == HOLDS_NUMBER)
                        s->names[i] = resolve(states[i].arch, insns[i].k);
                leave(states, n, i, &insns[i]);
        }
        *ret = TAKE_PTR(s);
        return 0;
}
