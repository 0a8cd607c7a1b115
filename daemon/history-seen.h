/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The table of the history that keeps what executables were seen to do (seen.h). */

#include <stddef.h>

#include "bytes.h"

struct seen_pair;
struct sqlite3;

/* Appends the pairs (struct seen_pair) that the file has, those seen last first and no more than
 * SEEN_MAX. Returns a result code of SQLite. */
int seen_table_load(struct sqlite3 *db, struct bytes *ret);

/* Writes pairs in one transaction, and drops those that are too many. Returns a result code of
 * SQLite. */
int seen_table_save(struct sqlite3 *db, const struct seen_pair *pairs, size_t n);
