/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Connections, from what the kernel side says of their ends to events: they open, they close. They
 * are measured while somebody asks for them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct connection_cursor;
struct connection_pair;
struct connection_side;
struct connections;
struct event;
struct processes;
struct reader;
struct readers;
struct sd_event;
struct service_rules;

struct connections_handlers {
        /* An event, to be numbered and handed out. */
        void (*tell)(struct event *e, void *userdata);
        /* So many connections were pushed out by newer ones. */
        void (*lost)(uint64_t count, void *userdata);
        /* So many calls that sent or received went unseen. */
        void (*missed)(uint64_t count, void *userdata);
        /* What was told is to be handed out. */
        void (*idle)(void *userdata);
        /* What connections_asked() says has changed. */
        void (*changed)(void *userdata);
        void *userdata;
};

struct connections_status {
        uint64_t open, max, evicted;
        uint64_t duration; /* ns that they have been measured; 0: they are not */
        uint64_t missed;   /* calls that sent or received, at most */
        uint64_t readers;  /* that ask for connections */
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

/* Whether the reader asks for such events. */
bool connections_wanted(const struct connections *c, const struct reader *r, const char *kind);

/* Whether some reader asks for connections, or somebody has listed them a moment ago. */
bool connections_asked(const struct connections *c);

/* What readers ask for may have changed, and connections are measured from now on, or no longer. */
void connections_update(struct connections *c);

/* Takes in a record, checked for its size alone. Of one that closes, it may be that nothing is told
 * before the record of its other end is here, for which it waits a moment: until then the records
 * have not been handed out. */
void connections_record(struct connections *c, const struct record_connection *r);

/* Whether one does. */
bool connections_wait(const struct connections *c);

/* Before the daemon ends: tells of those that wait, and of what was missed. */
void connections_settle(struct connections *c);

/* Brings what is known of connections up to date, and says when that was (CLOCK_MONOTONIC, ns): a
 * moment ago may do. Returns false where they are not measured. */
bool connections_refresh(struct connections *c, uint64_t *ret_read);

/* The same for somebody who lists them: they are measured from now on, and for a while after.
 * Returns 0 or a negative errno. */
int connections_look(struct connections *c);

/* Goes over those that are open, the oldest first; to be closed. */
void connections_open(struct connections *c, struct connection_cursor *cursor);

/* Makes an event of a connection, of `kind` (see connections_partial()), or with NULL a row of a
 * list. It is used for all that the daemon tells, so it is good until something else is. */
struct event *connections_describe(struct connections *c, struct connection_pair *p,
                                   const char *kind);

void connections_status(const struct connections *c, struct connections_status *ret);
