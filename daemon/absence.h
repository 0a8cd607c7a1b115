/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What went unseen: objects that came in this boot as the history has it, of which it has no end,
 * and that the kernel does not have any more. They went while no daemon ran; or before, where
 * events were lost since they came: then since the last time that they were known to be there. */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct absence;
struct event;
struct objects;
struct queries;

struct absence_context {
        struct queries *queries; /* borrowed, as objects */
        struct objects *objects; /* what the kernel has: those are not gone */
        unsigned kinds;          /* bits of enum object_kind: whose ends who watches is told of */
        uint64_t from;           /* until then somebody watched, µs since 1970; 0: not known */
        uint64_t until;          /* from then on we do */
        uint64_t events_max;     /* of the history that are read: the newest in question */
        struct event *event;     /* borrowed: what tells of one is put together there */
        /* One is gone: the event tells it, but for its number. The oldest first. */
        void (*gone)(void *userdata);
        /* It ends. `all`: all are told; otherwise there were too many, or the history has more
         * events than are read, or cannot be read. The event says so, but for its number. */
        void (*done)(bool all, void *userdata);
        void *userdata;
};

/* Begins to look. What is told of later must be followed by `objects` no earlier than this returns.
 * Returns 0, or a negative errno: then `done` is not called. */
int absence_new(struct absence **ret, const struct absence_context *context);

/* To be called once, also from `done`. NULL is fine; returns NULL. */
struct absence *absence_free(struct absence *a);
