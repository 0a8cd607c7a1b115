/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The programs that a user wants to hear no more of: lines of a file, which people may edit. A line
 * is what alert.h calls a program; empty lines and those after # are comments. */

#include <stdbool.h>
#include <stddef.h>

#include "util.h"

enum {
        MUTES_MAX = 1024,           /* programs */
        MUTES_FILE_MAX = 256 << 10, /* bytes */
};

struct mutes;

/* Mutes kept in `file`, or (NULL) in bpfmon/mutes below $XDG_CONFIG_HOME or ~/.config. The file
 * need not be there. Returns 0; -ENXIO where there is no home; -ENOMEM. */
int mutes_new(struct mutes **ret, const char *file);
struct mutes *mutes_free(struct mutes *m);

/* Path of the file (owned by `m`). */
const char *mutes_file(const struct mutes *m);

/* Reads the file, if it has changed since it was read. What cannot be read leaves the mutes as they
 * were. Returns 0; -EFBIG where it has too many bytes or lines; another negative errno. */
int mutes_refresh(struct mutes *m);

/* Whether a program is muted, as the file was when it was read. NULL never is. */
bool mutes_has(const struct mutes *m, const char *program);

/* The programs (owned by `m`, sorted). */
const char *const *mutes_list(const struct mutes *m, size_t *ret_n);

/* Mute a program, and end that. The file is replaced as a whole, or left as it was; what else is in
 * it stays. Return 1; 0 where nothing had to be done; -EINVAL where the name cannot be a line;
 * -EFBIG; another negative errno of the file system. */
int mutes_add(struct mutes *m, const char *program);
int mutes_remove(struct mutes *m, const char *program);

DEFINE_CLEANUP(struct mutes *, mutes_free);
