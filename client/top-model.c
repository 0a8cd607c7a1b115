/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-model.h"

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "json-event.h"
#include "match.h"
#include "value.h"

#define SECOND UINT64_C(1000000000)

struct top_model {
        struct top_program *programs; /* in the order of their ids */
        size_t n;
        const struct top_program **view;
        size_t n_view;
        bool viewed; /* the view is up to date */
        struct match *filter;
        struct event *event; /* for the filter */
        enum top_key key;
        bool reverse;
        uint64_t last; /* ns; 0: there was no look yet */
};

int top_model_new(struct top_model **ret) {
        struct top_model *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        m->event = calloc(1, sizeof(*m->event));
        if (!m->event) {
                free(m);
                return -ENOMEM;
        }

        *ret = m;
        return 0;
}

static void forget_programs(struct top_program *programs, size_t n) {
        for (size_t i = 0; i < n; i++)
                json_object_put(programs[i].row);
        free(programs);
}

struct top_model *top_model_free(struct top_model *m) {
        if (!m)
                return NULL;

        forget_programs(m->programs, m->n);
        free(m->view);
        match_free(m->filter);
        free(m->event);
        free(m);
        return NULL;
}

/* The seconds since the last look were all like what was counted over them. */
static void fill_history(struct top_program *p, uint64_t from, uint64_t to) {
        uint64_t first = from / SECOND + 1, last = to / SECOND;

        if (last > first + TOP_HISTORY)
                first = last - TOP_HISTORY;
        for (uint64_t second = first; second <= last; second++)
                p->history[second % TOP_HISTORY] = p->time_rate;
}

static int put_number(struct json_object *row, enum field f, uint64_t n) {
        return json_object_object_add(row, field_info(f)->name, json_object_new_uint64(n));
}

/* `before` is the same program at the last look, or NULL. */
static int take_row(struct top_program *p, const struct top_program *before,
                    struct json_object *row, uint64_t last, uint64_t now) {
        *p = before ? *before : (struct top_program){};
        p->id = (uint32_t) row_number(row, FIELD_PROG_ID);
        p->row = json_object_get(row);
        p->run_time = row_number(row, FIELD_PROG_RUN_TIME);
        p->run_count = row_number(row, FIELD_PROG_RUN_COUNT);
        p->memory = row_number(row, FIELD_MEMORY);
        p->time_rate = p->run_rate = p->average = 0;

        p->measured = before && now > last && p->run_count >= before->run_count &&
                      p->run_time >= before->run_time;
        if (p->measured) {
                const uint64_t time = p->run_time - before->run_time;
                const uint64_t count = p->run_count - before->run_count;
                const double seconds = (double) (now - last) / (double) SECOND;
                p->time_rate = (uint64_t) ((double) time / seconds);
                p->run_rate = (uint64_t) ((double) count / seconds + 0.5);
                p->average = count > 0 ? time / count : 0;
                fill_history(p, last, now);
        }

        int r = put_number(row, FIELD_PROG_TIME_RATE, p->time_rate);
        return r < 0                                                   ? -ENOMEM
               : put_number(row, FIELD_PROG_RUN_RATE, p->run_rate) < 0 ? -ENOMEM
                                                                       : 0;
}

/* The history is a ring: what a program that did not run left in it a minute ago is not now. */
static void clear_seconds(struct top_program *p, uint64_t from, uint64_t to) {
        const struct top_program kept = *p;

        p->time_rate = 0;
        fill_history(p, from, to);
        p->time_rate = kept.time_rate;
}

int top_model_update(struct top_model *m, struct json_object *rows, uint64_t now) {
        const size_t n = json_object_array_length(rows);
        struct top_program *programs = calloc(n + 1, sizeof(*programs));
        const struct top_program **view = calloc(n + 1, sizeof(const struct top_program *));
        size_t old = 0;

        for (size_t i = 0; i < n && programs && view; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const uint64_t id = row_number(row, FIELD_PROG_ID);

                while (old < m->n && m->programs[old].id < id)
                        old++;
                bool known = old < m->n && m->programs[old].id == id;
                if (take_row(&programs[i], known ? &m->programs[old] : NULL, row, m->last, now) < 0)
                        m->viewed = false;
                if (known && !programs[i].measured)
                        clear_seconds(&programs[i], m->last, now);
        }
        if (!programs || !view) {
                free(programs);
                free(view);
                return -ENOMEM;
        }

        forget_programs(m->programs, m->n);
        free(m->view);
        m->programs = programs;
        m->view = view;
        m->n = n;
        m->viewed = false;
        m->last = now;
        return 0;
}

void top_model_filter(struct top_model *m, struct match *match) {
        match_free(m->filter);
        m->filter = match;
        m->viewed = false;
}

void top_model_sort(struct top_model *m, enum top_key key, bool reverse) {
        m->key = key;
        m->reverse = reverse;
        m->viewed = false;
}

static int compare_numbers(uint64_t a, uint64_t b) {
        return a < b ? -1 : a > b;
}

static const char *name_of(const struct top_program *p) {
        const char *name = row_string(p->row, FIELD_PROG_NAME);

        return name ? name : "";
}

/* Numbers the largest first, names and ids the smallest. */
static int compare_key(const struct top_program *x, const struct top_program *y, enum top_key key) {
        switch (key) {
        case TOP_CPU:
                return compare_numbers(y->time_rate, x->time_rate);
        case TOP_RUNS:
                return compare_numbers(y->run_rate, x->run_rate);
        case TOP_TIME:
                return compare_numbers(y->average, x->average);
        case TOP_MEMORY:
                return compare_numbers(y->memory, x->memory);
        case TOP_NAME:
                return strcmp(name_of(x), name_of(y));
        case TOP_ID:
        case _TOP_KEY_MAX:
                break;
        }

        return 0;
}

static int compare(const void *a, const void *b, void *userdata) {
        const struct top_program *x = *(const struct top_program *const *) a;
        const struct top_program *y = *(const struct top_program *const *) b;
        const struct top_model *m = userdata;
        int c = compare_key(x, y, m->key);

        if (c == 0)
                c = compare_numbers(x->id, y->id);
        return m->reverse ? -c : c;
}

static bool passes(struct top_model *m, const struct top_program *p) {
        if (!m->filter)
                return true;

        json_event(m->event, p->row);
        return match_test(m->filter, m->event);
}

const struct top_program *const *top_model_view(struct top_model *m, size_t *ret_n) {
        if (!m->viewed) {
                m->n_view = 0;
                for (size_t i = 0; i < m->n; i++)
                        if (passes(m, &m->programs[i]))
                                m->view[m->n_view++] = &m->programs[i];
                if (m->n_view > 0)
                        qsort_r(m->view, m->n_view, sizeof(m->view[0]), compare, m);
                m->viewed = true;
        }

        *ret_n = m->n_view;
        return m->view;
}

struct top_totals top_model_totals(const struct top_model *m) {
        struct top_totals t = {.programs = m->n};

        for (size_t i = 0; i < m->n; i++) {
                t.running += m->programs[i].run_rate > 0 || m->programs[i].time_rate > 0;
                t.time_rate += m->programs[i].time_rate;
                t.memory += m->programs[i].memory;
        }

        return t;
}

void top_model_history(const struct top_model *m, const struct top_program *p, uint64_t *ret,
                       size_t columns) {
        const uint64_t now = m->last / SECOND;

        for (size_t i = 0; i < columns; i++) {
                const size_t first = i * TOP_HISTORY / columns;
                const size_t end = MAX((i + 1) * TOP_HISTORY / columns, first + 1);
                ret[i] = 0;
                for (size_t j = first; j < end; j++) {
                        /* The seconds since then, the oldest of them first. */
                        uint64_t ago = TOP_HISTORY - 1 - j;
                        if (now >= ago)
                                ret[i] = MAX(ret[i], p->history[(now - ago) % TOP_HISTORY]);
                }
        }
}
