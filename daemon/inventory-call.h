/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Calls of ListPrograms, ListMaps, ListLinks, ListBtf and Get*, from their question to their reply.
 */

#include <systemd/sd-bus.h>

#include "inventory-row.h"

struct inventory;
struct inventory_calls;
struct limits;
struct match;
struct options;
struct queries;
struct viewer;

/* What the calls are answered from; all borrowed. */
struct inventory_context {
        struct inventory *inventory;
        struct queries *queries; /* NULL: there is no history */
        struct limits *limits;
        struct row_sources sources; /* but for the scan */
};

int inventory_calls_new(struct inventory_calls **ret, const struct inventory_context *context);

/* Whoever waits gets an error. NULL is fine; returns NULL. */
struct inventory_calls *inventory_calls_free(struct inventory_calls *calls);

/* Replies to a call of ListX with the objects of a kind that pass `match`, in the order of their
 * ids, when they have been looked at; if its sender leaves before, nobody is told. `match` moves
 * here, whatever comes of it. Returns 1, or a negative errno with `error` set. */
int inventory_list(struct inventory_calls *calls, sd_bus_message *call, enum object_kind kind,
                   struct match *match, const struct options *options, const struct viewer *viewer,
                   sd_bus_error *error);

/* The same for a call of GetX: one object, with what the history knows of it. */
int inventory_get(struct inventory_calls *calls, sd_bus_message *call, enum object_kind kind,
                  uint32_t id, const struct viewer *viewer, sd_bus_error *error);
