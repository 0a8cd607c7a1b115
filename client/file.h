/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A file that is there as a whole, or not at all. */

#include <stddef.h>

/* Writes `n` bytes into the file, in place of what it had; "-" is standard output. Where that fails
 * the file is as it was. Returns 0 or a negative errno. */
int file_write(const char *path, const void *data, size_t n);
