/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Events counted by time and kind. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct json_object;

enum {
        TIMELINE_INTERVALS_MAX = 4096,
        TIMELINE_KINDS_MAX = 64, /* what comes beyond counts as one more, "other" */
};

struct timeline_kind {
        char name[32];           /* value of `event`, escaped for a terminal */
        char class[16];          /* of `class`, too */
        uint64_t total, refused; /* events; those that were rejected, denied or failed */
        uint64_t most;           /* in one interval */
        uint64_t *counts;        /* by interval */
};

struct timeline {
        uint64_t start, interval; /* µs since 1970, and µs */
        uint64_t shift;           /* µs: clocks of this time zone show start + shift */
        size_t n_intervals;
        struct timeline_kind kinds[TIMELINE_KINDS_MAX + 1];
        size_t n_kinds;
        uint64_t total, refused, lost;
        char host[65]; /* where they happened; "" where it is not known, or several */
};

/* The shortest interval people like (a second, 5 minutes, a day) with which what is between two
 * times (µs since 1970) takes at most `most` of them. µs. */
uint64_t timeline_interval(uint64_t since, uint64_t until, size_t most);

/* Prepares (zeroed) `t` for times from `since` to `until`. Intervals begin where clocks of this
 * time zone show multiples of them. Returns 0, or -E2BIG: more than TIMELINE_INTERVALS_MAX. */
int timeline_init(struct timeline *t, uint64_t since, uint64_t until, uint64_t interval);
void timeline_clear(struct timeline *t);

/* Counts an event; those that stand for many calls count as many. Returns 0, or -ENOMEM. */
int timeline_add(struct timeline *t, struct json_object *event);

/* Sorts the kinds: by class, then the most frequent first. */
void timeline_sort(struct timeline *t);

/* Place of a class in the order of timeline_sort(); those that are not known are the last. */
size_t timeline_class_order(const char *class);

/* All events of an interval. */
uint64_t timeline_sum(const struct timeline *t, size_t interval);

/* The number at the top of a scale that shows `most`: 1, 2 or 5 times a power of ten. */
uint64_t timeline_scale(uint64_t most);

/* How far apart (µs) times stand on a scale that has room for `most` of them. */
uint64_t timeline_mark_step(const struct timeline *t, size_t most);

/* Whether the beginning of an interval is such a time. */
bool timeline_is_mark(const struct timeline *t, size_t interval, uint64_t step);

/* Adds a time as a scale with that step has it: the time of day, or the date where steps are days
 * or a day begins. */
void timeline_add_mark(struct text *t, uint64_t time, uint64_t step);
