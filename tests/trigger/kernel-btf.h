/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the kernel says of its own types. */

#include <stddef.h>
#include <stdint.h>

struct kernel_btf {
        char *data;
        const char *types, *end; /* struct btf_type, and what belongs to each */
        const char *strings;
};

/* Reads it; release with kernel_btf_done(). Returns 0 or a negative errno. */
int kernel_btf_read(struct kernel_btf *ret);
void kernel_btf_done(struct kernel_btf *b);

/* The id of the type of a kind (BTF_KIND_*) that has a name, or -ENOENT. */
int kernel_btf_find(const struct kernel_btf *b, uint32_t kind, const char *name);

/* The size of a type of known size, by its id; 0: there is none. */
size_t kernel_btf_size(const struct kernel_btf *b, int id);

/* The number of a struct's member, or -ENOENT; its place in bytes goes to `ret_offset`. */
int kernel_btf_member(const struct kernel_btf *b, int id, const char *name, size_t *ret_offset);

/* All of the first two at once. Returns an id or a negative errno. */
int kernel_type(uint32_t kind, const char *name);
