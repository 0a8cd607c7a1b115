/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "lines.h"
#include "util.h"

enum {
        READ_BYTES = 128 * 1024,
};

/* Moves what is left of a line to the front. */
static int make_room(struct lines *l) {
        size_t left = l->end - l->begin;

        if (left > 0)
                memmove(l->data, l->data + l->begin, left);
        l->begin = 0;
        l->end = left;
        if (l->size - left >= READ_BYTES)
                return 0;

        char *data = realloc(l->data, left + 2 * READ_BYTES);
        if (!data)
                return -ENOMEM;
        l->data = data;
        l->size = left + 2 * READ_BYTES;
        return 0;
}

int lines_read(struct lines *l, int fd) {
        int r = make_room(l);

        if (r < 0)
                return r;

        ssize_t n = read(fd, l->data + l->end, READ_BYTES);
        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;

        l->end += (size_t) n;
        return (int) n;
}

char *lines_next(struct lines *l, size_t *ret_length) {
        char *line = l->data + l->begin;
        char *end = l->end > l->begin ? memchr(line, '\n', l->end - l->begin) : NULL;

        if (!end)
                return NULL;

        *end = '\0';
        l->begin = (size_t) (end + 1 - l->data);
        *ret_length = (size_t) (end - line);
        return line;
}

void lines_clear(struct lines *l) {
        free(l->data);
        *l = (struct lines){};
}
