/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One object as a page: what it is, who brought it, where it is attached, what it may do, what it
 * costs. */

#include "objects.h"
#include "text.h"

struct json_object;

struct page_format {
        size_t columns; /* of the terminal; 0: nothing is wrapped */
        bool colour;
        uint64_t now; /* µs since 1970 */
};

/* Adds the page of an object, made from its row. */
void page_add(struct text *t, enum kind kind, struct json_object *row,
              const struct page_format *format);

/* Adds the fields alone, one below the other; "-" for what it has not. */
void page_add_fields(struct text *t, const enum field *fields, size_t n, struct json_object *row,
                     const struct page_format *format);
