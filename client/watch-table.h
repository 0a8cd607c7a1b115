/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What bpfmonctl connections --watch shows at a look: rows with rates, latencies, and a bar for
 * each of the last looks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "connections.h"

struct json_object;
struct options;

/* A connection, or a sum of some. All is borrowed. */
struct watch_row {
        struct json_object *row; /* NULL: a sum */
        const char *name;        /* of a sum */
        uint64_t id;             /* of a connection */
        const struct traffic *since;
        const uint64_t *p99; /* of CONNECTION_LOOKS looks, ns; 0: no requests */
};

struct watch_view {
        const struct options *options;
        size_t width;   /* columns of the terminal; 0: nothing is cut */
        size_t lines;   /* rows that fit */
        double seconds; /* since the look before; 0: there was none, and no rates are known */
};

/* Adds a table of the rows, which it sorts: the busiest first. Returns 0 or -ENOMEM. */
int watch_table_add(struct text *t, struct watch_row *rows, size_t n,
                    const struct watch_view *view);
