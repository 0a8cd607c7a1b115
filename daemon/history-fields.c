/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-fields.h"

#include <sqlite3.h>

int fields_load(sqlite3 *db, struct code_fields *ret) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(db, "SELECT id, name FROM field ORDER BY id", -1, &statement,
                                    NULL);

        if (rc != SQLITE_OK)
                return rc;
        *ret = (struct code_fields){};
        for (size_t i = 0; i < ELEMENTSOF(ret->field); i++)
                ret->field[i] = -1;
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
                int64_t id = sqlite3_column_int64(statement, 0);
                const char *name = (const char *) sqlite3_column_text(statement, 1);
                int f = name ? field_from_name(name) : -ENOENT;

                if (id <= 0 || id > CODE_FIELDS_MAX || f < 0 || ret->number[f])
                        continue;
                ret->number[f] = (uint8_t) id;
                ret->field[id] = (int16_t) f;
        }
        sqlite3_finalize(statement);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
