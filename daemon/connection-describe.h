/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A connection as the fields of an event. */

#include <stdint.h>

#include "clock.h"

struct connection;
struct connection_pair;
struct event;
struct processes;
struct service_rules;

/* What it takes; `processes` and `services` are borrowed. */
struct connection_describer {
        struct processes *processes;
        const struct service_rules *services;
        struct clock_offset monotonic;
        struct event *scratch; /* for the server's process; NULL until it is used first */
};

void connection_describer_done(struct connection_describer *d);

/* Adds to `e` what is known of a connection at `now` (CLOCK_MONOTONIC, ns). `ended`: when it
 * closed, the same; 0: it is open. */
void connection_describe(struct connection_describer *d, struct event *e,
                         const struct connection_pair *p, uint64_t now, uint64_t ended);

/* Sets `message`: what the event says of the connection, as one sentence. */
void connection_describe_message(struct event *e);
