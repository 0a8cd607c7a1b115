/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl connections --watch: connections, or sums of them, with their rates and latencies since
 * the last look, again and again. On a terminal each look takes the place of the one before;
 * otherwise, and as JSON, one follows the other. */

#include <inttypes.h>
#include <json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "connection-sums.h"
#include "connections.h"
#include "ending.h"
#include "output.h"
#include "value.h"
#include "watch-table.h"

enum {
        INTERVAL_USEC = 1000000,
        ROWS_SPARE = 4, /* lines of the terminal that are no rows */
};

/* A connection from look to look. */
struct seen {
        uint64_t id;
        uint64_t look;                  /* the last one that had it */
        struct traffic traffic;         /* then */
        struct traffic since;           /* since the look before */
        uint64_t p99[CONNECTION_LOOKS]; /* of each, ns; 0: no requests */
        struct json_object *row;        /* of this look */
};

struct watch {
        const struct options *options;
        struct seen *seen;
        size_t n;
        struct connection_sums sums; /* of this look, where they are asked for */
        uint64_t look, at, before;   /* CLOCK_MONOTONIC, ns */
        bool terminal;
        int ending; /* readable after Ctrl-C */
};

static int compare_ids(const void *a, const void *b) {
        const struct seen *x = a, *y = b;

        return x->id < y->id ? -1 : x->id > y->id;
}

static struct seen *find(const struct watch *w, size_t n, uint64_t id) {
        const struct seen key = {.id = id};

        return n > 0 ? bsearch(&key, w->seen, n, sizeof(key), compare_ids) : NULL;
}

/* The oldest of the last looks makes room for this one. */
static void keep_p99(uint64_t p99[static CONNECTION_LOOKS], const struct traffic *since) {
        memmove(p99, p99 + 1, (CONNECTION_LOOKS - 1) * sizeof(*p99));
        p99[CONNECTION_LOOKS - 1] = traffic_latency(since, 0.99);
}

/* Takes a row in; one that was not there before has all of its traffic since then, unless it was
 * open before it was measured. */
static void take(struct watch *w, size_t known, struct json_object *row) {
        uint64_t id = row_number(row, FIELD_CONNECTION_ID);
        struct traffic traffic = traffic_of(row);
        struct seen *s = find(w, known, id);
        const bool begins = !s && json_object_get_boolean(row_get(row, FIELD_EXISTED));

        if (!s) {
                s = &w->seen[w->n++];
                *s = (struct seen){.id = id};
        }
        s->since = w->look > 0 && !begins ? traffic_since(&traffic, &s->traffic)
                                          : (struct traffic){.connections = 1};
        s->traffic = traffic;
        s->look = w->look;
        s->row = row;
        keep_p99(s->p99, &s->since);
}

static int take_all(struct watch *w, struct json_object *rows) {
        size_t n = json_object_array_length(rows), known = w->n, kept = 0;
        struct seen *more = reallocarray(w->seen, w->n + n + 1, sizeof(*more));

        if (!more)
                return -ENOMEM;
        w->seen = more;
        for (size_t i = 0; i < n; i++)
                take(w, known, json_object_array_get_idx(rows, i));
        for (size_t i = 0; i < w->n; i++)
                if (w->seen[i].look == w->look)
                        w->seen[kept++] = w->seen[i];
        w->n = kept;
        qsort(w->seen, w->n, sizeof(*w->seen), compare_ids);
        return 0;
}

/* Sums of this look, with the latencies of the same sums at the last ones. */
static int sum_up(struct watch *w) {
        struct connection_sums sums = {};
        int r = 0;

        for (size_t i = 0; i < w->n && r >= 0; i++)
                r = connection_sums_add(&sums, w->seen[i].row, (enum connections_by) w->options->by,
                                        &w->seen[i].traffic, &w->seen[i].since);
        connection_sums_fold(&sums);
        for (size_t i = 0; i < sums.n; i++) {
                struct connection_sum *s = &sums.items[i];
                const struct connection_sum *before = connection_sums_find(&w->sums, s->name);

                if (before)
                        memcpy(s->p99, before->p99, sizeof(s->p99));
                keep_p99(s->p99, &s->since);
        }
        connection_sums_done(&w->sums);
        w->sums = sums;
        return r;
}

/* Showing ---------------------------------------------------------------------------------------
 */

static bool shows_sums(const struct watch *w) {
        return w->options->by != BY_CONNECTION;
}

static double seconds_since(const struct watch *w) {
        return w->look > 0 && w->at > w->before ? (double) (w->at - w->before) / 1e9 : 0;
}

static size_t rows_that_fit(const struct watch *w) {
        const size_t lines = w->terminal ? output_lines() : 0;

        if (lines == 0)
                return w->options->lines;
        return MIN(w->options->lines, lines > ROWS_SPARE ? (uint64_t) (lines - ROWS_SPARE) : 1);
}

static void fill_rows(const struct watch *w, struct watch_row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const struct connection_sum *sum = shows_sums(w) ? &w->sums.items[i] : NULL;
                const struct seen *seen = sum ? NULL : &w->seen[i];

                rows[i] = sum ? (struct watch_row){.sum = sum,
                                                   .since = &sum->since,
                                                   .p99 = sum->p99}
                              : (struct watch_row){.row = seen->row,
                                                   .id = seen->id,
                                                   .since = &seen->since,
                                                   .p99 = seen->p99};
        }
        watch_rows_sort(rows, n);
}

static int show_table(const struct watch *w, struct output *o, const struct watch_row *rows,
                      size_t n) {
        const struct watch_view view = {
                .options = w->options,
                .width = w->options->full ? 0 : output_columns(),
                .lines = rows_that_fit(w),
                .seconds = seconds_since(w),
        };

        if (w->terminal)
                text_add(&o->text, "\x1b[H\x1b[J");
        int r = watch_table_add(&o->text, rows, n, &view);
        if (!w->terminal)
                text_add(&o->text, "\n");
        return r;
}

static int show_json(const struct watch *w, struct output *o, const struct watch_row *rows,
                     size_t n) {
        for (size_t i = 0; i < MIN((uint64_t) n, w->options->lines); i++) {
                _cleanup_json_ struct json_object *sum = NULL;

                if (rows[i].row) {
                        output_row(o, rows[i].row, w->options);
                        continue;
                }
                sum = connection_sum_json(rows[i].sum, (enum connections_by) w->options->by,
                                          seconds_since(w));
                if (!sum)
                        return -ENOMEM;
                output_json(o, sum, w->options);
        }
        return 0;
}

static int show(struct watch *w, struct output *o, struct json_object *listed) {
        _cleanup_free_ struct watch_row *rows = NULL;
        size_t n;
        int r = take_all(w, listed);

        if (r >= 0 && shows_sums(w))
                r = sum_up(w);
        if (r < 0)
                return r;
        n = shows_sums(w) ? w->sums.n : w->n;
        rows = calloc(n + 1, sizeof(*rows));
        if (!rows)
                return -ENOMEM;
        fill_rows(w, rows, n);
        return w->options->json == JSON_OFF ? show_table(w, o, rows, n) : show_json(w, o, rows, n);
}

/* The loop --------------------------------------------------------------------------------------
 */

/* Waits for the next look. Returns whether there is to be one: nobody has pressed Ctrl-C. */
static bool wait_for_next(const struct watch *w) {
        uint64_t interval = (w->options->every ?: INTERVAL_USEC) * 1000, past = clock_now() - w->at;
        struct pollfd p = {.fd = w->ending, .events = POLLIN};
        int ms = past < interval ? (int) MIN((interval - past) / 1000000, (uint64_t) INT32_MAX) : 0;

        return poll(&p, 1, ms) == 0;
}

static int look(struct watch *w, sd_bus *bus, char **matches, size_t n) {
        struct output output = OUTPUT_INIT;
        _cleanup_json_ struct json_object *rows = NULL;
        int r = connections_fetch(bus, matches, n, w->options,
                                  w->options->json != JSON_OFF || w->options->n_fields > 0, &rows);

        if (r != EXIT_SUCCESS)
                return r;
        output.interrupt_fd = w->ending;
        w->before = w->at;
        w->at = clock_now();
        if (show(w, &output, rows) < 0)
                output.text.failed = true;
        w->look++;
        r = output_flush(&output);
        text_clear(&output.text);
        if (r == -EPIPE)
                return -EPIPE;
        if (r < 0 && r != -EINTR) {
                complain("cannot write the output: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

static bool on_screen;

static void leave_screen(void) {
        static const char leave[] = "\x1b[?25h\x1b[?1049l";

        if (on_screen)
                (void) !write(STDOUT_FILENO, leave, strlen(leave));
        on_screen = false;
}

static void enter_screen(void) {
        static const char enter[] = "\x1b[?1049h\x1b[?25l";

        (void) !write(STDOUT_FILENO, enter, strlen(enter));
        on_screen = true;
        complain_after(leave_screen);
}

static void tell_sum(const struct watch *w, uint64_t began) {
        char counted[40];

        snprintf(counted, sizeof(counted), "%" PRIu64 " look%s", w->look, w->look == 1 ? "" : "s");
        ending_tell(began, counted);
}

int connections_watch(sd_bus *bus, char **matches, size_t n, const struct options *options) {
        const uint64_t began = clock_now();
        struct watch w = {.options = options,
                          .terminal = isatty(STDOUT_FILENO) && options->json == JSON_OFF};
        int r;

        w.ending = ending_watch();
        if (w.ending < 0)
                return bus_complain(NULL, w.ending);
        if (w.terminal)
                enter_screen();
        do
                r = look(&w, bus, matches, n);
        while (r == EXIT_SUCCESS && wait_for_next(&w));
        leave_screen();
        complain_after(NULL);
        if (ending_came() && (r == EXIT_SUCCESS || r == EXIT_ENDED)) {
                tell_sum(&w, began);
                r = EXIT_SUCCESS;
        }
        free(w.seen);
        connection_sums_done(&w.sums);
        return r == -EPIPE ? EXIT_SUCCESS : r;
}
