/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-reader.h"

#include <ctype.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>

#include "clock.h"
#include "event.h"
#include "history-fields.h"
#include "history-flat.h"
#include "history-schema.h"
#include "history-segment.h"
#include "match.h"

enum {
        SEGMENTS_MAX = 1 << 14,
        BOOTS_MAX = 1 << 16,
        STEPS = 2000, /* of SQLite's machine, between looks at the clock */
        ID_BYTES = 33,
        FIELD_BYTES = 56, /* of a field's name, signature and padding */
};

struct past {
        const struct history_question *q;
        struct history_answer *answer;
        sqlite3 *db;
        struct code_fields fields;
        char name[20]; /* of the file, as cursors have it */
        struct boot {
                int64_t id;
                char text[ID_BYTES];
        } * boots;
        size_t n_boots;
        struct segment_row *segments;
        size_t n_segments;
        struct event *event;
        struct field_set named; /* by the match */
        int64_t after;          /* row to go on after */
        int64_t last;           /* row to go on after, in the next answer */
};

/* Whether to give up. */
static int check_time(void *userdata) {
        const struct past *r = userdata;

        if (r->q->cancelled && atomic_load_explicit(r->q->cancelled, memory_order_relaxed))
                return 1;
        if (r->q->deadline == 0)
                return 0;
        return clock_now() > r->q->deadline;
}

/* Calls `row` with each row of a statement. */
static int each(struct past *r, const char *sql, int (*row)(struct past *r, sqlite3_stmt *s)) {
        sqlite3_stmt *s = NULL;
        int rc = sqlite3_prepare_v2(r->db, sql, -1, &s, NULL);

        while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
                rc = row(r, s);
        sqlite3_finalize(s);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void *grow(void *items, size_t n, size_t size, size_t max) {
        if (n >= max)
                return NULL;
        /* Doubles at powers of two. */
        return (n & (n - 1)) == 0 ? realloc(items, MAX(n * 2, (size_t) 1) * size) : items;
}

static int take_name(struct past *r, sqlite3_stmt *s) {
        const char *name = (const char *) sqlite3_column_text(s, 0);

        snprintf(r->name, sizeof(r->name), "%s", name ?: "");
        return SQLITE_OK;
}

static int take_boot(struct past *r, sqlite3_stmt *s) {
        const char *text = (const char *) sqlite3_column_text(s, 1);
        struct boot *boots = grow(r->boots, r->n_boots, sizeof(boots[0]), BOOTS_MAX);

        if (!boots)
                return SQLITE_NOMEM;
        r->boots = boots;
        boots += r->n_boots++;
        boots->id = sqlite3_column_int64(s, 0);
        snprintf(boots->text, sizeof(boots->text), "%s", text ?: "");
        return SQLITE_OK;
}

static int take_segment(struct past *r, sqlite3_stmt *s) {
        struct segment_row *rows = grow(r->segments, r->n_segments, sizeof(rows[0]), SEGMENTS_MAX);

        if (!rows)
                return SQLITE_NOMEM;
        r->segments = rows;
        rows += r->n_segments++;
        *rows = (struct segment_row){
                .id = sqlite3_column_int64(s, 0),
                .base = MAX(sqlite3_column_int64(s, 1), INT64_C(0)),
                .time_min = sqlite3_column_int64(s, 2),
                .time_max = sqlite3_column_int64(s, 3),
                .sealed = sqlite3_column_int64(s, 4),
        };
        return SQLITE_OK;
}

/* Without rows with a time its limits are the wrong way round. */
static bool segment_wanted(const struct past *r, const struct segment_row *s) {
        const struct history_question *q = r->q;

        if (q->since == 0 && q->until == UINT64_MAX)
                return true;
        return s->time_max >= 0 && (uint64_t) s->time_max >= q->since &&
               (s->time_min < 0 || (uint64_t) s->time_min <= q->until);
}

static void set_boot(struct past *r, int64_t boot) {
        for (size_t i = r->n_boots; i > 0; i--)
                if (r->boots[i - 1].id == boot) {
                        event_set_string(r->event, FIELD_BOOT_ID, r->boots[i - 1].text);
                        return;
                }
}

/* Adds the event to the answer, if it is for the viewer and passes. Returns whether it is. */
static bool offer(struct past *r) {
        struct field_set hidden;

        if (!viewer_looks(&r->q->viewer, r->event, &hidden) || !match_test(r->q->match, r->event))
                return false;
        size_t before = r->answer->rows.n;
        flat_put(&r->answer->rows, r->event);
        r->answer->n++;
        r->answer->bytes += r->answer->rows.n - before;
        for (size_t i = 0; i < ELEMENTSOF(r->event->present); i++)
                r->answer->bytes += FIELD_BYTES *
                                    (uint64_t) __builtin_popcountll(r->event->present[i]);
        return true;
}

static bool full(const struct past *r) {
        return r->answer->n >= r->q->limit || (r->q->bytes > 0 && r->answer->bytes >= r->q->bytes);
}

static bool add_named(enum field f, const void *userdata) {
        field_set_add((struct field_set *) userdata, f);
        return false;
}

/* Whether it is worth to read all of the row. Who sees only some of it is asked with all of it. */
static bool passes(struct past *r, struct segment_view *v, sqlite3_stmt *s) {
        int64_t boot;

        if (!r->q->match || r->q->viewer.scope != SCOPE_ALL)
                return true;
        if (segment_event(v, s, &r->named, r->event, &boot) < 0)
                return true;
        set_boot(r, boot);
        return match_test(r->q->match, r->event);
}

static int read_rows(struct past *r, struct segment_view *v, sqlite3_stmt *s) {
        int rc = SQLITE_DONE;

        while (!full(r) && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                int64_t boot = 0, id = sqlite3_column_int64(s, 0);

                if (!passes(r, v, s)) {
                        r->last = id;
                        continue;
                }
                id = segment_event(v, s, NULL, r->event, &boot);
                if (id < 0) {
                        r->answer->unread++;
                        continue;
                }
                set_boot(r, boot);
                /* A match is looked up in all rows: the cursor of who sees only some of them must
                 * not tell of the others that passed. */
                if (offer(r) || r->q->viewer.scope == SCOPE_ALL)
                        r->last = id;
                if (r->answer->rows.failed)
                        return SQLITE_NOMEM;
        }
        r->answer->more = full(r);
        return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_segment(struct past *r, const struct segment_row *row) {
        const struct segment_question question = {
                .match = r->q->match,
                /* Of what a viewer doesn't see it is not to learn by what is left out. */
                .kinds = r->q->viewer.scope == SCOPE_ALL,
                .since = r->q->since,
                .until = r->q->until,
                .after = r->after,
                .reverse = r->q->reverse,
        };
        struct segment_view *v = NULL;
        sqlite3_stmt *s = NULL;
        int rc = segment_open(&v, r->db, row, &r->fields);

        if (rc == SQLITE_OK)
                rc = segment_select(v, &question, &s);
        if (rc == SQLITE_OK && s)
                rc = read_rows(r, v, s);
        sqlite3_finalize(s);
        segment_close(v);
        return rc;
}

/* A cursor is the name of the file and the number of a row. */
static int take_cursor(struct past *r) {
        size_t n = strlen(r->name);
        const char *cursor = r->q->cursor;
        char *end;

        if (!cursor)
                return 0;
        if (strncmp(cursor, r->name, n) != 0 || cursor[n] != '-' ||
            !isxdigit((unsigned char) cursor[n + 1]))
                return -EINVAL;
        errno = 0;
        r->after = strtoll(cursor + n + 1, &end, 16);
        return errno || *end || r->after < 0 ? -EINVAL : 0;
}

static int read_all(struct past *r) {
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < r->n_segments && !r->answer->more; i++) {
                const struct segment_row
                        *row = &r->segments[r->q->reverse ? r->n_segments - 1 - i : i];
                if (segment_wanted(r, row))
                        rc = read_segment(r, row);
        }
        return rc;
}

static int run(struct past *r) {
        int rc = schema_run(r->db, "BEGIN");

        (void) match_find(r->q->match, add_named, &r->named);
        if (rc == SQLITE_OK)
                rc = fields_load(r->db, &r->fields);
        if (rc == SQLITE_OK)
                rc = each(r, "SELECT name FROM meta WHERE id=1", take_name);
        if (rc == SQLITE_OK)
                rc = each(r, "SELECT id, boot_id FROM boot ORDER BY id", take_boot);
        if (rc == SQLITE_OK)
                rc = each(r, "SELECT id, base, time_min, time_max, sealed FROM segment ORDER BY id",
                          take_segment);
        if (rc != SQLITE_OK)
                return rc;
        if (take_cursor(r) < 0)
                return SQLITE_MISUSE;
        return r->q->limit > 0 ? read_all(r) : SQLITE_OK;
}

static int error_of(int rc) {
        static const struct {
                int rc, error;
        } errors[] = {
                {SQLITE_OK, 0},
                {SQLITE_MISUSE, -EINVAL},
                {SQLITE_INTERRUPT, -ETIMEDOUT},
                {SQLITE_NOMEM, -ENOMEM},
                {SQLITE_CANTOPEN, -ENODATA},
        };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (errors[i].rc == rc)
                        return errors[i].error;
        return -EIO;
}

int history_read(const char *path, const struct history_question *q, struct history_answer *ret) {
        struct past r = {.q = q, .answer = ret, .event = malloc(sizeof(*r.event))};
        int rc = r.event ? schema_open(&r.db, path, true) : SQLITE_NOMEM;

        *ret = (struct history_answer){};
        if (rc == SQLITE_OK) {
                sqlite3_progress_handler(r.db, STEPS, check_time, &r);
                rc = run(&r);
        }
        sqlite3_close(r.db);
        int64_t last = r.last > 0 ? r.last : r.after;
        if (rc == SQLITE_OK && last > 0)
                snprintf(ret->cursor, sizeof(ret->cursor), "%s-%" PRIx64, r.name, (uint64_t) last);
        free(r.event);
        free(r.boots);
        free(r.segments);
        if (rc == SQLITE_INTERRUPT && q->cancelled && atomic_load(q->cancelled))
                return -ECANCELED;
        return error_of(rc);
}
