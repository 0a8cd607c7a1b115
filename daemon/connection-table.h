/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Connections as the daemon knows them: ends that belong together, where both are on this machine.
 * Decides alone, from what the kernel side says of ends: no bus, no clock. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct connection_table;

/* One end, as it was heard of last. */
struct connection_end {
        struct connection_end *next; /* of the same bucket */
        struct connection_pair *pair;
        uint64_t key; /* 0: its socket is another connection's by now */
        bool closed;
        uint32_t missing; /* rounds in which it was not among those of the kernel side */
        uint32_t round;   /* in which it was */
        struct connection now;
};

/* What two ends have in common. */
struct connection_address {
        uint64_t first[3], second[3]; /* the lesser first: address and port, or a socket */
        uint32_t netns;               /* where the address means another machine in each */
        uint32_t family;
};

struct connection_pair {
        struct connection_pair *next; /* of the same bucket */
        struct connection_pair *older, *newer;
        struct connection_address address;
        struct connection_end *ends[2]; /* as they came; NULL: not heard of */
        uint64_t id;                    /* of one of its ends: the client's, where that was known
                                           when it was shown first */
        bool shown;                     /* somebody may know the number */
        bool told;                      /* that it opened */
        uint64_t waits;  /* since when all its ends that are known are closed, while the other one
                            may be to come; CLOCK_MONOTONIC, ns; 0: it does not */
        uint32_t source; /* the hook that saw it */
};

/* A way over the pairs that other things may come between: they may be dropped meanwhile, the table
 * itself, too. */
struct connection_cursor {
        struct connection_table *table; /* NULL: it goes over none */
        struct connection_cursor *other;
        struct connection_pair *next;
        size_t left;
};

/* For `max` ends at most. */
int connection_table_new(struct connection_table **ret, size_t max);
struct connection_table *connection_table_free(struct connection_table *t);

/* Takes what was said of an end; what was known of it before is replaced. Sets `ret` to its pair,
 * which lives until it is dropped or, where there are too many, older than all others. NULL: it is
 * none yet (not connected, or being made). Returns 0 or -ENOMEM. */
int connection_table_take(struct connection_table *t, uint64_t key, const struct connection *c,
                          bool closed, struct connection_pair **ret);

/* Begins a round: ends that are not taken until it ends are missing. */
void connection_table_begin(struct connection_table *t);

/* Ends it. Ends that were missing twice are gone: pushed out by newer ones, or closed without a
 * word. They are forgotten, and so is a pair without open ends. */
void connection_table_end(struct connection_table *t);

/* Forgets a pair and its ends. */
void connection_table_drop(struct connection_table *t, struct connection_pair *p);

/* The pairs, the oldest first: NULL begins, and ends. The one at hand may be dropped once the next
 * one is known. */
struct connection_pair *connection_table_next(const struct connection_table *t,
                                              const struct connection_pair *p);
size_t connection_table_count(const struct connection_table *t);

/* Begins at the oldest pair. The cursor stays where it is until it is closed. */
void connection_cursor_open(struct connection_cursor *c, struct connection_table *t);

/* The next pair, NULL behind the last that there was when it began. */
struct connection_pair *connection_cursor_next(struct connection_cursor *c);

/* One that is not open is fine. */
void connection_cursor_close(struct connection_cursor *c);

/* The pair with an end of this number, or NULL. */
struct connection_pair *connection_table_find(const struct connection_table *t, uint64_t id);

/* The ends by their sides; NULL where it is not on this machine, or not heard of. Where neither
 * says which it is, `server_port` decides: whether such a port is a service's. */
const struct connection_end *connection_client(const struct connection_pair *p,
                                               bool (*is_service)(const struct connection *c,
                                                                  bool remote, void *userdata),
                                               void *userdata);
const struct connection_end *connection_server(const struct connection_pair *p,
                                               bool (*is_service)(const struct connection *c,
                                                                  bool remote, void *userdata),
                                               void *userdata);

/* Whether it has closed, and waits for what there is to say of its other end. */
bool connection_pair_waits(const struct connection_pair *p);

/* Whether all its ends are closed; whether the other end of one that is must be on this machine. */
bool connection_pair_closed(const struct connection_pair *p);
bool connection_is_local(const struct connection *c);

/* When something happened on it last: it opened, or bytes passed. CLOCK_MONOTONIC ns. */
uint64_t connection_pair_last(const struct connection_pair *p);
