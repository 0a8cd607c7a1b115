/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How many events there were, by kind and result. */

#include <stdint.h>

struct event;

enum {
        COUNTS_MAX = 192, /* kinds and results; what is more is counted together */
        COUNTS_TEXT = 32,
};

struct count {
        char event[COUNTS_TEXT], class[COUNTS_TEXT], result[COUNTS_TEXT]; /* "": absent */
        uint64_t calls;
};

/* Zeroed at first; the last one is for all that has no place. */
struct counts {
        struct count items[COUNTS_MAX];
};

/* Counts an event. */
void counts_add(struct counts *c, const struct event *e);

/* Calls `row` with each kind and result, as fields event, class, result and calls, until it returns
 * a negative errno; returns that, -ENOMEM, or 0. */
int counts_list(const struct counts *c, int (*row)(const struct event *e, void *userdata),
                void *userdata);
