/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Takes a file out of the way that is of no use, but that somebody may want to look at. */

#include <stddef.h>

/* Renames the file, and what SQLite keeps beside it, to PATH.TIME, which `ret` (`size` bytes) gets.
 * Of what was set aside earlier only the newest few stay. Returns 0 or a negative errno. */
int history_set_aside(const char *path, char *ret, size_t size);
