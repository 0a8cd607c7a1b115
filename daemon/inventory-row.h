/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Objects of a scan as rows: an event for each, with what is known of who brought it. */

#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct clock_offset;
struct event;
struct names;
struct objects;
struct scan;
struct statistics;
struct viewer;

/* What rows are made from; all borrowed. */
struct row_sources {
        const struct scan *scan;
        struct objects *objects;
        const struct names *names;
        const struct statistics *statistics; /* may be NULL */
        struct clock_offset *boottime;       /* of CLOCK_BOOTTIME */
};

/* How many objects of a kind there are. */
size_t row_count(const struct scan *s, enum object_kind kind);

/* The id of the object at `i`, in the order of ids. */
uint32_t row_id(const struct scan *s, enum object_kind kind, size_t i);

/* Fills `e` (reset here) with the object at `i`. Holders, pins and attachments are those that
 * `viewer` may see; the rest of what it may see, viewer_looks() decides. */
void row_fill(const struct row_sources *r, const struct viewer *viewer, enum object_kind kind,
              size_t i, struct event *e);
