/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Mounts as a process sees them. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mount {
        uint64_t id;
        uint32_t major, minor; /* of the file system, as the kernel has it; btrfs and overlayfs tell
                                  others in statx() */
        const char *root;      /* which directory of it */
        const char *path;      /* where, as the process sees it */
        const char *type;      /* of the file system */
};

/* Calls `found` with each mount of a type (NULL: any) in the mount namespace of `pid` (0: our own),
 * until it returns a negative errno or there are too many lines. Returns that, or 0. */
int mounts_find(pid_t pid, const char *type, int (*found)(const struct mount *m, void *userdata),
                void *userdata);
