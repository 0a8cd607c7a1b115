/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An event as a line of JSON: a flat object, its keys and their order those of common/fields.def,
 * byte by byte what `bpfmonctl subscribe --json=short` prints. */

#include <stddef.h>
#include <sys/types.h>

#include "event.h"

enum {
        /* Room in which every event fits: six bytes (\u001f) for each of its arena's, and its keys,
         * numbers and static strings. */
        EVENT_JSON_MAX = 6 * EVENT_ARENA_SIZE + 64 * 1024,
};

/* Writes the event with its newline (and no NUL) into `ret` (`size` bytes), of its fields those in
 * `only` (NULL: all). Bytes become a string of hexadecimal digits; characters that could harm a
 * terminal are escaped as JSON escapes characters. Allocates nothing. Returns the length; -ENOBUFS
 * when the room may not be enough (EVENT_JSON_MAX always is): `ret` then holds nothing of use. */
ssize_t event_json(const struct event *e, const struct field_set *only, char *ret, size_t size);
