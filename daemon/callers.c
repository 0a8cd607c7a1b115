/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "callers.h"
#include "event.h"
#include "match.h"
#include "names.h"
#include "process.h"
#include "util.h"

enum {
        LEFT_MAX = 512, /* processes that have left and are still told apart; 1.5 KiB each */
};

/* The counters of a process while it ran one executable, or part of them. */
struct row {
        struct record_task task; /* tgid 0: of processes that are no longer told apart */
        bool known;              /* more of `task` counts than tgid and start */
        char *executable;        /* NULL: not known; borrowed in a listing */
        struct command_counter commands[COMMAND_SLOTS];
};

struct callers {
        int map_fd; /* -1: there is none yet */
        struct processes *processes;
        const struct names *names;
        struct row *left[LEFT_MAX]; /* a ring, oldest at `first` */
        size_t first, n;
        struct row others;
};

int callers_new(struct callers **ret, struct processes *processes, const struct names *names) {
        struct callers *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->map_fd = -1;
        c->processes = processes;
        c->names = names;
        *ret = c;
        return 0;
}

void callers_begin(struct callers *c, int map_fd) {
        c->map_fd = map_fd;
}

static void row_free(struct row *row) {
        free(row->executable);
        free(row);
}

struct callers *callers_free(struct callers *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n; i++)
                row_free(c->left[(c->first + i) % LEFT_MAX]);
        free(c);
        return NULL;
}

static void row_add(struct row *row, const struct command_counter *commands) {
        for (size_t i = 0; i < COMMAND_SLOTS; i++) {
                row->commands[i].calls += commands[i].calls;
                row->commands[i].errors += commands[i].errors;
                row->commands[i].timed += commands[i].timed;
                row->commands[i].ns += commands[i].ns;
        }
}

static int row_compare(const void *a, const void *b) {
        const struct row *x = a, *y = b;

        if (x->task.tgid != y->task.tgid)
                return x->task.tgid < y->task.tgid ? -1 : 1;
        if (x->task.start_time != y->task.start_time)
                return x->task.start_time < y->task.start_time ? -1 : 1;
        return strcmp(x->executable ?: "", y->executable ?: "");
}

/* Fills in what is remembered of the row's process; the executable is borrowed. */
static void row_identify(struct callers *c, struct row *row) {
        const char *executable;

        row->known = processes_find(c->processes, row->task.tgid, row->task.start_time, &row->task,
                                    &executable) >= 0;
        row->executable = row->known ? (char *) executable : NULL;
}

static struct row *find_left(struct callers *c, const struct row *like) {
        struct row *row;

        for (size_t i = c->n; i > 0; i--) {
                row = c->left[(c->first + i - 1) % LEFT_MAX];
                if (row_compare(row, like) == 0)
                        return row;
        }
        return NULL;
}

static struct row *row_keep(const struct row *like) {
        struct row *row = malloc(sizeof(*row));

        if (!row)
                return NULL;
        *row = *like;
        row->executable = like->executable ? strdup(like->executable) : NULL;
        return row;
}

/* Keeps counters of a process that has left. */
static void keep_left(struct callers *c, uint32_t tgid, uint64_t start_time,
                      const struct command_counter *commands) {
        struct row now = {.task = {.tgid = tgid, .start_time = start_time}};
        struct row *row, **slot;

        row_identify(c, &now);
        row_add(&now, commands);
        row = find_left(c, &now);
        if (row) {
                row_add(row, commands);
                return;
        }
        row = row_keep(&now);
        if (!row) {
                row_add(&c->others, commands);
                return;
        }
        slot = &c->left[(c->first + c->n) % LEFT_MAX];
        if (c->n < LEFT_MAX) {
                c->n++;
        } else {
                row_add(&c->others, (*slot)->commands);
                row_free(*slot);
                c->first = (c->first + 1) % LEFT_MAX;
        }
        *slot = row;
}

/* A process that executes another program comes here before the record that names that one. */
void callers_left(struct callers *c, const struct record_caller *record) {
        keep_left(c, record->task.tgid, record->task.start_time, record->commands);
}

/* Listing -------------------------------------------------------------------------------------- */

struct listing {
        struct row *rows;
        size_t n, allocated;
};

static int listing_add(struct listing *l, const struct row *row) {
        struct row *rows;

        if (l->n == l->allocated) {
                l->allocated = l->allocated ? l->allocated * 2 : 64;
                rows = reallocarray(l->rows, l->allocated, sizeof(*rows));
                if (!rows)
                        return -ENOMEM;
                l->rows = rows;
        }
        l->rows[l->n++] = *row;
        return 0;
}

/* What the kernel side has counted, in one batch: walking from key to key starts over when a thread
 * leaves. */
static int read_map(struct callers *c, uint64_t **ret_keys, struct caller **ret_values,
                    uint32_t *ret_n) {
        _cleanup_free_ struct caller *values = NULL;
        _cleanup_free_ uint64_t *keys = NULL;
        struct bpf_map_info info = {};
        uint32_t size = sizeof(info), n, batch;

        *ret_n = 0;
        if (c->map_fd < 0)
                return 0;
        if (bpf_obj_get_info_by_fd(c->map_fd, &info, &size) < 0)
                return -errno;
        n = info.max_entries;
        values = malloc(n * sizeof(*values));
        keys = malloc(n * sizeof(*keys));
        if (!values || !keys)
                return -ENOMEM;
        if (bpf_map_lookup_batch(c->map_fd, NULL, &batch, keys, values, &n, NULL) < 0 &&
            errno != ENOENT) /* the end of the map */
                return -errno;
        *ret_keys = TAKE_PTR(keys);
        *ret_values = TAKE_PTR(values);
        *ret_n = n;
        return 0;
}

/* Takes out a thread that has left. The kernel gives no id to another one so soon. */
static bool sweep_one(struct callers *c, uint64_t key, const struct caller *caller) {
        if (!caller->left || bpf_map_delete_elem(c->map_fd, &key) < 0)
                return false;
        keep_left(c, (uint32_t) (key >> 32), caller->start_time, caller->commands);
        return true;
}

void callers_sweep(struct callers *c) {
        _cleanup_free_ struct caller *values = NULL;
        _cleanup_free_ uint64_t *keys = NULL;
        uint32_t n;

        if (read_map(c, &keys, &values, &n) < 0)
                return; /* they stay until the next time */
        for (uint32_t i = 0; i < n; i++)
                (void) sweep_one(c, keys[i], &values[i]);
}

static int listing_add_live(struct callers *c, struct listing *l) {
        _cleanup_free_ struct caller *values = NULL;
        _cleanup_free_ uint64_t *keys = NULL;
        uint32_t n;
        int k = read_map(c, &keys, &values, &n);

        for (uint32_t i = 0; k >= 0 && i < n; i++) {
                struct row row = {.task = {.tgid = (uint32_t) (keys[i] >> 32),
                                           .start_time = values[i].start_time}};

                if (sweep_one(c, keys[i], &values[i]))
                        continue;
                row_identify(c, &row);
                row_add(&row, values[i].commands);
                k = listing_add(l, &row);
        }
        return k;
}

/* One row a process: threads, and those that have left, are added up. */
static void listing_merge(struct listing *l) {
        size_t kept = 0;

        if (l->n == 0)
                return;
        qsort(l->rows, l->n, sizeof(*l->rows), row_compare);
        for (size_t i = 1; i < l->n; i++)
                if (row_compare(&l->rows[kept], &l->rows[i]) == 0)
                        row_add(&l->rows[kept], l->rows[i].commands);
                else if (++kept != i)
                        l->rows[kept] = l->rows[i];
        l->n = kept + 1;
}

static void describe(struct callers *c, struct event *e, const struct row *row, uint32_t slot) {
        const struct command_counter *counter = &row->commands[slot];
        const char *name = names_get(c->names, NAMES_COMMAND, slot);

        event_reset(e);
        if (row->known)
                processes_describe(c->processes, e, &row->task, NULL);
        else if (row->task.tgid != 0)
                event_set_u32(e, FIELD_PROCESS_PID, row->task.tgid);
        event_clear(e, FIELD_PROCESS_TID);
        if (row->executable)
                event_set_string(e, FIELD_PROCESS_EXECUTABLE, row->executable);
        if (slot == COMMAND_SLOTS - 1)
                event_set_static(e, FIELD_BPF_CMD, "OTHER");
        else if (name)
                event_set_static(e, FIELD_BPF_CMD, name);
        else
                event_set_printf(e, FIELD_BPF_CMD, "CMD_%u", slot);
        if (slot < COMMAND_SLOTS - 1)
                event_set_u32(e, FIELD_BPF_CMD_NUMBER, slot);
        event_set_u64(e, FIELD_CALLS, counter->calls);
        event_set_u64(e, FIELD_ERRORS, counter->errors);
        event_set_u64(e, FIELD_TIMED_CALLS, counter->timed);
        if (counter->timed > 0)
                event_set_u64(e, FIELD_DURATION, counter->ns);
}

static uint64_t row_calls(const struct row *row) {
        uint64_t sum = 0;

        for (size_t i = 0; i < COMMAND_SLOTS; i++)
                sum += row->commands[i].calls;
        return sum;
}

/* Those without a process last, so that what is left out can be added to them. */
static int row_compare_calls(const void *a, const void *b) {
        const struct row *x = a, *y = b;
        uint64_t m = row_calls(x), n = row_calls(y);

        if (!x->task.tgid != !y->task.tgid)
                return x->task.tgid ? -1 : 1;
        return m > n ? -1 : m < n;
}

struct emission {
        struct callers *callers;
        const struct match *match;
        int (*row)(struct event *e, void *userdata);
        void *userdata;
        struct event *event;
        size_t n;
};

static int emit_row(struct emission *m, const struct row *row) {
        int k;

        for (uint32_t slot = 0; slot < COMMAND_SLOTS; slot++) {
                if (row->commands[slot].calls == 0)
                        continue;
                describe(m->callers, m->event, row, slot);
                if (!match_test(m->match, m->event))
                        continue;
                k = m->row(m->event, m->userdata);
                if (k < 0)
                        return k;
                m->n += k > 0;
        }
        return 0;
}

static int listing_emit(struct emission *m, struct listing *l) {
        struct row rest = {};
        int k;

        qsort(l->rows, l->n, sizeof(*l->rows), row_compare_calls);
        for (size_t i = 0; i < l->n; i++) {
                if (!l->rows[i].task.tgid || m->n >= CALLERS_ROWS_MAX) {
                        row_add(&rest, l->rows[i].commands);
                        continue;
                }
                k = emit_row(m, &l->rows[i]);
                if (k < 0)
                        return k;
        }
        return emit_row(m, &rest);
}

int callers_list(struct callers *c, const struct match *match,
                 int (*row)(struct event *e, void *userdata), void *userdata) {
        _cleanup_free_ struct event *event = malloc(sizeof(*event));
        struct emission m = {c, match, row, userdata, event, 0};
        struct listing l = {};
        int k = event ? listing_add_live(c, &l) : -ENOMEM;

        for (size_t i = 0; k >= 0 && i < c->n; i++)
                k = listing_add(&l, c->left[(c->first + i) % LEFT_MAX]);
        if (k >= 0)
                k = listing_add(&l, &c->others);
        if (k >= 0) {
                listing_merge(&l);
                k = listing_emit(&m, &l);
        }
        free(l.rows);
        return k;
}
