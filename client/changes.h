/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What was added and removed between two moments, from the events between them and from what is
 * there at the end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct changes;
struct field_set;
struct json_object;

/* What came of it, beside the rows. */
struct changes_summary {
        size_t added, removed, replaced;
        size_t passing;  /* came and went in between */
        size_t boots;    /* how often the machine was started anew in between */
        uint64_t booted; /* time of the first event after the last time, µs */
        bool lost;       /* events are missing: there may be more */
        uint64_t n_lost; /* how many at most, as far as that is known */
};

int changes_new(struct changes **ret);

/* NULL is fine; returns NULL. */
struct changes *changes_free(struct changes *c);

/* Fields of events that changes_follow() looks at, and of objects that changes_compare() does. */
void changes_fields(struct field_set *ret);

/* Follows the events between the two moments, the oldest first. Returns 0 or -ENOMEM. */
int changes_follow(struct changes *c, struct json_object *event);

/* Compares with the objects of a kind ("prog", "map" or "link", static) that are there at the end:
 * what has gone without an event was passing, what has come without one since `since` (µs) is
 * added. To be called after all events. Returns 0 or -ENOMEM. */
int changes_compare(struct changes *c, const char *kind, struct json_object *rows, uint64_t since);

/* The changes as rows, each the event in which it came about (or the object) with the field
 * `change`: by kind, and in the order in which they came about. `ret` is for the caller to put.
 * Returns 0 or -ENOMEM. */
int changes_rows(struct changes *c, struct json_object **ret, struct changes_summary *ret_summary);
