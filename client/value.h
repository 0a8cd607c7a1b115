/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The value of a field as people read it. */

#include <stdbool.h>

#include "event.h"
#include "text.h"

struct json_object;

/* Adds a value, escaped: numbers with the unit of the field (`field` -1: no field, no unit), lists
 * with commas, dictionaries as key=value with spaces. NULL adds nothing. */
void value_add(struct text *t, int field, struct json_object *value);

/* Whether columns of the field's values are aligned to the right. */
bool value_is_number(enum field field);

/* The parts of a row: NULL or 0 where the row has no such key or it is of another type. Borrowed.
 */
struct json_object *row_get(struct json_object *row, enum field field);
const char *row_string(struct json_object *row, enum field field);
uint64_t row_number(struct json_object *row, enum field field);

/* Adds what `template` says of a row. In it {name} is the value of a field, or of an entry of
 * bpf.attr as {bpf.attr.ENTRY}; <…> is a group, which is left out where one of its fields is
 * absent; <…|…> is the first alternative of which all fields are there. Groups are not nested.
 * Spaces at the start are left out. */
void row_add(struct text *t, struct json_object *row, const char *template);
