/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A timeline as bars of a terminal. */

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct timeline;

/* Columns that are left for intervals on a terminal of `columns`. */
size_t timeline_text_room(size_t columns);

/* Adds all of it: a bar for each interval, and below a small one for each kind of events. Lines are
 * as wide as what timeline_text_room() was told, where the intervals fit `room`, what it returned.
 * `legend`: with a heading and a summary. */
void timeline_text(struct text *out, const struct timeline *t, size_t room, bool legend,
                   bool colour);
