/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The tables of the history, and how its file is opened without trusting it.
 *
 * Events are in segments: tables of their own with a number in their names, which are written in
 * order, get their indexes when they are full, and are dropped as a whole. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;

enum {
        SCHEMA_VERSION = 3,              /* PRAGMA user_version */
        SCHEMA_APPLICATION = 0x6270666d, /* PRAGMA application_id: "bpfm" */
};

/* What is wrong with a file. */
enum schema_state {
        SCHEMA_GOOD,
        SCHEMA_EMPTY,   /* no tables yet */
        SCHEMA_FOREIGN, /* not ours, or changed by somebody */
        SCHEMA_NEWER,   /* of a later version */
        SCHEMA_BROKEN,
};

/* To be called once, before anything of SQLite is used. */
void schema_prepare_library(void);

/* Opens the file, which is created where there is none unless `readonly`, with every safeguard that
 * SQLite has against hostile files. Returns a result code of SQLite; `ret` is to be closed if it is
 * not NULL. */
int schema_open(struct sqlite3 **ret, const char *path, bool readonly);

/* Compares what tables and indexes there are with what there should be. Returns a result code of
 * SQLite. */
int schema_check(struct sqlite3 *db, enum schema_state *ret);

/* Makes the tables of an empty file. Returns a result code of SQLite. */
int schema_create(struct sqlite3 *db);

/* Brings the tables of an older version forward, in one transaction. Returns a result code of
 * SQLite. */
int schema_migrate(struct sqlite3 *db);

/* Make the tables of a segment, its indexes, or drop all of it. Return a result code of SQLite. */
int schema_segment_create(struct sqlite3 *db, int64_t segment);
int schema_segment_seal(struct sqlite3 *db, int64_t segment);
int schema_segment_drop(struct sqlite3 *db, int64_t segment);

/* Runs statements. Returns a result code of SQLite. */
int schema_run(struct sqlite3 *db, const char *sql);

/* Prepares a statement; each %1$lld in it is the segment. Returns a result code of SQLite. */
int schema_prepare(struct sqlite3 *db, struct sqlite3_stmt **ret, const char *sql, int64_t segment);

/* The one number that a statement gives. Returns a result code of SQLite; SQLITE_CORRUPT where it
 * gives none. */
int schema_number(struct sqlite3 *db, const char *sql, int64_t *ret);
