/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-thin.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "event.h"
#include "history-append.h"
#include "history-flat.h"
#include "history-schema.h"
#include "history-segment.h"
#include "util.h"

enum {
        KEEP_BYTES_MAX = 64 << 20, /* of memory for what stays */
        SMALL_ROWS = 1 << 14,      /* a segment with fewer becomes one with the next */
};

#define WHERE "share" /* lost.where */

struct thin {
        sqlite3 *db;
        const struct code_fields *fields;
        uint32_t uid;
        struct bytes kept; /* row, boot and the event, of each */
        uint64_t dropped;  /* with those that were before */
        uint64_t news;     /* without */
        int64_t row, boot; /* of the last one that was dropped */
        uint64_t time;
        struct event *event;
};

static int read_row(sqlite3 *db, const char *sql, int64_t segment, struct segment *ret,
                    bool *ret_sealed) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

        *ret = (struct segment){};
        if (rc != SQLITE_OK)
                return rc;
        sqlite3_bind_int64(statement, 1, segment);
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
                int64_t *const values[] = {&ret->id, &ret->base, &ret->first, &ret->rows};

                for (size_t i = 0; i < ELEMENTSOF(values); i++)
                        *values[i] = sqlite3_column_int64(statement, (int) i);
                *ret_sealed = sqlite3_column_int64(statement, 4) != 0;
        }
        sqlite3_finalize(statement);
        return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Whose an event is: who did it, or where the kernel did, whose object it was about. */
static bool is_of(const struct event *e, uint32_t uid) {
        const struct value *user = event_get(e, FIELD_USER_ID)
                                           ?: event_get(e, FIELD_LOADED_BY_USER_ID);

        return user && user->u32 == uid;
}

static void keep(struct thin *t, int64_t row, int64_t boot, const struct event *e) {
        bytes_put(&t->kept, &row, sizeof(row));
        bytes_put(&t->kept, &boot, sizeof(boot));
        flat_put(&t->kept, e);
}

static void drop(struct thin *t, int64_t row, int64_t boot) {
        const char *where = event_string(t->event, FIELD_LOST_WHERE);
        const struct value *count = event_get(t->event, FIELD_LOST_COUNT);
        const struct value *time = event_get(t->event, FIELD_TIME);

        if (where && count && strcmp(where, WHERE) == 0) {
                t->dropped += count->u64;
        } else {
                t->dropped++;
                t->news++;
        }
        t->row = row;
        t->boot = boot;
        t->time = time ? time->u64 : t->time;
}

static void keep_lost(struct thin *t) {
        struct event *e = t->event;

        event_reset(e);
        event_set_u64(e, FIELD_TIME, t->time);
        event_set_static(e, FIELD_EVENT, "lost");
        event_set_static(e, FIELD_CLASS, "self");
        event_set_static(e, FIELD_SEVERITY, "warning");
        event_set_u32(e, FIELD_USER_ID, t->uid);
        event_set_u64(e, FIELD_LOST_COUNT, t->dropped);
        event_set_static(e, FIELD_LOST_WHERE, WHERE);
        keep(t, t->row, t->boot, e);
}

/* What of a segment stays. One that makes no sense is left out, as readers do. */
static int read_segment(struct thin *t, const struct segment *g) {
        const struct segment_row row = {.id = g->id, .base = g->base, .sealed = true};
        const struct segment_question all = {.until = UINT64_MAX};
        struct segment_view *v = NULL;
        sqlite3_stmt *s = NULL;
        int rc = segment_open(&v, t->db, &row, t->fields);

        if (rc == SQLITE_OK)
                rc = segment_select(v, &all, &s);
        t->dropped = 0;
        while (rc == SQLITE_OK && s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                int64_t boot, id = segment_event(v, s, NULL, t->event, &boot);

                rc = SQLITE_OK;
                if (id < 0)
                        continue;
                if (is_of(t->event, t->uid))
                        drop(t, id, boot);
                else
                        keep(t, id, boot, t->event);
                if (t->kept.failed || t->kept.n > KEEP_BYTES_MAX)
                        rc = SQLITE_TOOBIG;
        }
        sqlite3_finalize(s);
        segment_close(v);
        /* In the place of the last of them: rows stay in order. */
        if (t->dropped > 0)
                keep_lost(t);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int compare(const void *a, const void *b) {
        int64_t x, y;

        memcpy(&x, *(const uint8_t *const *) a, sizeof(x));
        memcpy(&y, *(const uint8_t *const *) b, sizeof(y));
        return (x > y) - (x < y);
}

/* Writes them, in the order of their rows. */
static int write_kept(struct thin *t, struct appender *appender, struct segment *g) {
        struct bytes_reader r = bytes_reader(t->kept.data, t->kept.n);
        const size_t header = 2 * sizeof(int64_t);
        _cleanup_bytes_ struct bytes places = {};
        int rc = SQLITE_OK;

        while (bytes_left(&r) > header) {
                const uint8_t *place = t->kept.data + (t->kept.n - bytes_left(&r));

                bytes_put(&places, &place, sizeof(place));
                (void) bytes_take(&r, header);
                if (flat_take(&r, t->event) < 0)
                        return SQLITE_CORRUPT;
        }
        if (places.failed)
                return SQLITE_NOMEM;
        const size_t n = places.n / sizeof(uint8_t *);
        if (n > 1)
                qsort(places.data, n, sizeof(uint8_t *), compare);
        for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
                const uint8_t *place = ((const uint8_t **) places.data)[i];
                int64_t row, boot;

                memcpy(&row, place, sizeof(row));
                memcpy(&boot, place + sizeof(row), sizeof(boot));
                r = bytes_reader(place + header,
                                 (size_t) (t->kept.data + t->kept.n - place) - header);
                if (flat_take(&r, t->event) < 0)
                        return SQLITE_CORRUPT;
                g->last = row - 1; /* it keeps its number */
                rc = appender_add(appender, g, boot, t->event);
        }
        return rc;
}

static int run(sqlite3 *db, const char *format, int64_t a, int64_t b, int64_t c) {
        char sql[160];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(sql, sizeof(sql), format, (long long) a, (long long) b, (long long) c);
#pragma GCC diagnostic pop
        return schema_run(db, sql);
}

static int drop_segment(sqlite3 *db, int64_t segment) {
        int rc = schema_segment_drop(db, segment);

        return rc == SQLITE_OK ? run(db, "DELETE FROM segment WHERE id=%lld", segment, 0, 0) : rc;
}

static int rewrite(struct thin *t, struct appender *appender, const struct segment *g,
                   const struct segment *before) {
        const struct segment *start = before->id > 0 ? before : g;
        struct segment written = {
                .id = g->id,
                .base = start->base,
                .first = start->first,
                .time_min = INT64_MAX,
                .time_max = INT64_MIN,
        };
        int rc = schema_segment_drop(t->db, g->id);

        if (rc == SQLITE_OK && before->id > 0)
                rc = drop_segment(t->db, before->id);
        if (rc == SQLITE_OK)
                rc = schema_segment_create(t->db, g->id);
        if (rc == SQLITE_OK)
                rc = appender_prepare(appender, g->id);
        if (rc == SQLITE_OK)
                rc = write_kept(t, appender, &written);
        if (rc == SQLITE_OK)
                rc = appender_update(appender, &written, true);
        if (rc == SQLITE_OK)
                rc = run(t->db, "UPDATE segment SET base=%lld, first=%lld WHERE id=%lld",
                         written.base, written.first, g->id);
        return rc == SQLITE_OK ? schema_segment_seal(t->db, g->id) : rc;
}

#define SELECT "SELECT id, base, first, rows, sealed FROM segment WHERE "

static int thin(struct thin *t, struct appender *appender, int64_t segment, int64_t *ret_merged) {
        struct segment g, before;
        bool sealed = false;
        int rc = read_row(t->db, SELECT "id=?", segment, &g, &sealed);

        if (rc == SQLITE_OK && (g.id == 0 || !sealed))
                return SQLITE_OK;
        if (rc == SQLITE_OK)
                rc = read_row(t->db, SELECT "id<? ORDER BY id DESC LIMIT 1", segment, &before,
                              &sealed);
        if (rc == SQLITE_OK && before.rows > SMALL_ROWS)
                before.id = 0;
        if (rc == SQLITE_OK && before.id > 0)
                rc = read_segment(t, &before);
        if (rc == SQLITE_OK)
                rc = read_segment(t, &g);
        if (rc == SQLITE_TOOBIG) {
                t->news = 0;
                return SQLITE_OK;
        }
        if (rc != SQLITE_OK || t->news == 0)
                return rc;
        *ret_merged = before.id;
        return rewrite(t, appender, &g, &before);
}

int thin_segment(sqlite3 *db, struct appender *appender, const struct code_fields *fields,
                 int64_t segment, uint32_t uid, uint64_t *ret_dropped, int64_t *ret_merged) {
        struct thin t = {.db = db, .fields = fields, .uid = uid, .event = malloc(sizeof(*t.event))};
        int rc = t.event ? SQLITE_OK : SQLITE_NOMEM;

        *ret_merged = 0;
        if (rc == SQLITE_OK)
                rc = thin(&t, appender, segment, ret_merged);
        *ret_dropped = t.news;
        bytes_done(&t.kept);
        free(t.event);
        return rc;
}
