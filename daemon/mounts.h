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

/* Opens a directory by an absolute path as `pid` (0: we) sees it, without symbolic links, to be
 * looked up from. -EXDEV where what is there has not the magic number of the file system. */
int mount_open(pid_t pid, const char *path, uint64_t magic);
