/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A timeline as a picture: SVG that needs nothing besides. */

#include "text.h"

struct timeline;

enum {
        TIMELINE_SVG_ROOM = 120, /* intervals that look well in it */
};

/* Adds the whole file. */
void timeline_svg(struct text *out, const struct timeline *t);
