/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-segment.h"

#include <sqlite3.h>
#include <stdio.h>

#include "escape.h"
#include "history-schema.h"
#include "match.h"

enum {
        NUMBERS_MAX = 100,   /* alternatives that become SQL */
        ROWS_FEW = 4000,     /* that are fetched by an index and put in order */
        TABLE_MAX = 1 << 22, /* words, kinds or processes of a segment */
        WORD_BYTES_MAX = 1 << 12,
        SQL_MAX = 8192,
};

/* Things by their number; what is NULL was not read yet. */
struct table {
        struct blob {
                size_t n;
                uint8_t data[];
        } * *items;
        size_t size;
        sqlite3_stmt *select;
};

struct segment_view {
        sqlite3 *db;
        struct segment_row row;
        struct code_reader code;
        struct table words, kinds, processes;
        const struct field_set *only; /* what `parts` was made for */
        unsigned parts;               /* bits of enum code_part */
};

static void table_done(struct table *t) {
        for (size_t i = 0; i < t->size; i++)
                free(t->items[i]);
        free(t->items);
        sqlite3_finalize(t->select);
}

/* What has the number, or NULL. */
static const struct blob *table_get(struct table *t, uint64_t number, size_t max, bool text) {
        if (number == 0 || number >= TABLE_MAX)
                return NULL;
        if (number >= t->size) {
                size_t size = MAX((size_t) number + 1, t->size * 2);
                struct blob **items = realloc(t->items, size * sizeof(items[0]));
                if (!items)
                        return NULL;
                memset(items + t->size, 0, (size - t->size) * sizeof(items[0]));
                t->items = items;
                t->size = size;
        }
        if (t->items[number])
                return t->items[number];

        sqlite3_bind_int64(t->select, 1, (int64_t) number);
        if (sqlite3_step(t->select) == SQLITE_ROW) {
                const void *data = sqlite3_column_blob(t->select, 0);
                size_t n = (size_t) sqlite3_column_bytes(t->select, 0);
                struct blob *blob = n <= max ? malloc(sizeof(*blob) + n * 3 + 1) : NULL;

                if (blob && text) {
                        blob->n = utf8_sanitize(data ?: "", n, (char *) blob->data, n * 3 + 1);
                } else if (blob) {
                        blob->n = n;
                        if (n > 0)
                                memcpy(blob->data, data, n);
                }
                t->items[number] = blob;
        }
        sqlite3_reset(t->select);
        return t->items[number];
}

static const char *word_text(uint64_t number, void *userdata) {
        struct segment_view *v = userdata;
        const struct blob *blob = table_get(&v->words, number, WORD_BYTES_MAX, true);

        return blob ? (const char *) blob->data : NULL;
}

int segment_open(struct segment_view **ret, sqlite3 *db, const struct segment_row *row,
                 const struct code_fields *fields) {
        struct segment_view *v = calloc(1, sizeof(*v));

        if (!v)
                return SQLITE_NOMEM;
        v->db = db;
        v->row = *row;
        v->code = (struct code_reader){fields, word_text, v, (uint64_t) row->base};

        int rc = schema_prepare(db, &v->words.select, "SELECT text FROM word_%1$lld WHERE id=?",
                                row->id);
        if (rc == SQLITE_OK)
                rc = schema_prepare(db, &v->kinds.select, "SELECT data FROM kind_%1$lld WHERE id=?",
                                    row->id);
        if (rc == SQLITE_OK)
                rc = schema_prepare(db, &v->processes.select,
                                    "SELECT data FROM process_%1$lld WHERE id=?", row->id);
        if (rc != SQLITE_OK) {
                segment_close(v);
                return rc;
        }

        *ret = v;
        return rc;
}

struct segment_view *segment_close(struct segment_view *v) {
        if (!v)
                return NULL;

        table_done(&v->words);
        table_done(&v->kinds);
        table_done(&v->processes);
        free(v);
        return NULL;
}

/* One thing that rows must have: COLUMN IN (numbers). */
struct condition {
        char column[16];
        int64_t numbers[NUMBERS_MAX];
        size_t n;
        bool process; /* of the process, not of the row */
        bool open;    /* too many alternatives: it says nothing */
};

enum { CONDITIONS_MAX = 16 };

struct conditions {
        struct condition items[CONDITIONS_MAX];
        size_t n;
        bool none; /* nothing can pass */
};

static struct condition *add_condition(struct conditions *c, const char *column, bool process) {
        struct condition *condition = &c->items[c->n++];

        *condition = (struct condition){.process = process};
        snprintf(condition->column, sizeof(condition->column), "%s", column);
        return condition;
}

static void add_number(struct condition *c, int64_t number) {
        if (c->n == NUMBERS_MAX)
                c->open = true;
        else
                c->numbers[c->n++] = number;
}

static const struct number_column {
        enum field field;
        const char *column;
        bool process;
} number_columns[] = {
        {FIELD_PROG_ID, "prog_id"},       {FIELD_MAP_ID, "map_id"},     {FIELD_LINK_ID, "link_id"},
        {FIELD_PROCESS_PID, "pid", true}, {FIELD_USER_ID, "uid", true},
};

static const struct number_column word_columns[] = {
        {FIELD_PROG_NAME, "prog_name"},     {FIELD_MAP_NAME, "map_name"},
        {FIELD_PROCESS_NAME, "name", true}, {FIELD_PROCESS_EXECUTABLE, "executable", true},
        {FIELD_UNIT, "unit", true},         {FIELD_CONTAINER_ID, "container", true},
};

static void number_conditions(struct conditions *c, const struct match *m) {
        for (size_t i = 0; i < ELEMENTSOF(number_columns); i++) {
                uint64_t numbers[NUMBERS_MAX];
                size_t n = match_numbers(m, number_columns[i].field, numbers, NUMBERS_MAX);
                struct condition *condition;

                if (n == 0)
                        continue;
                condition = add_condition(c, number_columns[i].column, number_columns[i].process);
                for (size_t j = 0; j < n; j++)
                        add_number(condition, (int64_t) numbers[j]);
        }
}

/* Which words a match accepts in the fields that it names: each word is tried once. */
static int word_conditions(struct segment_view *v, struct conditions *c, const struct match *m,
                           struct event *scratch) {
        struct condition *named[ELEMENTSOF(word_columns)] = {};
        sqlite3_stmt *s = NULL;
        bool any = false;

        for (size_t i = 0; i < ELEMENTSOF(word_columns); i++)
                if (match_names(m, word_columns[i].field)) {
                        named[i] = add_condition(c, word_columns[i].column,
                                                 word_columns[i].process);
                        any = true;
                }
        if (!any)
                return SQLITE_OK;

        int rc = schema_prepare(v->db, &s, "SELECT id, text FROM word_%1$lld", v->row.id);
        while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                const char *text = (const char *) sqlite3_column_text(s, 1);

                for (size_t i = 0; text && i < ELEMENTSOF(word_columns); i++) {
                        if (!named[i])
                                continue;
                        event_reset(scratch);
                        event_set_static(scratch, word_columns[i].field, text);
                        if (match_may(m, scratch))
                                add_number(named[i], sqlite3_column_int64(s, 0));
                }
                rc = SQLITE_OK;
        }
        sqlite3_finalize(s);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Whether rows of a kind have the fields that must be there. */
static bool has_named(const struct code_reader *c, const struct match *m, const void *kind,
                      size_t n) {
        struct field_set has = {};

        code_kind_fields(c, kind, n, &has);
        for (int f = 0; f < _FIELD_MAX; f++)
                if (code_part((enum field) f) == PART_ROW && match_names(m, (enum field) f) &&
                    !field_set_has(&has, (enum field) f))
                        return false;

        return true;
}

/* The same with kinds, which the match may exclude, too. */
static int kind_condition(struct segment_view *v, struct conditions *c, const struct match *m,
                          struct event *scratch) {
        struct condition *condition = add_condition(c, "kind", false);
        sqlite3_stmt *s = NULL;
        bool all = true;
        int rc = schema_prepare(v->db, &s, "SELECT id, data FROM kind_%1$lld", v->row.id);

        while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
                const void *data = sqlite3_column_blob(s, 1);
                size_t n = (size_t) sqlite3_column_bytes(s, 1);

                event_reset(scratch);
                (void) code_take_kind(&v->code, scratch, data, data ? n : 0, NULL, 0, NULL);
                if (match_may(m, scratch) && has_named(&v->code, m, data, data ? n : 0))
                        add_number(condition, sqlite3_column_int64(s, 0));
                else
                        all = false;
                rc = SQLITE_OK;
        }
        sqlite3_finalize(s);
        condition->open = condition->open || all;
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Drops the conditions that say nothing; sees whether one can't be met. */
static void settle(struct conditions *c) {
        size_t kept = 0;

        for (size_t i = 0; i < c->n; i++) {
                if (c->items[i].open)
                        continue;
                c->none = c->none || c->items[i].n == 0;
                if (kept != i)
                        c->items[kept] = c->items[i];
                kept++;
        }
        c->n = kept;
}

struct sql {
        char text[SQL_MAX];
        size_t n;
        int64_t numbers[CONDITIONS_MAX * NUMBERS_MAX];
        size_t n_numbers;
};

static void _printf_(2, 3) say(struct sql *s, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        int n = vsnprintf(s->text + s->n, sizeof(s->text) - s->n, format, arguments);
        va_end(arguments);
        s->n = MIN(s->n + (size_t) MAX(n, 0), sizeof(s->text) - 1);
}

/* Values are bound, never written. */
static void say_in(struct sql *s, const struct condition *c) {
        say(s, "%s IN (", c->column);
        for (size_t i = 0; i < c->n; i++) {
                say(s, "%s?", i > 0 ? "," : "");
                s->numbers[s->n_numbers++] = c->numbers[i];
        }
        say(s, ")");
}

/* What the processes must be, as a condition on rows. Returns false where nothing is said of them.
 */
static bool say_process(struct sql *s, const struct conditions *c, int64_t segment) {
        bool any = false;

        for (size_t i = 0; i < c->n; i++) {
                if (!c->items[i].process)
                        continue;
                if (!any)
                        say(s, "process IN (SELECT id FROM process_%lld WHERE ",
                            (long long) segment);
                else
                        say(s, " AND ");
                say_in(s, &c->items[i]);
                any = true;
        }
        if (any)
                say(s, ")");
        return any;
}

static int prepare(sqlite3 *db, const struct sql *s, sqlite3_stmt **ret) {
        int rc = sqlite3_prepare_v2(db, s->text, (int) s->n, ret, NULL);

        for (size_t i = 0; rc == SQLITE_OK && i < s->n_numbers; i++)
                rc = sqlite3_bind_int64(*ret, (int) i + 1, s->numbers[i]);
        return rc;
}

/* How many rows an index would give, ROWS_FEW + 1 for more: `condition` NULL asks of processes. */
static int64_t count_rows(struct segment_view *v, const struct conditions *c,
                          const struct condition *condition) {
        struct sql s = {};
        sqlite3_stmt *statement = NULL;
        int64_t count = ROWS_FEW + 1;
        const char *column = condition ? condition->column : "process";

        say(&s, "SELECT count(*) FROM (SELECT 1 FROM event_%lld INDEXED BY event_%lld_%s WHERE ",
            (long long) v->row.id, (long long) v->row.id, column);
        if (condition)
                say_in(&s, condition);
        else if (!say_process(&s, c, v->row.id))
                return count;
        say(&s, " LIMIT %d)", ROWS_FEW + 1);
        if (prepare(v->db, &s, &statement) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
                count = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        return count;
}

/* The index that gives the fewest rows; "" where walking all in order is better. */
static void choose_index(struct segment_view *v, const struct conditions *c, char *ret,
                         size_t size) {
        int64_t best = count_rows(v, c, NULL);
        const char *column = best <= ROWS_FEW ? "process" : NULL;

        for (size_t i = 0; i < c->n && best > 0; i++) {
                if (c->items[i].process)
                        continue;
                int64_t count = count_rows(v, c, &c->items[i]);
                if (count < best) {
                        best = count;
                        column = c->items[i].column;
                }
        }
        if (column)
                snprintf(ret, size, "INDEXED BY event_%lld_%s", (long long) v->row.id, column);
        else
                snprintf(ret, size, "NOT INDEXED");
}

static void say_times(struct sql *s, const struct segment_view *v,
                      const struct segment_question *q) {
        int64_t base = v->row.base;

        if (q->since > 0) {
                say(s, " AND time >= ?");
                s->numbers[s->n_numbers++] = (int64_t) MIN(q->since, (uint64_t) INT64_MAX) - base;
        }
        if (q->until < (uint64_t) INT64_MAX) {
                say(s, " AND time <= ?");
                s->numbers[s->n_numbers++] = (int64_t) q->until - base;
        }
        if (q->after > 0) {
                say(s, " AND id %s ?", q->reverse ? "<" : ">");
                s->numbers[s->n_numbers++] = q->after;
        }
}

int segment_select(struct segment_view *v, const struct segment_question *q, sqlite3_stmt **ret) {
        _cleanup_free_ struct conditions *c = calloc(1, sizeof(*c));
        _cleanup_free_ struct sql *s = calloc(1, sizeof(*s));
        _cleanup_free_ struct event *scratch = malloc(sizeof(*scratch));
        char index[64] = "NOT INDEXED";
        int rc = SQLITE_OK;

        *ret = NULL;
        if (!c || !s || !scratch)
                return SQLITE_NOMEM;
        if (q->match) {
                event_reset(scratch);
                number_conditions(c, q->match);
                rc = word_conditions(v, c, q->match, scratch);
                if (rc == SQLITE_OK && q->kinds)
                        rc = kind_condition(v, c, q->match, scratch);
                settle(c);
        }
        if (rc != SQLITE_OK || c->none)
                return rc;
        if (v->row.sealed)
                choose_index(v, c, index, sizeof(index));

        say(s,
            "SELECT id, shift, time, boot, kind, process, prog_id, map_id, link_id, prog_name, "
            "map_name, rest FROM event_%lld %s WHERE 1",
            (long long) v->row.id, index);
        say_times(s, v, q);
        for (size_t i = 0; i < c->n; i++)
                if (!c->items[i].process) {
                        say(s, " AND ");
                        say_in(s, &c->items[i]);
                }
        size_t before = s->n;
        say(s, " AND ");
        if (!say_process(s, c, v->row.id))
                s->n = before;
        say(s, " ORDER BY id%s", q->reverse ? " DESC" : "");
        return prepare(v->db, s, ret);
}

static void set_number(struct event *e, enum field f, sqlite3_stmt *row, int column) {
        if (sqlite3_column_type(row, column) == SQLITE_INTEGER)
                event_set_u32(e, f, (uint32_t) sqlite3_column_int64(row, column));
}

static void set_word(struct segment_view *v, struct event *e, enum field f, sqlite3_stmt *row,
                     int column) {
        if (sqlite3_column_type(row, column) == SQLITE_INTEGER)
                event_set_static(e, f, word_text((uint64_t) sqlite3_column_int64(row, column), v));
}

/* The parts that have a field that is looked at. */
static unsigned parts_of(const struct field_set *only) {
        unsigned parts = 0;

        for (int f = 0; f < _FIELD_MAX; f++)
                if (!only || field_set_has(only, (enum field) f))
                        parts |= 1U << code_part((enum field) f);
        return parts;
}

static int take_process(struct segment_view *v, sqlite3_stmt *row, struct event *e) {
        if (sqlite3_column_type(row, 5) != SQLITE_INTEGER)
                return 0;

        uint64_t number = (uint64_t) sqlite3_column_int64(row, 5);
        const struct blob *process = table_get(&v->processes, number, 1 << 16, false);
        return process ? code_take_process(&v->code, e, process->data, process->n) : -EBADMSG;
}

int64_t segment_event(struct segment_view *v, sqlite3_stmt *row, const struct field_set *only,
                      struct event *e, int64_t *ret_boot) {
        int64_t id = sqlite3_column_int64(row, 0);
        const struct blob *kind = table_get(&v->kinds, (uint64_t) sqlite3_column_int64(row, 4),
                                            1 << 16, false);
        int r = 0;

        if (v->only != only || v->parts == 0) {
                v->only = only;
                v->parts = parts_of(only);
        }
        event_reset(e);
        if (id <= 0 || !kind)
                return -EBADMSG;
        *ret_boot = sqlite3_column_int64(row, 3);
        if (sqlite3_column_type(row, 1) == SQLITE_INTEGER)
                event_set_u64(e, FIELD_SEQ,
                              (uint64_t) id - (uint64_t) sqlite3_column_int64(row, 1));
        if (sqlite3_column_type(row, 2) == SQLITE_INTEGER)
                event_set_u64(e, FIELD_TIME,
                              (uint64_t) v->row.base + (uint64_t) sqlite3_column_int64(row, 2));
        if (v->parts & 1U << PART_ROW) {
                const void *rest = sqlite3_column_blob(row, 11);
                size_t n = (size_t) sqlite3_column_bytes(row, 11);

                r = code_take_kind(&v->code, e, kind->data, kind->n, rest ?: "", rest ? n : 0,
                                   only);
        } else if (v->parts & 1U << PART_KIND) {
                r = code_take_kind(&v->code, e, kind->data, kind->n, NULL, 0, only);
        }
        if (r >= 0 && (v->parts & 1U << PART_PROCESS))
                r = take_process(v, row, e);
        if (r < 0)
                return r;
        if (v->parts & 1U << PART_COLUMN) {
                set_number(e, FIELD_PROG_ID, row, 6);
                set_number(e, FIELD_MAP_ID, row, 7);
                set_number(e, FIELD_LINK_ID, row, 8);
                set_word(v, e, FIELD_PROG_NAME, row, 9);
                set_word(v, e, FIELD_MAP_NAME, row, 10);
        }
        return id;
}
