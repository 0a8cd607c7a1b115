/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One client's live view of events: what it asked for, what it was sent, what it lost. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event;
struct field_set;
struct match;
struct sd_bus;
struct subscription;
struct subscription_table;

struct subscription_limits {
        size_t total; /* subscriptions of all users */
        size_t per_user;
        size_t batch_events;   /* events in one signal */
        uint64_t window_bytes; /* unconfirmed bytes per subscription */
        uint64_t own_bytes;    /* those of them that it never has to share */
        uint64_t shared_bytes; /* for all subscriptions together, beyond their own */
};

extern const struct subscription_limits subscription_limits_default;

/* All subscriptions of one bus connection, with their objects below
 * BPFMON_SUBSCRIPTION_PREFIX. `bus` is referenced, `limits` copied. `changed` is called when what
 * is wanted (see below) may have changed. Returns 0 or a negative errno. */
int subscription_table_new(struct subscription_table **ret, struct sd_bus *bus,
                           const struct subscription_limits *limits,
                           void (*changed)(void *userdata), void *userdata);
struct subscription_table *subscription_table_free(struct subscription_table *t);

/* Offers an event to every subscription that wants it. Never blocks. The event may be reused at
 * once. */
void subscription_table_offer(struct subscription_table *t, const struct event *event);

/* Tells every subscription that may have wanted events like `partial` (event, class, bpf.cmd as far
 * as known) that `count` of them were lost: with its next signal, at the next flush at the latest.
 * Without an event in `partial` nobody is told: what was lost was not one. */
void subscription_table_lost(struct subscription_table *t, const struct event *partial,
                             uint64_t count);

/* Sends what is batched, and losses not yet told: called when the ring is empty. */
void subscription_table_flush(struct subscription_table *t);

/* Whether some subscription wants events that may look like `partial`. Events of class use and look
 * are wanted only where a match names `event`, `class`, `bpf.cmd` or `bpf.cmd_number`. */
bool subscription_table_wants(const struct subscription_table *t, const struct event *partial);

/* Whether some subscription asks for what maps hold: map.key or map.value. */
bool subscription_table_wants_content(const struct subscription_table *t);

size_t subscription_table_count(const struct subscription_table *t);
const struct subscription_limits *subscription_table_limits(const struct subscription_table *t);
/* Events dropped at the windows, all subscriptions, since the start. */
uint64_t subscription_table_window_lost(const struct subscription_table *t);

/* Creates a subscription for the bus peer `owner` (a unique name, copied) of user `uid`, that
 * receives events passing `match` (ownership moves here on success; NULL: all), with the fields in
 * `only` (copied; NULL: all but map.key and map.value). It ends when its owner closes it or leaves
 * the bus. Returns -EDQUOT if the user has reached its limit, -ENOSPC if
 * all have, -ENXIO if the owner has left already, -ENOMEM. `ret_path` is borrowed. */
int subscription_new(struct subscription_table *t, const char *owner, uid_t uid,
                     struct match *match, const struct field_set *only, const char **ret_path);
