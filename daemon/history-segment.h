/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A segment of the history as a reader has it: its words, kinds and processes, and which of its
 * rows a question may be about. */

#include <stdbool.h>
#include <stdint.h>

#include "history-code.h"

struct match;
struct sqlite3;
struct sqlite3_stmt;

struct segment_row {
        int64_t id, base, time_min, time_max;
        bool sealed;
};

struct segment_view;

/* `fields` is borrowed. Returns a result code of SQLite. */
int segment_open(struct segment_view **ret, struct sqlite3 *db, const struct segment_row *row,
                 const struct code_fields *fields);
struct segment_view *segment_close(struct segment_view *v);

struct segment_question {
        const struct match *match; /* NULL: all */
        bool kinds;                /* leave kinds out that it excludes */
        uint64_t since, until;
        int64_t after; /* id of the row to go on after; 0: none */
        bool reverse;
};

/* Prepares the statement that gives what may be asked for, in order; NULL in `ret` where there can
 * be nothing. The caller finalizes it. Returns a result code of SQLite. */
int segment_select(struct segment_view *v, const struct segment_question *q,
                   struct sqlite3_stmt **ret);

/* Makes an event of the current row; its strings live until segment_close(). Returns the row's id,
 * or -EBADMSG. `only`: the fields that are looked at (NULL: all). `ret_boot` is the number of its
 * boot. */
int64_t segment_event(struct segment_view *v, struct sqlite3_stmt *row,
                      const struct field_set *only, struct event *e, int64_t *ret_boot);
