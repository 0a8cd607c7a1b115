/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "symbol-search.h"
#include "util.h"

enum {
        NAME_MAX_BYTES = 128, /* longer names are cut */
        BUFFER_SIZE = 64 * 1024,
        /* No function is larger: what is farther from one is behind the last of them. */
        FUNCTION_MAX = 1024 * 1024,
};

/* The nearest symbol between a place and the one below it. */
struct nearest {
        uint64_t start;
        bool is_function;
        char name[NAME_MAX_BYTES];
};

/* Takes a digit off the front of an address. */
static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c = (char) tolower((unsigned char) c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "ffffffff81000000 T name", a module's "… t name\t[module]" with a space between. */
static void take_line(const char *line, const struct place *places, size_t n,
                      struct nearest *nearest) {
        uint64_t start = 0;

        for (; hex_digit(*line) >= 0; line++)
                start = start << 4 | (unsigned) hex_digit(*line);
        /* 0: the kernel tells no addresses. */
        if (start == 0 || line[0] != ' ' || line[1] == 0 || line[2] != ' ' || line[3] == 0)
                return;

        size_t at = place_above(places, n, start);
        bool is_function = strchr("tTwW", line[1]);
        if (at == n)
                return;

        /* Of several names for one address the first counts, as it does to the kernel. */
        struct nearest *best = &nearest[at];
        if (start < best->start || (start == best->start && (best->is_function || !is_function)))
                return;
        best->start = start;
        best->is_function = is_function;
        snprintf(best->name, sizeof(best->name), "%s", line + 3);
}

static int name_place(struct place *p, const struct nearest *nearest) {
        char *module = strchr(nearest->name, '\t'), offset[32] = "";
        int length = module ? (int) (module - nearest->name) : (int) strlen(nearest->name);

        if (!nearest->is_function || p->address - nearest->start >= FUNCTION_MAX)
                return 0;
        if (p->address > nearest->start)
                snprintf(offset, sizeof(offset), "+0x%llx",
                         (unsigned long long) (p->address - nearest->start));
        if (asprintf(&p->name, "%.*s%s%s%s", length, nearest->name, offset, module ? " " : "",
                     module ? module + 1 : "") < 0) {
                p->name = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int name_places(struct place *places, size_t n, const struct nearest *nearest) {
        const struct nearest *best = NULL;

        for (size_t i = 0; i < n; i++) {
                if (nearest[i].start != 0 && (!best || nearest[i].start >= best->start))
                        best = &nearest[i];
                int k = best ? name_place(&places[i], best) : 0;
                if (k < 0)
                        return k;
        }
        return 0;
}

int kallsyms_find(const char *path, struct place *places, size_t n) {
        _cleanup_free_ struct nearest *nearest = calloc(n + 1, sizeof(*nearest));
        _cleanup_free_ char *buffer = malloc(BUFFER_SIZE);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        size_t used = 0;

        if (fd < 0)
                return -errno;
        if (!nearest || !buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t got = read(fd, buffer + used, BUFFER_SIZE - 1 - used);
                char *line = buffer, *newline;

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        return name_places(places, n, nearest);
                used += (size_t) got;
                for (; (newline = memchr(line, '\n', used - (size_t) (line - buffer)));
                     line = newline + 1) {
                        *newline = 0;
                        take_line(line, places, n, nearest);
                }
                used -= (size_t) (line - buffer);
                if (used == BUFFER_SIZE - 1)
                        return -EBADMSG; /* no line is so long */
                memmove(buffer, line, used);
        }
}
