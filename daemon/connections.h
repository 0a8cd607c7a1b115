/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Connections, from what the kernel side says of their ends to events: they open, they close, and
 * how they do meanwhile is told at the interval that each reader sets. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct connection_side;
struct connections;
struct event;
struct match;
struct viewer;
struct processes;
struct readers;
struct sd_event;
struct service_rules;

enum {
        CONNECTIONS_INTERVAL_USEC = 1000000, /* where a reader sets none */
        CONNECTIONS_INTERVAL_MIN_USEC = 100000,
};

struct connections_handlers {
        /* An event, to be numbered and handed out. */
        void (*tell)(struct event *e, void *userdata);
        /* So many connections were pushed out by newer ones. */
        void (*lost)(uint64_t count, void *userdata);
        /* What connections_asked() says has changed. */
        void (*changed)(void *userdata);
        void *userdata;
};

struct connections_status {
        uint64_t open, max, evicted;
};

/* All but `handlers` (copied) are borrowed, the loop is referenced. `services` may change at any
 * time. Events are made in `event`. */
int connections_new(struct connections **ret, struct sd_event *loop, struct processes *processes,
                    const struct readers *readers, const struct service_rules *services,
                    struct event *event, const struct connections_handlers *handlers);
struct connections *connections_free(struct connections *c);

/* The kernel side is there: connections can be measured from now on. */
void connections_begin(struct connections *c, struct connection_side *side);

/* Fills `e` as an event of connections may look: `kind` is open, close or stats. */
void connections_partial(struct event *e, const char *kind);

/* Whether some reader asks for connections, or somebody has listed them a moment ago. */
bool connections_asked(const struct connections *c);

/* What readers ask for may have changed, and connections are measured from now on, or no longer. */
void connections_update(struct connections *c);

/* Takes in a record, checked for its size alone. */
void connections_record(struct connections *c, const struct record_connection *r);

/* Calls `row` with each open connection that is for `viewer` and passes `match` (NULL: all), as far
 * as the viewer sees it, the oldest first. They are measured from now on, and for a while after.
 * Returns the first negative result of `row`. */
int connections_list(struct connections *c, const struct viewer *viewer, const struct match *match,
                     int (*row)(struct event *e, void *userdata), void *userdata);

void connections_status(const struct connections *c, struct connections_status *ret);
