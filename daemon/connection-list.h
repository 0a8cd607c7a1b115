/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Calls of ListConnections, from their question to their reply: rows are made a few at a time. */

#include <systemd/sd-bus.h>

struct connection_lists;
struct connections;
struct limits;
struct match;
struct options;
struct viewer;

/* Both are borrowed. */
int connection_lists_new(struct connection_lists **ret, struct connections *connections,
                         struct limits *limits);

/* Whoever waits gets an error. NULL is fine; returns NULL. */
struct connection_lists *connection_lists_free(struct connection_lists *lists);

/* Replies to a call with the open connections that are for `viewer` and pass `match`, as far as the
 * viewer sees them. `match` moves here, whatever comes of it. Returns 1, or a negative errno with
 * `error` set where there is more to say. */
int connection_list(struct connection_lists *lists, sd_bus_message *call, struct match *match,
                    const struct options *options, const struct viewer *viewer,
                    sd_bus_error *error);
