/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-schema.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

enum {
        SQL_MAX = 2048,
        OBJECTS_MAX = 1 << 16, /* tables and indexes in a file */
        LOCK_WAIT_MSEC = 2000,
};

enum stage { STAGE_FILE, STAGE_SEGMENT, STAGE_SEAL };

#define INDEX(column)                                                                  \
        {                                                                              \
                STAGE_SEAL, "event_%1$lld_" column,                                    \
                        "CREATE INDEX event_%1$lld_" column " ON event_%1$lld(" column \
                        ") WHERE " column " IS NOT NULL"                               \
        }
#define PROCESS_INDEX(column)                                                              \
        {                                                                                  \
                STAGE_SEAL, "process_%1$lld_" column,                                      \
                        "CREATE INDEX process_%1$lld_" column " ON process_%1$lld(" column \
                        ") WHERE " column " IS NOT NULL"                                   \
        }

#define SEEN_TABLE "CREATE TABLE seen(id INTEGER PRIMARY KEY, rest INTEGER, last INTEGER)"

/* All that a file holds, as sqlite_schema tells it. */
static const struct object {
        enum stage stage;
        const char *name;
        const char *sql;
} objects[] = {
        {STAGE_FILE, "meta",
         "CREATE TABLE meta(id INTEGER PRIMARY KEY, name TEXT, clean INTEGER, last_seq INTEGER)"},
        {STAGE_FILE, "field", "CREATE TABLE field(id INTEGER PRIMARY KEY, name TEXT)"},
        {STAGE_FILE, "boot", "CREATE TABLE boot(id INTEGER PRIMARY KEY, boot_id TEXT)"},
        {STAGE_FILE, "segment",
         "CREATE TABLE segment(id INTEGER PRIMARY KEY, base INTEGER, first INTEGER, last INTEGER, "
         "time_min INTEGER, time_max INTEGER, rows INTEGER, sealed INTEGER)"},
        {STAGE_FILE, "seen", SEEN_TABLE},
        {STAGE_SEGMENT, "event_%1$lld",
         "CREATE TABLE event_%1$lld(id INTEGER PRIMARY KEY, shift INTEGER, time INTEGER, "
         "boot INTEGER, kind INTEGER, process INTEGER, prog_id INTEGER, map_id INTEGER, "
         "link_id INTEGER, prog_name INTEGER, map_name INTEGER, rest BLOB)"},
        {STAGE_SEGMENT, "word_%1$lld",
         "CREATE TABLE word_%1$lld(id INTEGER PRIMARY KEY, text TEXT)"},
        {STAGE_SEGMENT, "kind_%1$lld",
         "CREATE TABLE kind_%1$lld(id INTEGER PRIMARY KEY, event TEXT, result TEXT, data BLOB)"},
        {STAGE_SEGMENT, "process_%1$lld",
         "CREATE TABLE process_%1$lld(id INTEGER PRIMARY KEY, pid INTEGER, uid INTEGER, "
         "name INTEGER, executable INTEGER, unit INTEGER, container INTEGER, data BLOB)"},
        INDEX("kind"),
        INDEX("process"),
        INDEX("prog_id"),
        INDEX("map_id"),
        INDEX("link_id"),
        INDEX("prog_name"),
        INDEX("map_name"),
        PROCESS_INDEX("pid"),
        PROCESS_INDEX("uid"),
        PROCESS_INDEX("name"),
        PROCESS_INDEX("executable"),
        PROCESS_INDEX("unit"),
        PROCESS_INDEX("container"),
};

/* From each version to the next. */
static const char *const migrations[SCHEMA_VERSION] = {
        /* 1 told the last number by its rows alone, and forgot it with them. */
        [1] = "ALTER TABLE meta ADD COLUMN last_seq INTEGER",
        /* 2 did not know what executables were seen to do. */
        [2] = SEEN_TABLE,
};

/* Puts the segment into a name or a statement. Returns false where it doesn't fit. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static bool expand(char *ret, size_t size, const char *text, int64_t segment) {
        int n = snprintf(ret, size, text, (long long) segment);

        return n >= 0 && (size_t) n < size;
}
#pragma GCC diagnostic pop

int schema_run(sqlite3 *db, const char *sql) {
        return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int schema_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql, int64_t segment) {
        char text[SQL_MAX];

        if (!expand(text, sizeof(text), sql, segment))
                return SQLITE_TOOBIG;
        return sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
}

int schema_number(sqlite3 *db, const char *sql, int64_t *ret) {
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) {
                *ret = sqlite3_column_int64(s, 0);
                rc = SQLITE_OK;
        } else if (rc == SQLITE_DONE) {
                rc = SQLITE_CORRUPT;
        }
        sqlite3_finalize(s);
        return rc;
}

static void set_limits(sqlite3 *db) {
        static const int limits[][2] = {
                {SQLITE_LIMIT_LENGTH, 1 << 20},
                {SQLITE_LIMIT_SQL_LENGTH, 1 << 16},
                {SQLITE_LIMIT_COLUMN, 64},
                {SQLITE_LIMIT_EXPR_DEPTH, 32},
                {SQLITE_LIMIT_COMPOUND_SELECT, 4},
                {SQLITE_LIMIT_VDBE_OP, 1 << 16},
                {SQLITE_LIMIT_FUNCTION_ARG, 8},
                {SQLITE_LIMIT_ATTACHED, 0},
                {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
                {SQLITE_LIMIT_VARIABLE_NUMBER, 1024},
                {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 64},
        };
        static const int switches[][2] = {
                {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                {SQLITE_DBCONFIG_ENABLE_FKEY, 0},    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                sqlite3_limit(db, limits[i][0], limits[i][1]);
        for (size_t i = 0; i < ELEMENTSOF(switches); i++)
                sqlite3_db_config(db, switches[i][0], switches[i][1], NULL);
}

void schema_prepare_library(void) {
        /* What SQLite counts of its memory nobody asks for; it takes a lock for each allocation. */
        (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int schema_open(sqlite3 **ret, const char *path, bool readonly) {
        /* Each connection stays in its own thread: no locks inside. */
        int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                    (readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        int rc = sqlite3_open_v2(path, ret, flags, NULL);

        if (rc != SQLITE_OK)
                return rc;
        sqlite3_extended_result_codes(*ret, 0);
        set_limits(*ret);
        sqlite3_busy_timeout(*ret, LOCK_WAIT_MSEC);
        rc = schema_run(*ret, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; "
                              "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384;");
        if (rc == SQLITE_OK && !readonly)
                rc = schema_run(*ret, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                                      "PRAGMA wal_autocheckpoint=4096; "
                                      "PRAGMA journal_size_limit=67108864;");
        return rc;
}

/* The number in a name such as event_12_kind; -1 where there is none. */
static int64_t segment_of(const char *name) {
        const char *digits = name + strcspn(name, "0123456789");

        return *digits ? strtoll(digits, NULL, 10) : -1;
}

/* Finds what this is, or -ENOENT. */
static int find_object(const char *name, const char *sql) {
        int64_t segment = segment_of(name);

        for (size_t i = 0; i < ELEMENTSOF(objects); i++) {
                char text[SQL_MAX];

                if (!expand(text, sizeof(text), objects[i].name, segment) ||
                    strcmp(text, name) != 0)
                        continue;
                if (expand(text, sizeof(text), objects[i].sql, segment) && strcmp(text, sql) == 0)
                        return (int) i;
        }

        return -ENOENT;
}

static size_t count_stage(enum stage stage) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(objects); i++)
                n += objects[i].stage == stage;
        return n;
}

static enum schema_state check_objects(sqlite3_stmt *s, int *rc) {
        size_t n = 0, found = 0;

        while ((*rc = sqlite3_step(s)) == SQLITE_ROW) {
                const char *name = (const char *) sqlite3_column_text(s, 0);
                const char *sql = (const char *) sqlite3_column_text(s, 1);
                int i = name && sql ? find_object(name, sql) : -ENOENT;

                if (i < 0 || n++ > OBJECTS_MAX) {
                        *rc = SQLITE_DONE;
                        return SCHEMA_FOREIGN;
                }
                found += objects[i].stage == STAGE_FILE;
        }

        if (n == 0)
                return SCHEMA_EMPTY;
        return found == count_stage(STAGE_FILE) ? SCHEMA_GOOD : SCHEMA_FOREIGN;
}

int schema_check(sqlite3 *db, enum schema_state *ret) {
        sqlite3_stmt *s = NULL;
        int64_t version = 0, application = 0;
        int rc = schema_number(db, "PRAGMA user_version", &version);

        if (rc == SQLITE_OK)
                rc = schema_number(db, "PRAGMA application_id", &application);
        if (rc == SQLITE_OK && application == SCHEMA_APPLICATION && version > SCHEMA_VERSION) {
                *ret = SCHEMA_NEWER;
                return rc;
        }
        if (rc == SQLITE_OK && application == SCHEMA_APPLICATION && version < SCHEMA_VERSION)
                rc = schema_migrate(db);
        if (rc == SQLITE_OK)
                rc = sqlite3_prepare_v2(db, "SELECT name, sql FROM sqlite_schema", -1, &s, NULL);
        if (rc != SQLITE_OK)
                return rc;

        *ret = check_objects(s, &rc);
        sqlite3_finalize(s);
        if (rc != SQLITE_DONE)
                return rc;
        if (*ret == SCHEMA_GOOD && application != SCHEMA_APPLICATION)
                *ret = SCHEMA_FOREIGN;
        return SQLITE_OK;
}

static int run_stage(sqlite3 *db, enum stage stage, int64_t segment) {
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < ELEMENTSOF(objects); i++) {
                char sql[SQL_MAX];

                if (objects[i].stage != stage)
                        continue;
                rc = expand(sql, sizeof(sql), objects[i].sql, segment) ? schema_run(db, sql)
                                                                       : SQLITE_TOOBIG;
        }

        return rc;
}

static int set_version(sqlite3 *db) {
        char sql[128];

        snprintf(sql, sizeof(sql), "PRAGMA user_version=%d; PRAGMA application_id=%d",
                 SCHEMA_VERSION, SCHEMA_APPLICATION);
        return schema_run(db, sql);
}

/* Ends a transaction with what came of it. */
static int end(sqlite3 *db, int rc) {
        if (rc == SQLITE_OK)
                rc = schema_run(db, "COMMIT");
        if (rc != SQLITE_OK)
                (void) schema_run(db, "ROLLBACK");
        return rc;
}

int schema_create(sqlite3 *db) {
        int rc = schema_run(db, "BEGIN IMMEDIATE");

        if (rc != SQLITE_OK)
                return rc;
        rc = run_stage(db, STAGE_FILE, 0);
        if (rc == SQLITE_OK)
                rc = schema_run(db, "INSERT INTO meta(id, name, clean, last_seq) "
                                    "VALUES(1, lower(hex(randomblob(8))), 1, 0)");
        if (rc == SQLITE_OK)
                rc = set_version(db);
        return end(db, rc);
}

int schema_migrate(sqlite3 *db) {
        int64_t version = 0;
        int rc = schema_run(db, "BEGIN IMMEDIATE");

        if (rc != SQLITE_OK)
                return rc;
        rc = schema_number(db, "PRAGMA user_version", &version);
        for (int64_t v = MAX(version, (int64_t) 0); rc == SQLITE_OK && v < SCHEMA_VERSION; v++)
                if (migrations[v])
                        rc = schema_run(db, migrations[v]);
        if (rc == SQLITE_OK)
                rc = set_version(db);
        return end(db, rc);
}

int schema_segment_create(sqlite3 *db, int64_t segment) {
        return run_stage(db, STAGE_SEGMENT, segment);
}

int schema_segment_seal(sqlite3 *db, int64_t segment) {
        return run_stage(db, STAGE_SEAL, segment);
}

int schema_segment_drop(sqlite3 *db, int64_t segment) {
        static const char *const tables[] = {"event", "word", "kind", "process"};
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < ELEMENTSOF(tables); i++) {
                char sql[128];

                snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s_%lld", tables[i],
                         (long long) segment);
                rc = schema_run(db, sql);
        }

        return rc;
}
