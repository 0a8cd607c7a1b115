/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Chosen fields of live events, in columns whose widths grow with what they have to hold. */

#include <stddef.h>

#include "event.h"
#include "line.h"
#include "text.h"

struct json_object;

struct columns {
        const enum field *fields;
        size_t n;
        size_t widths[_FIELD_MAX];
};

/* `fields` are borrowed; `n` is at most _FIELD_MAX. */
void columns_init(struct columns *c, const enum field *fields, size_t n);

/* Adds the names of the fields and a newline. */
void columns_add_legend(struct text *t, const struct columns *c, const struct line_format *format);

/* Adds the values of an event and a newline; "-" for what is absent. */
void columns_add(struct text *t, struct columns *c, struct json_object *event,
                 const struct line_format *format);
