/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What bpfmonctl connections --watch shows at a look: rows with rates, latencies, and a bar for
 * each of the last looks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connections.h"

struct connection_sum;
struct json_object;
struct options;

/* A connection, or a sum of some. All is borrowed. */
struct watch_row {
        const struct connection_sum *sum; /* NULL: a connection */
        struct json_object *row;          /* of a connection */
        uint64_t id;                      /* of a connection */
        const struct traffic *since;
        const uint64_t *p99; /* of CONNECTION_LOOKS looks, ns; 0: no requests */
};

struct watch_view {
        const struct options *options;
        size_t width;   /* columns of the terminal; 0: nothing is cut */
        size_t lines;   /* rows that fit */
        double seconds; /* since the look before; 0: there was none, and no rates are known */
};

/* The busiest first. */
void watch_rows_sort(struct watch_row *rows, size_t n);

/* Adds a table of the rows in their order. Returns 0 or -ENOMEM. */
int watch_table_add(struct text *t, const struct watch_row *rows, size_t n,
                    const struct watch_view *view);
