/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Rows in columns that fit the terminal. */

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct table;

struct table_column {
        const char *name;
        bool right;   /* numbers */
        size_t least; /* columns that remain where the terminal is narrow; 0: all, if it can be */
        bool end;     /* the ends of its cells tell most: what is cut is cut before them */
        /* Where not all columns fit, those with the lowest number are left out first; 0: it stays.
         */
        unsigned spare;
        size_t from; /* left out on terminals of fewer columns; 0: for that it is not */
};

struct table_format {
        size_t columns; /* of the terminal; 0: nothing is cut */
        bool colour;
        bool legend;
};

/* `columns` are borrowed. */
int table_new(struct table **ret, const struct table_column *columns, size_t n);
struct table *table_free(struct table *t);
DEFINE_CLEANUP(struct table *, table_free);

/* Adds a cell, left to right and row by row. `s` is escaped already, and copied; "" is shown as
 * "-". Returns 0, or -ENOMEM. */
int table_add(struct table *t, const char *s, enum style style);

/* Adds an indented line under the last row, wrapped at words to fit the terminal. Returns 0, or
 * -ENOMEM. */
int table_add_note(struct table *t, const char *s, enum style style);

/* Adds the whole table to a text. */
void table_print(const struct table *t, struct text *out, const struct table_format *format);
