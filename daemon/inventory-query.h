/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* BPF_PROG_QUERY: which programs are attached to a control group, a network namespace, a device or
 * a map. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names;
struct scan;

enum { QUERY_PROGS_MAX = 1024 };

/* What is attached at one place. */
struct attached {
        uint32_t progs[QUERY_PROGS_MAX];
        uint32_t links[QUERY_PROGS_MAX]; /* 0: not by a link, or the kernel does not say */
        size_t n;
};

/* Asks; `target` is an fd, or the index of a device. Fills `ret`, with none also where
 * the kernel has no such attach type. Returns 0, or -EPERM where we may not ask: Linux 5.10 and 6.1
 * want CAP_NET_ADMIN for it. */
int query_attached(uint32_t target, uint32_t attach_type, struct attached *ret);

/* Attach types whose name in the running kernel passes one of the globs (a list that ends with
 * NULL). Returns how many are in `ret`. */
size_t query_types(const struct names *names, const char *const *globs, uint32_t *ret, size_t max);
