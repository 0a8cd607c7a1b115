/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "event.h"
#include "history-append.h"
#include "history-fields.h"
#include "history-options.h"
#include "history-seen.h"
#include "util.h"

enum {
        SEGMENTS_MIN = 16, /* that the file is divided into */
        SEGMENTS_MAX = 1024,
};

struct store {
        const struct history_options *options;
        sqlite3 *db;
        struct code_fields fields;
        struct appender *appender;
        struct segment segment, committed;
        int64_t boot;
        int64_t last_seq;
        bool unclean; /* it was not closed well the last time */
        bool open;    /* a transaction is */
        struct stat file;
};

static int begin(struct store *s) {
        if (s->open)
                return SQLITE_OK;

        int rc = schema_run(s->db, "BEGIN IMMEDIATE");
        s->open = rc == SQLITE_OK;
        s->committed = s->segment;
        return rc;
}

static int rollback(struct store *s, int rc) {
        if (s->open)
                (void) schema_run(s->db, "ROLLBACK");
        s->open = false;
        s->segment = s->committed;
        /* The caches know numbers of rows that are gone. */
        if (s->segment.id > 0)
                (void) appender_prepare(s->appender, s->segment.id);
        return rc;
}

static bool segment_full(const struct store *s, uint64_t now) {
        const struct history_options *o = s->options;
        uint64_t age = now - (uint64_t) s->segment.base;

        return s->segment.rows >= o->segment_rows ||
               s->segment.bytes >= o->max_size / SEGMENTS_MIN ||
               (o->max_age > 0 && now > (uint64_t) s->segment.base && s->segment.rows > 0 &&
                age > o->max_age / SEGMENTS_MIN);
}

/* Begins a segment with an event of this time. */
static int next_segment(struct store *s, uint64_t time) {
        char sql[256];
        int rc = SQLITE_OK;

        if (s->segment.id > 0) {
                rc = appender_update(s->appender, &s->segment, true);
                if (rc == SQLITE_OK)
                        rc = schema_segment_seal(s->db, s->segment.id);
        }
        if (rc != SQLITE_OK)
                return rc;

        s->segment = (struct segment){
                .id = s->segment.id + 1,
                .base = (int64_t) time,
                .first = s->segment.last + 1,
                .last = s->segment.last,
                .time_min = INT64_MAX,
                .time_max = INT64_MIN,
        };
        rc = schema_segment_create(s->db, s->segment.id);
        if (rc != SQLITE_OK)
                return rc;
        snprintf(sql, sizeof(sql),
                 "INSERT INTO segment(id, base, first, last, time_min, time_max, rows, sealed) "
                 "VALUES(%lld, %lld, %lld, 0, 0, 0, 0, 0)",
                 (long long) s->segment.id, (long long) s->segment.base,
                 (long long) s->segment.first);
        rc = schema_run(s->db, sql);
        return rc == SQLITE_OK ? appender_prepare(s->appender, s->segment.id) : rc;
}

int store_add(struct store *s, const struct event *e) {
        uint64_t time = (uint64_t) appender_time(e);
        int rc = begin(s);

        if (rc == SQLITE_OK && (s->segment.id == 0 || segment_full(s, time)))
                rc = next_segment(s, time);
        if (rc == SQLITE_OK)
                rc = appender_add(s->appender, &s->segment, s->boot, e);
        if (rc != SQLITE_OK)
                return rollback(s, rc);

        const struct value *seq = event_get(e, FIELD_SEQ);
        if (seq && seq->u64 < (uint64_t) HISTORY_ID_MAX)
                s->last_seq = MAX(s->last_seq, (int64_t) seq->u64);
        return rc;
}

int store_commit(struct store *s) {
        if (!s->open)
                return SQLITE_OK;

        char sql[96];
        int rc = s->segment.id > 0 ? appender_update(s->appender, &s->segment, false) : SQLITE_OK;

        snprintf(sql, sizeof(sql), "UPDATE meta SET last_seq=%lld, clean=0",
                 (long long) s->last_seq);
        if (rc == SQLITE_OK)
                rc = schema_run(s->db, sql);
        if (rc == SQLITE_OK)
                rc = schema_run(s->db, "COMMIT");
        if (rc != SQLITE_OK)
                return rollback(s, rc);

        s->open = false;
        return rc;
}

int store_seen(struct store *s, struct bytes *ret) {
        return seen_table_load(s->db, ret);
}

int store_keep_seen(struct store *s, const struct seen_pair *pairs, size_t n) {
        return seen_table_save(s->db, pairs, n);
}

int64_t store_size(struct store *s) {
        int64_t pages = 0, unused = 0, size = 0;

        if (schema_number(s->db, "PRAGMA page_count", &pages) != SQLITE_OK ||
            schema_number(s->db, "PRAGMA freelist_count", &unused) != SQLITE_OK ||
            schema_number(s->db, "PRAGMA page_size", &size) != SQLITE_OK)
                return 0;
        return (pages - unused) * size;
}

/* Drops the oldest segment, but never the one that is being written. */
static int drop_oldest(struct store *s, int64_t id) {
        char sql[96];
        int rc = begin(s);

        if (rc == SQLITE_OK)
                rc = schema_segment_drop(s->db, id);
        snprintf(sql, sizeof(sql), "DELETE FROM segment WHERE id=%lld", (long long) id);
        if (rc == SQLITE_OK)
                rc = schema_run(s->db, sql);
        return rc == SQLITE_OK ? store_commit(s) : rollback(s, rc);
}

static bool too_much(struct store *s, int64_t count, int64_t time_max, uint64_t now) {
        const struct history_options *o = s->options;

        return (o->max_age > 0 && now > o->max_age && (uint64_t) time_max < now - o->max_age) ||
               count > SEGMENTS_MAX || (uint64_t) store_size(s) > o->max_size;
}

int store_retain(struct store *s, uint64_t now) {
        for (;;) {
                int64_t count = 0, id = 0, time_max = 0;
                int rc = schema_number(s->db, "SELECT count(*) FROM segment", &count);

                if (rc != SQLITE_OK || count < 2)
                        return rc;
                rc = schema_number(s->db, "SELECT min(id) FROM segment", &id);
                if (rc == SQLITE_OK)
                        rc = schema_number(s->db,
                                           "SELECT time_max FROM segment ORDER BY id LIMIT 1",
                                           &time_max);
                if (rc != SQLITE_OK || id == s->segment.id || !too_much(s, count, time_max, now))
                        return rc;
                rc = drop_oldest(s, id);
                if (rc != SQLITE_OK)
                        return rc;
        }
}

/* Gives each field its number in this file. */
static int load_fields(struct store *s) {
        sqlite3_stmt *statement = NULL;
        int rc = fields_load(s->db, &s->fields);

        if (rc == SQLITE_OK)
                rc = sqlite3_prepare_v2(s->db, "INSERT INTO field(name) VALUES(?)", -1, &statement,
                                        NULL);
        for (int f = 0; rc == SQLITE_OK && f < _FIELD_MAX; f++) {
                if (s->fields.number[f])
                        continue;
                statement_bind_text(statement, 1, field_info((enum field) f)->name);
                rc = statement_run(statement);
                int64_t id = sqlite3_last_insert_rowid(s->db);
                if (rc == SQLITE_OK && id <= CODE_FIELDS_MAX)
                        s->fields.number[f] = (uint8_t) id;
        }
        sqlite3_finalize(statement);
        return rc;
}

static int load_boot(struct store *s) {
        sqlite3_stmt *statement = NULL;
        char id[SD_ID128_STRING_MAX];
        int rc = sqlite3_prepare_v2(s->db,
                                    "INSERT INTO boot(boot_id) SELECT ?1 WHERE NOT EXISTS "
                                    "(SELECT 1 FROM boot WHERE boot_id=?1)",
                                    -1, &statement, NULL);

        if (rc != SQLITE_OK)
                return rc;
        statement_bind_text(statement, 1, sd_id128_to_string(s->options->boot, id));
        rc = statement_run(statement);
        sqlite3_finalize(statement);
        if (rc != SQLITE_OK)
                return rc;

        rc = sqlite3_prepare_v2(s->db, "SELECT id FROM boot WHERE boot_id=?", -1, &statement, NULL);
        if (rc != SQLITE_OK)
                return rc;
        statement_bind_text(statement, 1, id);
        rc = sqlite3_step(statement) == SQLITE_ROW ? SQLITE_OK : SQLITE_CORRUPT;
        s->boot = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        return rc;
}

static int load_segment(struct store *s) {
        sqlite3_stmt *statement = NULL;
        int64_t sealed = 0;
        int rc = sqlite3_prepare_v2(s->db,
                                    "SELECT id, base, first, last, time_min, time_max, rows, "
                                    "sealed FROM segment ORDER BY id DESC LIMIT 1",
                                    -1, &statement, NULL);

        if (rc != SQLITE_OK)
                return rc;
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
                int64_t *const values[] = {&s->segment.id,       &s->segment.base,
                                           &s->segment.first,    &s->segment.last,
                                           &s->segment.time_min, &s->segment.time_max,
                                           &s->segment.rows,     &sealed};
                for (size_t i = 0; i < ELEMENTSOF(values); i++)
                        *values[i] = sqlite3_column_int64(statement, (int) i);
        }
        sqlite3_finalize(statement);
        if (rc != SQLITE_ROW)
                return rc == SQLITE_DONE ? SQLITE_OK : rc;

        const struct segment *g = &s->segment;
        if (sealed || g->id <= 0 || g->id > INT32_MAX || g->last < 0 || g->last >= HISTORY_ID_MAX ||
            g->first <= 0 || g->rows < 0 || g->base < 0)
                return SQLITE_CORRUPT;
        s->segment.bytes = (uint64_t) g->rows * 2 * SEGMENT_ROW_BYTES;
        return appender_prepare(s->appender, s->segment.id);
}

static int load(struct store *s) {
        int64_t clean = 0;
        int rc = schema_number(s->db, "SELECT clean FROM meta WHERE id=1", &clean);

        s->unclean = !clean;
        if (rc == SQLITE_OK)
                rc = schema_number(s->db, "SELECT coalesce(last_seq, -1) FROM meta WHERE id=1",
                                   &s->last_seq);
        if (rc == SQLITE_OK && (s->last_seq < -1 || s->last_seq >= HISTORY_ID_MAX))
                rc = SQLITE_CORRUPT;
        if (rc == SQLITE_OK)
                rc = begin(s);
        if (rc == SQLITE_OK)
                rc = load_fields(s);
        if (rc == SQLITE_OK)
                rc = load_boot(s);
        if (rc == SQLITE_OK)
                rc = load_segment(s);
        if (rc != SQLITE_OK)
                return rollback(s, rc);

        /* Older versions told the last number by the rows alone. */
        if (s->last_seq < 0)
                s->last_seq = s->segment.last;
        s->committed = s->segment;
        return store_commit(s);
}

int store_open(struct store **ret_store, const struct history_options *options,
               enum schema_state *ret) {
        struct store *s = calloc(1, sizeof(*s));
        int rc = SQLITE_NOMEM;

        *ret = SCHEMA_GOOD;
        if (!s)
                return rc;
        s->options = options;
        rc = schema_open(&s->db, options->path, false);
        if (rc == SQLITE_OK)
                rc = appender_new(&s->appender, s->db, &s->fields);
        if (rc == SQLITE_OK)
                rc = schema_check(s->db, ret);
        if (rc == SQLITE_OK && *ret == SCHEMA_EMPTY) {
                rc = schema_create(s->db);
                *ret = SCHEMA_GOOD;
        }
        if (rc == SQLITE_OK && *ret == SCHEMA_GOOD)
                rc = load(s);
        if (rc == SQLITE_OK && stat(options->path, &s->file) < 0)
                rc = SQLITE_CANTOPEN;
        if (rc == SQLITE_OK && *ret == SCHEMA_GOOD) {
                *ret_store = s;
                return rc;
        }

        if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_ERROR)
                *ret = SCHEMA_BROKEN;
        store_close(s, false);
        return rc;
}

int store_check(struct store *s, enum schema_state *ret) {
        sqlite3_stmt *statement = NULL;

        *ret = SCHEMA_GOOD;
        if (!s->unclean)
                return SQLITE_OK;

        int rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &statement, NULL);
        if (rc != SQLITE_OK)
                return rc;
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
                const char *text = (const char *) sqlite3_column_text(statement, 0);
                *ret = text && strcmp(text, "ok") == 0 ? SCHEMA_GOOD : SCHEMA_BROKEN;
                rc = SQLITE_OK;
        }
        sqlite3_finalize(statement);
        return rc;
}

struct store *store_close(struct store *s, bool clean) {
        if (!s)
                return NULL;

        if (clean && !s->open)
                (void) schema_run(s->db, "UPDATE meta SET clean=1");
        appender_free(s->appender);
        sqlite3_close(s->db);
        free(s);
        return NULL;
}

uint64_t store_last_seq(const struct store *s) {
        return (uint64_t) s->last_seq;
}

uint64_t store_last_time(const struct store *s) {
        return s->segment.rows > 0 ? (uint64_t) MAX(s->segment.time_max, (int64_t) 0) : 0;
}

bool store_in_place(const struct store *s) {
        struct stat now;

        return stat(s->options->path, &now) == 0 && now.st_dev == s->file.st_dev &&
               now.st_ino == s->file.st_ino;
}
