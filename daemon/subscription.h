/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One client's live view of events: what it asked for, what it was sent, what it lost. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct field_set;
struct limits;
struct match;
struct permission;
struct readers;
struct sd_bus;
struct subscription;
struct subscription_table;

/* How much may be on its way to subscribers. */
struct subscription_limits {
        size_t batch_events;   /* events in one signal */
        uint64_t window_bytes; /* unconfirmed bytes per subscription */
        uint64_t own_bytes;    /* those of them that it never has to share */
        uint64_t shared_bytes; /* for all subscriptions together, beyond their own */
};

extern const struct subscription_limits subscription_limits_default;

/* The subscriptions of one bus connection, with their objects below BPFMON_SUBSCRIPTION_PREFIX:
 * those of `readers` (borrowed) that get signals. `bus` is referenced, `limits` borrowed. Returns 0
 * or a negative errno. */
int subscription_table_new(struct subscription_table **ret, struct sd_bus *bus,
                           struct readers *readers, struct limits *limits);
struct subscription_table *subscription_table_free(struct subscription_table *t);

/* The limits have changed: they hold for subscriptions made from now on. */
void subscription_table_limits_changed(struct subscription_table *t);

size_t subscription_table_count(const struct subscription_table *t);
/* Events dropped at the windows, all subscriptions, since the start. */
uint64_t subscription_table_window_lost(const struct subscription_table *t);

/* Creates a subscription for the bus peer that has `permission` (copied), that receives events
 * passing `match` (ownership moves here on success; NULL: all), with the fields in `only` (copied;
 * NULL: all but map.key and map.value). It ends when its owner closes it, leaves the bus or loses
 * the permission. Returns -EDQUOT if the user has reached its limit, -ENOSPC if
 * all have, -ENXIO if the owner has left already, -ENOMEM. `ret_path` is borrowed. */
int subscription_new(struct subscription_table *t, const struct permission *permission,
                     struct match *match, const struct field_set *only, uint64_t interval,
                     const char **ret_path);
