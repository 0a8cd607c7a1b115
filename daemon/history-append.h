/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Events on their way into a segment of the history: what repeats is written once and has a number
 * from then on. All of it in the writer's thread. */

#include <stdbool.h>
#include <stdint.h>

#include "history-code.h"

struct appender;
struct event;
struct sqlite3;
struct sqlite3_stmt;

/* Numbers of rows and events are below this. */
#define HISTORY_ID_MAX (INT64_C(1) << 62)

/* A row of the table `segment`: the one that is being written. */
struct segment {
        int64_t id; /* 0: none yet */
        int64_t base, first, last, time_min, time_max, rows;
        uint64_t bytes; /* about */
};

enum {
        SEGMENT_ROW_BYTES = 60, /* of a row and its indexes, beside its rest */
};

/* `db` and `fields` are borrowed. Returns a result code of SQLite. */
int appender_new(struct appender **ret, struct sqlite3 *db, const struct code_fields *fields);

/* NULL is fine; returns NULL. */
struct appender *appender_free(struct appender *a);

/* Makes ready for a segment, in which nothing has a number as far as is known: also after a
 * transaction was taken back. Returns a result code of SQLite. */
int appender_prepare(struct appender *a, int64_t segment);

/* Adds an event, of this boot (its number in the file), to the segment that was prepared, and to
 * what is told of it. Returns a result code of SQLite. */
int appender_add(struct appender *a, struct segment *g, int64_t boot, const struct event *e);

/* Writes what is told of the segment. Returns a result code of SQLite. */
int appender_update(struct appender *a, const struct segment *g, bool sealed);

/* When an event happened, as the file has it. */
int64_t appender_time(const struct event *e);

/* Runs a statement once and resets it. Returns a result code of SQLite, SQLITE_OK for a row, too.
 */
int statement_run(struct sqlite3_stmt *statement);

/* Binds a text that lives until the statement was run. */
void statement_bind_text(struct sqlite3_stmt *statement, int column, const char *text);
