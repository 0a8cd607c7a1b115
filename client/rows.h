/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Lists of the daemon, as a table or as JSON, through a pager on a terminal. */

#include <stddef.h>
#include <stdint.h>

#include "client.h"
#include "table.h"

struct json_object;

/* How a verb shows its rows where --fields does not say it. */
struct rows_view {
        const struct table_column *columns;
        size_t n_columns;
        /* Adds the cells of a row, and notes. Returns a negative errno when it could not. */
        int (*add)(struct table *t, struct json_object *row, const void *userdata);
        const char *one, *many; /* "caller", "callers" */
        const void *userdata;
};

/* Prints up to options->lines rows of an array. Returns the exit status; complains by itself. */
int rows_print(struct json_object *rows, const struct rows_view *view,
               const struct options *options);

/* The columns of what --fields chose (options->n_fields of them), and a row of these. Returns 0, or
 * -ENOMEM. */
void rows_field_columns(struct table_column *ret, const struct options *options);
int rows_add_fields(struct table *t, struct json_object *row, const struct options *options);

/* Adds the line below a table: how many rows there are, of how many. */
void rows_add_count(struct text *t, uint64_t n, uint64_t all, const char *one, const char *many);

/* Adds a cell that is made with a template of value.h. Returns 0, or -ENOMEM. */
int rows_add(struct table *t, struct json_object *row, const char *template, enum style style);
