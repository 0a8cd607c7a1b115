/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The system calls that a seccomp filter names: what it compares their number with. */

#include <stddef.h>
#include <stdint.h>

#include "util.h"

struct sock_filter;
struct syscalls;

/* Follows a filter (any bytes; what is behind the 4096th instruction is left out). Returns 0 or
 * -ENOMEM. */
int syscalls_new(struct syscalls **ret, const struct sock_filter *insns, size_t n);

/* NULL is fine; returns NULL. */
struct syscalls *syscalls_free(struct syscalls *s);
DEFINE_CLEANUP(struct syscalls *, syscalls_free);

/* The system call that instruction `i` names (lives as long as `s`), or NULL. */
const char *syscalls_get(const struct syscalls *s, size_t i);
