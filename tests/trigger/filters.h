/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the actions share that bring filters without bpf(). */

#include <linux/filter.h>
#include <stddef.h>

enum { FILTER_MAX = 64 };

/* A classic filter of `n` instructions (at most FILTER_MAX) that lets everything pass: to sockets
 * and to seccomp alike. Static: the next one replaces it. */
struct sock_fprog make_filter(size_t n);

/* The same, with an instruction that there is not. */
struct sock_fprog make_bad_filter(size_t n);

/* An address and nothing behind it. */
void *bad_address(void);

/* Members of the report: `ret` of a call as errno, the inode of this thread's network namespace. */
void report_result(long ret);
void report_netns(void);

/* What a call returned, with its errno. */
long outcome(long ret);

/* A 32-bit call. Returns a negative errno, -ENOSYS where there is none. */
long call_32bit(long number, long a, const void *b, long c, const void *d, long e);

/* `size` bytes that a 32-bit call can name, or NULL. */
void *low_memory(size_t size);
