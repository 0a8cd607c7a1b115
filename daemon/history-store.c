/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "event.h"
#include "history-cache.h"
#include "history-code.h"
#include "history-fields.h"
#include "history-options.h"
#include "history-seen.h"
#include "util.h"

enum {
        WORDS = 1 << 14, /* entries of the caches */
        KINDS = 1 << 10,
        PROCESSES = 1 << 14,
        ROW_BYTES = 60,    /* of a row and its indexes, beside its rest */
        SEGMENTS_MIN = 16, /* that the file is divided into */
        SEGMENTS_MAX = 1024,
};

static const int64_t ID_MAX = INT64_C(1) << 62;

enum statement {
        INSERT_EVENT,
        INSERT_WORD,
        INSERT_KIND,
        INSERT_PROCESS,
        UPDATE_SEGMENT,
        _STATEMENT_MAX
};

static const char *const statements[] = {
        [INSERT_EVENT] =
                "INSERT INTO event_%1$lld(id, shift, time, boot, kind, process, prog_id, map_id, "
                "link_id, prog_name, map_name, rest) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
        [INSERT_WORD] = "INSERT INTO word_%1$lld(text) VALUES(?)",
        [INSERT_KIND] = "INSERT INTO kind_%1$lld(event, result, data) VALUES(?,?,?)",
        [INSERT_PROCESS] = "INSERT INTO process_%1$lld(pid, uid, name, executable, unit, "
                           "container, data) VALUES(?,?,?,?,?,?,?)",
        [UPDATE_SEGMENT] = "UPDATE segment SET last=?, time_min=?, time_max=?, rows=?, sealed=? "
                           "WHERE id=%1$lld",
};

/* A row of the table `segment`: the one that is being written. */
struct segment {
        int64_t id; /* 0: none yet */
        int64_t base, first, last, time_min, time_max, rows;
        uint64_t bytes; /* about */
};

struct store {
        const struct history_options *options;
        sqlite3 *db;
        sqlite3_stmt *statements[_STATEMENT_MAX];
        struct code_fields fields;
        struct cache *words, *labels, *kinds, *processes;
        struct bytes kind, process, row;
        struct segment segment, committed;
        int64_t boot;
        int64_t last_seq;
        bool unclean; /* it was not closed well the last time */
        bool open;    /* a transaction is */
        int rc;       /* what went wrong below the coder, which has no way to tell */
        struct stat file;
};

static void finalize(struct store *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->statements); i++) {
                sqlite3_finalize(s->statements[i]);
                s->statements[i] = NULL;
        }
}

/* Prepares for the segment, in which nothing has a number yet. */
static int prepare(struct store *s) {
        int rc = SQLITE_OK;

        finalize(s);
        cache_clear(s->words);
        cache_clear(s->labels);
        cache_clear(s->kinds);
        cache_clear(s->processes);
        for (size_t i = 0; rc == SQLITE_OK && i < ELEMENTSOF(statements); i++)
                rc = schema_prepare(s->db, &s->statements[i], statements[i], s->segment.id);
        return rc;
}

static int step(sqlite3_stmt *statement) {
        int rc = sqlite3_step(statement);

        sqlite3_reset(statement);
        return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static void bind_number(sqlite3_stmt *statement, int column, int64_t number) {
        if (number != 0)
                sqlite3_bind_int64(statement, column, number);
        else
                sqlite3_bind_null(statement, column);
}

static int64_t insert(struct store *s, enum statement which) {
        int rc = step(s->statements[which]);

        if (rc != SQLITE_OK) {
                s->rc = rc;
                return 0;
        }
        return sqlite3_last_insert_rowid(s->db);
}

static uint64_t word_of(const char *text, size_t n, enum code_use use, void *userdata) {
        struct store *s = userdata;
        /* Labels stay: whoever makes up many names must not turn them out. */
        struct cache *cache = use == USE_LABEL ? s->labels : s->words;
        uint64_t number = cache_find(cache, text, n);

        /* What came once may never come again. */
        if (number > 0 || s->rc != SQLITE_OK || (use == USE_TEXT && !cache_seen(cache, text, n)))
                return number;

        sqlite3_bind_text(s->statements[INSERT_WORD], 1, text, (int) n, SQLITE_STATIC);
        int64_t id = insert(s, INSERT_WORD);
        if (id > 0) {
                cache_keep(cache, text, n, (uint64_t) id);
                s->segment.bytes += n + 8;
        }
        return (uint64_t) id;
}

static int64_t word_of_field(struct store *s, const struct event *e, enum field f) {
        const char *text = event_string(e, f);

        return text ? (int64_t) word_of(text, strlen(text), USE_COLUMN, s) : 0;
}

static void bind_text(sqlite3_stmt *statement, int column, const char *text) {
        sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

static int64_t kind_of(struct store *s, const struct event *e) {
        sqlite3_stmt *statement = s->statements[INSERT_KIND];
        int64_t id = (int64_t) cache_find(s->kinds, s->kind.data, s->kind.n);

        if (id > 0)
                return id;
        bind_text(statement, 1, event_string(e, FIELD_EVENT));
        bind_text(statement, 2, event_string(e, FIELD_RESULT));
        sqlite3_bind_blob(statement, 3, s->kind.data, (int) s->kind.n, SQLITE_STATIC);
        id = insert(s, INSERT_KIND);
        if (id > 0)
                cache_keep(s->kinds, s->kind.data, s->kind.n, (uint64_t) id);
        s->segment.bytes += s->kind.n + 16;
        return id;
}

static void bind_u32(sqlite3_stmt *statement, int column, const struct event *e, enum field f) {
        const struct value *v = event_get(e, f);

        if (v)
                sqlite3_bind_int64(statement, column, v->u32);
        else
                sqlite3_bind_null(statement, column);
}

static int64_t process_of(struct store *s, const struct event *e) {
        static const enum field names[] = {FIELD_PROCESS_NAME, FIELD_PROCESS_EXECUTABLE, FIELD_UNIT,
                                           FIELD_CONTAINER_ID};
        sqlite3_stmt *statement = s->statements[INSERT_PROCESS];
        int64_t id, numbers[ELEMENTSOF(names)];

        if (s->process.n == 0)
                return 0;
        id = (int64_t) cache_find(s->processes, s->process.data, s->process.n);
        if (id > 0)
                return id;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                numbers[i] = word_of_field(s, e, names[i]);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                bind_number(statement, 3 + (int) i, numbers[i]);
        bind_u32(statement, 1, e, FIELD_PROCESS_PID);
        bind_u32(statement, 2, e, FIELD_USER_ID);
        sqlite3_bind_blob(statement, 7, s->process.data, (int) s->process.n, SQLITE_STATIC);
        id = insert(s, INSERT_PROCESS);
        if (id > 0)
                cache_keep(s->processes, s->process.data, s->process.n, (uint64_t) id);
        s->segment.bytes += s->process.n + ROW_BYTES;
        return id;
}

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
        s->rc = SQLITE_OK;
        s->segment = s->committed;
        /* The caches know numbers of rows that are gone. */
        if (s->segment.id > 0)
                (void) prepare(s);
        return rc;
}

static int update_segment(struct store *s, bool sealed) {
        sqlite3_stmt *statement = s->statements[UPDATE_SEGMENT];
        const struct segment *g = &s->segment;
        const int64_t values[] = {g->last, g->time_min, g->time_max, g->rows, sealed};

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                sqlite3_bind_int64(statement, (int) i + 1, values[i]);
        return step(statement);
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
                rc = update_segment(s, true);
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
        return rc == SQLITE_OK ? prepare(s) : rc;
}

static int64_t time_of(const struct event *e) {
        const struct value *time = event_get(e, FIELD_TIME);

        return time ? (int64_t) MIN(time->u64, (uint64_t) ID_MAX) : 0;
}

static void bind_event(struct store *s, const struct event *e, const int64_t numbers[static 4]) {
        sqlite3_stmt *statement = s->statements[INSERT_EVENT];
        const struct value *seq = event_get(e, FIELD_SEQ);
        int64_t id = s->segment.last;

        sqlite3_bind_int64(statement, 1, id);
        if (seq)
                sqlite3_bind_int64(statement, 2, id - (int64_t) seq->u64);
        else
                sqlite3_bind_null(statement, 2);
        if (event_has(e, FIELD_TIME))
                sqlite3_bind_int64(statement, 3, time_of(e) - s->segment.base);
        else
                sqlite3_bind_null(statement, 3);
        sqlite3_bind_int64(statement, 4, s->boot);
        sqlite3_bind_int64(statement, 5, numbers[0]);
        bind_number(statement, 6, numbers[1]);
        bind_u32(statement, 7, e, FIELD_PROG_ID);
        bind_u32(statement, 8, e, FIELD_MAP_ID);
        bind_u32(statement, 9, e, FIELD_LINK_ID);
        bind_number(statement, 10, numbers[2]);
        bind_number(statement, 11, numbers[3]);
        sqlite3_bind_blob(statement, 12, s->row.n > 0 ? s->row.data : (const void *) "",
                          (int) s->row.n, SQLITE_STATIC);
}

static int add(struct store *s, const struct event *e) {
        const struct code_writer writer = {&s->fields, word_of, s, (uint64_t) s->segment.base};
        const struct value *seq = event_get(e, FIELD_SEQ);
        struct segment *g = &s->segment;

        bytes_reset(&s->kind);
        bytes_reset(&s->process);
        bytes_reset(&s->row);
        code_put(&writer, e, &s->kind, &s->process, &s->row);
        if (s->kind.failed || s->process.failed || s->row.failed)
                return SQLITE_NOMEM;
        const int64_t numbers[] = {
                kind_of(s, e),
                process_of(s, e),
                word_of_field(s, e, FIELD_PROG_NAME),
                word_of_field(s, e, FIELD_MAP_NAME),
        };
        if (s->rc != SQLITE_OK)
                return s->rc;

        /* Rows are in the order in which they came; most have the number of their event. */
        g->last++;
        if (seq && seq->u64 < (uint64_t) ID_MAX) {
                g->last = MAX(g->last, (int64_t) seq->u64);
                s->last_seq = MAX(s->last_seq, (int64_t) seq->u64);
        }
        bind_event(s, e, numbers);
        g->rows++;
        g->bytes += s->row.n + ROW_BYTES;
        if (event_has(e, FIELD_TIME)) {
                g->time_min = MIN(g->time_min, time_of(e));
                g->time_max = MAX(g->time_max, time_of(e));
        }
        return step(s->statements[INSERT_EVENT]);
}

int store_add(struct store *s, const struct event *e) {
        uint64_t time = (uint64_t) time_of(e);
        int rc = begin(s);

        if (rc == SQLITE_OK && (s->segment.id == 0 || segment_full(s, time)))
                rc = next_segment(s, time);
        if (rc == SQLITE_OK)
                rc = add(s, e);
        return rc == SQLITE_OK ? rc : rollback(s, rc);
}

int store_commit(struct store *s) {
        if (!s->open)
                return SQLITE_OK;

        char sql[96];
        int rc = s->segment.id > 0 ? update_segment(s, false) : SQLITE_OK;

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
                bind_text(statement, 1, field_info((enum field) f)->name);
                rc = step(statement);
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
        bind_text(statement, 1, sd_id128_to_string(s->options->boot, id));
        rc = step(statement);
        sqlite3_finalize(statement);
        if (rc != SQLITE_OK)
                return rc;

        rc = sqlite3_prepare_v2(s->db, "SELECT id FROM boot WHERE boot_id=?", -1, &statement, NULL);
        if (rc != SQLITE_OK)
                return rc;
        bind_text(statement, 1, id);
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
        if (sealed || g->id <= 0 || g->id > INT32_MAX || g->last < 0 || g->last >= ID_MAX ||
            g->first <= 0 || g->rows < 0 || g->base < 0)
                return SQLITE_CORRUPT;
        s->segment.bytes = (uint64_t) g->rows * 2 * ROW_BYTES;
        return prepare(s);
}

static int load(struct store *s) {
        int64_t clean = 0;
        int rc = schema_number(s->db, "SELECT clean FROM meta WHERE id=1", &clean);

        s->unclean = !clean;
        if (rc == SQLITE_OK)
                rc = schema_number(s->db, "SELECT coalesce(last_seq, -1) FROM meta WHERE id=1",
                                   &s->last_seq);
        if (rc == SQLITE_OK && (s->last_seq < -1 || s->last_seq >= ID_MAX))
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
        if (cache_new(&s->words, WORDS) < 0 || cache_new(&s->labels, KINDS) < 0 ||
            cache_new(&s->kinds, KINDS) < 0 || cache_new(&s->processes, PROCESSES) < 0) {
                store_close(s, false);
                return rc;
        }

        rc = schema_open(&s->db, options->path, false);
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
        finalize(s);
        sqlite3_close(s->db);
        cache_free(s->words);
        cache_free(s->labels);
        cache_free(s->kinds);
        cache_free(s->processes);
        bytes_done(&s->kind);
        bytes_done(&s->process);
        bytes_done(&s->row);
        free(s);
        return NULL;
}

uint64_t store_last_seq(const struct store *s) {
        return (uint64_t) s->last_seq;
}

bool store_in_place(const struct store *s) {
        struct stat now;

        return stat(s->options->path, &now) == 0 && now.st_dev == s->file.st_dev &&
               now.st_ino == s->file.st_ino;
}
