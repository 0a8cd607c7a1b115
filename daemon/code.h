/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What instructions say: the helpers, functions and system calls that they name, their hash, and
 * how they read. Instructions are hostile input. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;
struct event;
struct kfuncs;
struct names;
struct sock_filter;

/* Sets prog.helpers, prog.kfuncs and prog.sha256 from `n` instructions as the loader gave them
 * (before the verifier rewrote them). Each name once, in the order of their first use; long lists
 * are cut, and the last item says how many are left out. `kfuncs` may be NULL: then they are
 * numbers. */
void code_describe(struct event *e, const struct names *names, struct kfuncs *kfuncs,
                   const struct bpf_insn *insns, size_t n);

/* Sets filter.instructions, filter.sha256 and filter.disassembly (cut where it grows too long, and
 * it says so). `seccomp`: also seccomp.syscalls, and the disassembly names them. */
void filter_describe(struct event *e, const struct sock_filter *insns, size_t n, bool seccomp);

/* Sets verifier.log and verifier.reason from the end of a verifier's log, `n` bytes without NUL. */
void verifier_describe(struct event *e, const char *log, size_t n);
