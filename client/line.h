/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A live event as one line: a sentence that a person can scan. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus-json.h"
#include "text.h"

struct json_object;

struct line_format {
        size_t columns; /* of the terminal; 0: no limit, nothing is cut */
        bool colour;
};

/* The fields that sentences are made of. */
void line_fields(struct field_set *ret);

/* Adds the event as a sentence and a newline. */
void line_add(struct text *t, struct json_object *event, const struct line_format *format);

/* Adds "-- 123 events lost (window) --" and a newline. `where` may be NULL. A count
 * of 0 is one that nobody knows. */
void line_add_lost(struct text *t, uint64_t count, const char *where,
                   const struct line_format *format);
