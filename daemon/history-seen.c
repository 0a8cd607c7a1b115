/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-seen.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>

#include "history-schema.h"
#include "seen.h"

int seen_table_load(sqlite3 *db, struct bytes *ret) {
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(
                db, "SELECT id, rest, last FROM seen ORDER BY last DESC LIMIT ?", -1, &s, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_bind_int(s, 1, SEEN_MAX);
        while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                const struct seen_pair pair = {
                        .key = {(uint64_t) sqlite3_column_int64(s, 0),
                                (uint64_t) sqlite3_column_int64(s, 1)},
                        .last = (uint64_t) sqlite3_column_int64(s, 2),
                };

                bytes_put(ret, &pair, sizeof(pair));
                rc = SQLITE_OK;
        }
        sqlite3_finalize(s);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int save(sqlite3 *db, const struct seen_pair *pairs, size_t n) {
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO seen(id, rest, last) VALUES(?,?,?)",
                                    -1, &s, NULL);

        for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
                sqlite3_bind_int64(s, 1, (int64_t) pairs[i].key[0]);
                sqlite3_bind_int64(s, 2, (int64_t) pairs[i].key[1]);
                sqlite3_bind_int64(s, 3, (int64_t) pairs[i].last);
                rc = sqlite3_step(s);
                sqlite3_reset(s);
                rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        }
        sqlite3_finalize(s);
        return rc;
}

/* The table is small: no index is needed to find the oldest, once in a while. */
static int drop_oldest(sqlite3 *db) {
        char sql[160];
        int64_t count;
        int rc = schema_number(db, "SELECT count(*) FROM seen", &count);

        if (rc != SQLITE_OK || count <= SEEN_MAX + SEEN_MAX / 8)
                return rc;
        snprintf(sql, sizeof(sql),
                 "DELETE FROM seen WHERE id IN (SELECT id FROM seen ORDER BY last LIMIT %lld)",
                 (long long) (count - SEEN_MAX));
        return schema_run(db, sql);
}

int seen_table_save(sqlite3 *db, const struct seen_pair *pairs, size_t n) {
        int rc = schema_run(db, "BEGIN IMMEDIATE");

        if (rc != SQLITE_OK)
                return rc;
        rc = save(db, pairs, n);
        if (rc == SQLITE_OK)
                rc = drop_oldest(db);
        if (rc == SQLITE_OK)
                rc = schema_run(db, "COMMIT");
        if (rc != SQLITE_OK)
                (void) schema_run(db, "ROLLBACK");
        return rc;
}
