/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What client/file.h has not: small files read as a whole, and the directories above them. */

#include <stddef.h>

/* Reads a regular file of up to `most` bytes of text. `ret`: it, for the caller to free. Returns 0;
 * -EFBIG where there is more; -EINVAL where it is no regular file or has a NUL; another negative
 * errno. */
int files_read(const char *path, size_t most, char **ret);

/* Makes the directories above a file (of mode 0700), as far as they are not there. Returns 0 or a
 * negative errno. */
int files_make_parents(const char *path);
