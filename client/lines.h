/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Lines of a pipe that does not block. */

#include <stddef.h>

/* A zeroed struct has no line. */
struct lines {
        char *data;
        size_t begin, end, size;
};

/* Reads what is there, up to some 100 KiB. Returns the bytes that came, 0 at the end, -EAGAIN when
 * nothing is there, -ENOMEM, or another negative errno. */
int lines_read(struct lines *l, int fd);

/* The next complete line, without its newline but with a NUL in its place; NULL where there is
 * none. Valid until the next lines_read(). */
char *lines_next(struct lines *l, size_t *ret_length);

/* Frees what it owns and empties it. */
void lines_clear(struct lines *l);
