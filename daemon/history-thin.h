/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Makes a full segment of the history smaller: without what one user did. */

#include <stdint.h>

struct appender;
struct code_fields;
struct sqlite3;

/* Writes the segment anew, within a transaction that is open; in the place of what it leaves out it
 * has one event `lost`, which counts that. Small segments become one with the one before. What
 * `appender` was prepared for is over. `ret_dropped`: so many events are left out; 0: all is as it
 * was, since there is too much else. `ret_merged`: the segment that is gone, 0: none. Returns a
 * result code of SQLite; after a failure the transaction is to be taken back. */
int thin_segment(struct sqlite3 *db, struct appender *appender, const struct code_fields *fields,
                 int64_t segment, uint32_t uid, uint64_t *ret_dropped, int64_t *ret_merged);
