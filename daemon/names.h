/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names of commands, types and helpers: from the running kernel's BTF enums, with a table of ours
 * under it. */

#include <stddef.h>
#include <stdint.h>

#include "names-table.h"

struct btf;
struct names;

/* Reads the enums of `btf` (borrowed, may be NULL: only our table then). */
int names_new(struct names **ret, const struct btf *btf);

/* The same with the BTF of the running kernel, which is let go afterwards (it takes megabytes). A
 * kernel without BTF leaves only our table. Returns 0 or -ENOMEM. */
int names_new_kernel(struct names **ret);

struct names *names_free(struct names *n);

/* The name of a value, without the kernel's prefix; NULL when nobody knows it. Lives as long as
 * `n`. */
const char *names_get(const struct names *n, enum name_set set, uint32_t value);

/* How many values of the set have a name: values at or above it have none. */
uint32_t names_end(const struct names *n, enum name_set set);
