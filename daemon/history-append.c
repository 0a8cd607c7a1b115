/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-append.h"

#include <sqlite3.h>
#include <string.h>

#include "event.h"
#include "history-cache.h"
#include "history-schema.h"
#include "util.h"

enum {
        WORDS = 1 << 14, /* entries of the caches */
        KINDS = 1 << 10,
        PROCESSES = 1 << 14,
};

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

struct appender {
        sqlite3 *db;
        const struct code_fields *fields;
        sqlite3_stmt *statements[_STATEMENT_MAX];
        struct cache *words, *labels, *kinds, *processes;
        struct bytes kind, process, row;
        uint64_t bytes; /* about, that the event at hand took beside its row */
        int rc;         /* what went wrong below the coder, which has no way to tell */
};

static void finalize(struct appender *a) {
        for (size_t i = 0; i < ELEMENTSOF(a->statements); i++) {
                sqlite3_finalize(a->statements[i]);
                a->statements[i] = NULL;
        }
}

int appender_prepare(struct appender *a, int64_t segment) {
        int rc = SQLITE_OK;

        finalize(a);
        a->rc = SQLITE_OK;
        cache_clear(a->words);
        cache_clear(a->labels);
        cache_clear(a->kinds);
        cache_clear(a->processes);
        for (size_t i = 0; rc == SQLITE_OK && i < ELEMENTSOF(statements); i++)
                rc = schema_prepare(a->db, &a->statements[i], statements[i], segment);
        return rc;
}

int statement_run(sqlite3_stmt *statement) {
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

static int64_t insert(struct appender *a, enum statement which) {
        int rc = statement_run(a->statements[which]);

        if (rc != SQLITE_OK) {
                a->rc = rc;
                return 0;
        }
        return sqlite3_last_insert_rowid(a->db);
}

static uint64_t word_of(const char *text, size_t n, enum code_use use, void *userdata) {
        struct appender *a = userdata;
        /* Labels stay: whoever makes up many names must not turn them out. */
        struct cache *cache = use == USE_LABEL ? a->labels : a->words;
        uint64_t number = cache_find(cache, text, n);

        /* What came once may never come again. */
        if (number > 0 || a->rc != SQLITE_OK || (use == USE_TEXT && !cache_seen(cache, text, n)))
                return number;

        sqlite3_bind_text(a->statements[INSERT_WORD], 1, text, (int) n, SQLITE_STATIC);
        int64_t id = insert(a, INSERT_WORD);
        if (id > 0) {
                cache_keep(cache, text, n, (uint64_t) id);
                a->bytes += n + 8;
        }
        return (uint64_t) id;
}

static int64_t word_of_field(struct appender *a, const struct event *e, enum field f) {
        const char *text = event_string(e, f);

        return text ? (int64_t) word_of(text, strlen(text), USE_COLUMN, a) : 0;
}

void statement_bind_text(sqlite3_stmt *statement, int column, const char *text) {
        sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}

static int64_t kind_of(struct appender *a, const struct event *e) {
        sqlite3_stmt *statement = a->statements[INSERT_KIND];
        int64_t id = (int64_t) cache_find(a->kinds, a->kind.data, a->kind.n);

        if (id > 0)
                return id;
        statement_bind_text(statement, 1, event_string(e, FIELD_EVENT));
        statement_bind_text(statement, 2, event_string(e, FIELD_RESULT));
        sqlite3_bind_blob(statement, 3, a->kind.data, (int) a->kind.n, SQLITE_STATIC);
        id = insert(a, INSERT_KIND);
        if (id > 0)
                cache_keep(a->kinds, a->kind.data, a->kind.n, (uint64_t) id);
        a->bytes += a->kind.n + 16;
        return id;
}

static void bind_u32(sqlite3_stmt *statement, int column, const struct event *e, enum field f) {
        const struct value *v = event_get(e, f);

        if (v)
                sqlite3_bind_int64(statement, column, v->u32);
        else
                sqlite3_bind_null(statement, column);
}

static int64_t process_of(struct appender *a, const struct event *e) {
        static const enum field names[] = {FIELD_PROCESS_NAME, FIELD_PROCESS_EXECUTABLE, FIELD_UNIT,
                                           FIELD_CONTAINER_ID};
        sqlite3_stmt *statement = a->statements[INSERT_PROCESS];
        int64_t id, numbers[ELEMENTSOF(names)];

        if (a->process.n == 0)
                return 0;
        id = (int64_t) cache_find(a->processes, a->process.data, a->process.n);
        if (id > 0)
                return id;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                numbers[i] = word_of_field(a, e, names[i]);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                bind_number(statement, 3 + (int) i, numbers[i]);
        bind_u32(statement, 1, e, FIELD_PROCESS_PID);
        bind_u32(statement, 2, e, FIELD_USER_ID);
        sqlite3_bind_blob(statement, 7, a->process.data, (int) a->process.n, SQLITE_STATIC);
        id = insert(a, INSERT_PROCESS);
        if (id > 0)
                cache_keep(a->processes, a->process.data, a->process.n, (uint64_t) id);
        a->bytes += a->process.n + SEGMENT_ROW_BYTES;
        return id;
}

int appender_update(struct appender *a, const struct segment *g, bool sealed) {
        sqlite3_stmt *statement = a->statements[UPDATE_SEGMENT];
        const int64_t values[] = {g->last, g->time_min, g->time_max, g->rows, sealed};

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                sqlite3_bind_int64(statement, (int) i + 1, values[i]);
        return statement_run(statement);
}

int64_t appender_time(const struct event *e) {
        const struct value *time = event_get(e, FIELD_TIME);

        return time ? (int64_t) MIN(time->u64, (uint64_t) HISTORY_ID_MAX) : 0;
}

static void bind_event(struct appender *a, const struct segment *g, int64_t boot,
                       const struct event *e, const int64_t numbers[static 4]) {
        sqlite3_stmt *statement = a->statements[INSERT_EVENT];
        const struct value *seq = event_get(e, FIELD_SEQ);
        int64_t id = g->last;

        sqlite3_bind_int64(statement, 1, id);
        if (seq)
                sqlite3_bind_int64(statement, 2, id - (int64_t) seq->u64);
        else
                sqlite3_bind_null(statement, 2);
        if (event_has(e, FIELD_TIME))
                sqlite3_bind_int64(statement, 3, appender_time(e) - g->base);
        else
                sqlite3_bind_null(statement, 3);
        sqlite3_bind_int64(statement, 4, boot);
        sqlite3_bind_int64(statement, 5, numbers[0]);
        bind_number(statement, 6, numbers[1]);
        bind_u32(statement, 7, e, FIELD_PROG_ID);
        bind_u32(statement, 8, e, FIELD_MAP_ID);
        bind_u32(statement, 9, e, FIELD_LINK_ID);
        bind_number(statement, 10, numbers[2]);
        bind_number(statement, 11, numbers[3]);
        sqlite3_bind_blob(statement, 12, a->row.n > 0 ? a->row.data : (const void *) "",
                          (int) a->row.n, SQLITE_STATIC);
}

int appender_add(struct appender *a, struct segment *g, int64_t boot, const struct event *e) {
        const struct code_writer writer = {a->fields, word_of, a, (uint64_t) g->base};
        const struct value *seq = event_get(e, FIELD_SEQ);

        bytes_reset(&a->kind);
        bytes_reset(&a->process);
        bytes_reset(&a->row);
        a->bytes = 0;
        code_put(&writer, e, &a->kind, &a->process, &a->row);
        if (a->kind.failed || a->process.failed || a->row.failed)
                return SQLITE_NOMEM;
        const int64_t numbers[] = {
                kind_of(a, e),
                process_of(a, e),
                word_of_field(a, e, FIELD_PROG_NAME),
                word_of_field(a, e, FIELD_MAP_NAME),
        };
        if (a->rc != SQLITE_OK)
                return a->rc;

        /* Rows are in the order in which they came; most have the number of their event. */
        g->last++;
        if (seq && seq->u64 < (uint64_t) HISTORY_ID_MAX)
                g->last = MAX(g->last, (int64_t) seq->u64);
        bind_event(a, g, boot, e, numbers);
        g->rows++;
        g->bytes += a->row.n + a->bytes + SEGMENT_ROW_BYTES;
        if (event_has(e, FIELD_TIME)) {
                g->time_min = MIN(g->time_min, appender_time(e));
                g->time_max = MAX(g->time_max, appender_time(e));
        }
        return statement_run(a->statements[INSERT_EVENT]);
}

struct appender *appender_free(struct appender *a) {
        if (!a)
                return NULL;

        finalize(a);
        cache_free(a->words);
        cache_free(a->labels);
        cache_free(a->kinds);
        cache_free(a->processes);
        bytes_done(&a->kind);
        bytes_done(&a->process);
        bytes_done(&a->row);
        free(a);
        return NULL;
}

int appender_new(struct appender **ret, sqlite3 *db, const struct code_fields *fields) {
        struct appender *a = calloc(1, sizeof(*a));

        if (!a)
                return SQLITE_NOMEM;
        a->db = db;
        a->fields = fields;
        if (cache_new(&a->words, WORDS) < 0 || cache_new(&a->labels, KINDS) < 0 ||
            cache_new(&a->kinds, KINDS) < 0 || cache_new(&a->processes, PROCESSES) < 0) {
                appender_free(a);
                return SQLITE_NOMEM;
        }

        *ret = a;
        return SQLITE_OK;
}
