/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the history knows of objects that are still there: who brought those that were there before
 * this daemon, and what a program was when it was loaded. */

#include <stdint.h>

#include "record.h"

struct event;
struct objects;
struct origin;
struct origins;
struct queries;
struct viewer;

/* Asks for the event of this boot in which an object came. `done` gets it (borrowed), or NULL where
 * there is none; at once, before this returns, where there is no history (`queries` is NULL) or it
 * takes no questions. Returns 0 or -ENOMEM. */
int origin_ask(struct origin **ret, struct queries *queries, enum object_kind kind, uint32_t id,
               const struct viewer *viewer, void (*done)(const struct event *past, void *userdata),
               void *userdata);

/* To be called once, also when it is done; `done` is not called any more. NULL is fine. */
struct origin *origin_free(struct origin *o);

/* Adds to the row of an object what only that event (may be NULL) tells. */
void origin_add(const struct event *past, enum object_kind kind, struct event *row);

/* Asks who brought all objects that existed when the daemon started, a few at a time, and tells
 * `objects` (borrowed). `done`: that is known now, as far as it will be; not called before this
 * returns. `queries` (borrowed) may be NULL. Returns 0 or a negative errno. */
int origins_new(struct origins **ret, struct queries *queries, struct objects *objects,
                void (*done)(void *userdata), void *userdata);

/* NULL is fine; returns NULL. */
struct origins *origins_free(struct origins *o);
