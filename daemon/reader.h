/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who receives events: what each reader asked for, whatever the way they reach it (subscription,
 * stream). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "event.h"
#include "grant.h"

struct match;
struct reader;

/* How a way of delivery takes what comes for one of its readers. None blocks, and none removes a
 * reader: they are called while the list is walked. */
struct reader_kind {
        void (*event)(struct reader *r, const struct event *event);
        /* `count` events like `partial` were lost before they came here. */
        void (*lost)(struct reader *r, const struct event *partial, uint64_t count);
        void (*flush)(struct reader *r);
        /* Whether something for it has not left this process yet. */
        bool (*holds)(const struct reader *r);
        /* It may not read any more, `reason` says why: ends it. Called while nobody walks the list.
         */
        void (*revoked)(struct reader *r, const char *reason);
};

/* Part of a subscription or stream, which owns it. */
struct reader {
        const struct reader_kind *kind;
        struct readers *readers; /* NULL: not among them */
        struct reader *next;
        struct grant grant; /* who reads, and what it may see */
        struct match *match;
        struct field_set only; /* the fields that it gets */
        bool by_name;      /* asked for its events by name: gets use, look and traffic as well */
        uint64_t interval; /* at which it is told how connections do, µs; 0: the default */
        bool samples;      /* it asks for that; */
        uint64_t due, sampled; /* when it is next, was last (CLOCK_MONOTONIC, ns) */
};

/* All of them. A struct of zeroes has none. */
struct readers {
        struct reader *first;
        size_t n;
        struct grants *grants; /* those of readers are watched here (borrowed) */
        /* Called when what is wanted (see below) may have changed. */
        void (*changed)(void *userdata);
        void *userdata;
};

/* A reader that may see what `permission` (copied) says, and gets the fields in `only` (copied;
 * NULL: all but map.key and map.value) and no events yet. */
void reader_init(struct reader *r, const struct reader_kind *kind,
                 const struct permission *permission, const struct field_set *only);

/* Gives it the events that pass `match` (ownership moves here; NULL: all), in place of those of the
 * match before. */
void reader_set_match(struct reader *r, struct match *match);

/* From here to reader_remove() it gets events, and its permission is watched. */
void readers_add(struct readers *all, struct reader *r);

/* Ends it and frees its match; a reader of zeroes is fine. Never called while events are offered.
 */
void reader_remove(struct reader *r);

/* Readers of this kind, of all users or of one. */
size_t readers_count(const struct readers *all, const struct reader_kind *kind);
size_t readers_count_of(const struct readers *all, const struct reader_kind *kind, uid_t uid);

/* Offers an event to one reader, as below. */
void reader_offer(struct reader *r, struct event *event);

/* Whether it wants events that may look like `partial` (see readers_want()). */
bool reader_wants(const struct reader *r, const struct event *partial);

/* Offers an event to every reader that wants it and may see it; each sees, and matches, the fields
 * that it may. Never blocks. The event is as before afterwards, and may be reused at once. */
void readers_offer(const struct readers *all, struct event *event);

/* Tells every reader that may have wanted events like `partial` (event, class, bpf.cmd as far as
 * known, lost.where) that `count` of them were lost: at the next flush at the latest. Without a
 * class in `partial` it was an action, which installs or removes. Whose it was is not known: it
 * counts for everyone, whatever they may see. */
void readers_lost(const struct readers *all, struct event *partial, uint64_t count);

/* Hands an event about the events themselves to every reader, whatever it asked for. */
void readers_tell(const struct readers *all, const struct event *event);

/* Whether something for one of them has not left this process yet. */
bool readers_hold(const struct readers *all);

/* Sends what is batched, and losses not yet told: called when the ring is empty. */
void readers_flush(const struct readers *all);

/* Whether some reader wants events that may look like `partial`. Events of class use, look
 * and traffic are wanted only where a match names `event`, `class`, `bpf.cmd`, `bpf.cmd_number`,
 * `service.name` or `connection.id`. */
bool readers_want(const struct readers *all, const struct event *partial);

/* Whether some reader asks for what maps hold: map.key or map.value. */
bool readers_want_content(const struct readers *all);
