/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names of the kernel's functions by their BTF ids. The BTF is read where it lies, with an index of
 * a few kilobytes: loaded it takes megabytes. */

#include <stddef.h>
#include <stdint.h>

enum {
        KFUNC_NAME_MAX = 128, /* bytes with NUL; longer names are cut */
};

struct kfuncs;

/* `path`: of the BTF (static), NULL: the running kernel's. It is opened when a name is first asked
 * for. Returns 0 or -ENOMEM. */
int kfuncs_new(struct kfuncs **ret, const char *path);

/* NULL is fine; returns NULL. */
struct kfuncs *kfuncs_free(struct kfuncs *k);

/* The name of a function. Returns 0; -ENOENT where `id` is none, and where there is no BTF that we
 * understand. */
int kfuncs_name(struct kfuncs *k, uint32_t id, char ret[static KFUNC_NAME_MAX]);
