/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Connections of one service, client or unit, summed up. */

#include <stddef.h>
#include <stdint.h>

#include "connections.h"

struct connection_sum {
        char *name;
        struct traffic traffic;
        struct traffic since;           /* since the look before, where there was one */
        uint64_t p99[CONNECTION_LOOKS]; /* of the last looks; left to who looks */
};

/* Zeroed: none. */
struct connection_sums {
        struct connection_sum *items;
        size_t n, size;
};

void connection_sums_done(struct connection_sums *s);

/* Adds a connection: its row, and what passed, in all and since the look before (NULL: that does
 * not matter). Returns 0 or -ENOMEM. */
int connection_sums_add(struct connection_sums *s, struct json_object *row, enum connections_by by,
                        const struct traffic *traffic, const struct traffic *since);

/* Puts those of one name together: one item a name from then on, in the order of the names. */
void connection_sums_fold(struct connection_sums *s);

/* The one of that name of folded ones, or NULL. */
const struct connection_sum *connection_sums_find(const struct connection_sums *s,
                                                  const char *name);

/* Makes the object of a sum; `seconds` since the look before, 0: there was none. The caller puts
 * it. NULL: out of memory. */
struct json_object *connection_sum_json(const struct connection_sum *sum, enum connections_by by,
                                        double seconds);

/* What they are sums by: the heading of a column, and what they are called: "service", "services".
 */
const char *connection_sums_heading(enum connections_by by);
const char *connection_sums_noun(enum connections_by by, size_t n);
