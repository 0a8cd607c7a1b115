/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Mounts of one type, as a process sees them. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mount {
        uint32_t major, minor; /* of the file system */
        const char *root;      /* which directory of it */
        const char *path;      /* where, as the process sees it */
};

/* Calls `found` with each mount of a type in the mount namespace of `pid` (0: our own), until it
 * returns a negative errno or there are too many lines. Returns that, or 0. */
int mounts_find(pid_t pid, const char *type, int (*found)(const struct mount *m, void *userdata),
                void *userdata);
