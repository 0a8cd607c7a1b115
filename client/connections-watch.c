/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl connections --watch: connections with their rates and latencies since the last look,
 * again and again. On a terminal each look takes the place of the one before; otherwise, and as
 * JSON, one follows the other. */

#include <json.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bus-json.h"
#include "client.h"
#include "clock.h"
#include "connections.h"
#include "output.h"
#include "table.h"
#include "value.h"

enum {
        INTERVAL_USEC = 1000000,
        LOOKS_MAX = 20, /* in a sparkline */
        LOOKS_FEW = 8,  /* on a terminal that has other things to show */
        ROWS_SPARE = 4, /* lines of the terminal that are no rows */
};

/* A connection from look to look. */
struct seen {
        uint64_t id;
        uint64_t look;           /* the last one that had it */
        struct traffic traffic;  /* then */
        struct traffic since;    /* since the look before */
        uint64_t p99[LOOKS_MAX]; /* of each, ns; 0: no requests */
        struct json_object *row; /* of this look */
};

struct watch {
        const struct options *options;
        struct seen *seen;
        size_t n;
        uint64_t look, at, before; /* CLOCK_MONOTONIC, ns */
        size_t width;              /* columns of the terminal at this look; 0: nothing is cut */
        bool terminal;
        int signals;
};

static int compare_ids(const void *a, const void *b) {
        const struct seen *x = a, *y = b;

        return x->id < y->id ? -1 : x->id > y->id;
}

static struct seen *find(const struct watch *w, size_t n, uint64_t id) {
        const struct seen key = {.id = id};

        return n > 0 ? bsearch(&key, w->seen, n, sizeof(key), compare_ids) : NULL;
}

/* Takes a row in; one that was not there before has all of its traffic since then. */
static void take(struct watch *w, size_t known, struct json_object *row) {
        uint64_t id = row_number(row, FIELD_CONNECTION_ID);
        struct traffic traffic = traffic_of(row);
        struct seen *s = find(w, known, id);

        if (!s) {
                s = &w->seen[w->n++];
                *s = (struct seen){.id = id};
        }
        s->since = w->look > 0 ? traffic_since(&traffic, &s->traffic) : (struct traffic){};
        s->traffic = traffic;
        s->look = w->look;
        s->row = row;
        memmove(s->p99, s->p99 + 1, sizeof(s->p99) - sizeof(s->p99[0]));
        s->p99[LOOKS_MAX - 1] = s->since.requests > 0
                                        ? latency_quantile(s->since.histogram, LATENCY_BUCKETS,
                                                           0.99, traffic.latency_max)
                                        : 0;
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

/* Showing ---------------------------------------------------------------------------------------
 */

/* A bar for each of the last looks, as high as its p99 among all of them, by the logarithm. */
static void add_sparkline(struct text *t, const struct seen *s, size_t looks) {
        static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        uint64_t least = UINT64_MAX, most = 0;

        for (size_t i = 0; i < LOOKS_MAX; i++)
                if (s->p99[i] > 0) {
                        least = MIN(least, s->p99[i]);
                        most = MAX(most, s->p99[i]);
                }
        for (size_t i = LOOKS_MAX - looks; i < LOOKS_MAX; i++) {
                uint64_t doublings = 0;

                if (s->p99[i] == 0) {
                        text_add(t, " ");
                        continue;
                }
                for (uint64_t v = s->p99[i]; v > least; v /= 2)
                        doublings++;
                text_add(t, bars[MIN(doublings, (uint64_t) ELEMENTSOF(bars) - 1)]);
        }
}

static double per_second(const struct watch *w, uint64_t n) {
        return w->at > w->before && w->before > 0 ? (double) n * 1e9 / (double) (w->at - w->before)
                                                  : 0;
}

static const struct {
        struct table_column table;
        size_t from; /* columns of the terminal; 0: always */
} columns[] = {
        {{"ID", .right = true}, 0},     {{"SERVICE"}, 0},
        {{"CLIENT", .least = 12}, 0},   {{"SERVER", .least = 12, .end = true}, 0},
        {{"SENT/S", .right = true}, 0}, {{"RECEIVED/S", .right = true}, 0},
        {{"RATE/S", .right = true}, 0}, {{"P50", .right = true}, CONNECTIONS_WIDE},
        {{"P99", .right = true}, 0},    {{"LATENCY"}, CONNECTIONS_WIDE},
};

/* Without a terminal nothing is too much. */
static bool is_shown(const struct watch *w, size_t column) {
        return w->width == 0 || columns[column].from <= w->width;
}

static int add_row(struct watch *w, struct table *t, const struct seen *s) {
        const bool wider = w->width == 0 || w->width >= CONNECTIONS_WIDER;
        struct text cells[ELEMENTSOF(columns)] = {};
        int r = 0;

        connections_add_group(&cells[0], s->row, BY_CONNECTION);
        row_add(&cells[1], s->row, "{service.name}");
        connections_add_client(&cells[2], s->row);
        connections_add_server(&cells[3], s->row);
        text_add_size(&cells[4], (uint64_t) per_second(w, s->since.sent));
        text_add_size(&cells[5], (uint64_t) per_second(w, s->since.received));
        connections_add_rate(&cells[6], per_second(w, s->since.requests));
        traffic_add_latency(&cells[7], &s->since, 0.5);
        traffic_add_latency(&cells[8], &s->since, 0.99);
        add_sparkline(&cells[9], s, wider ? LOOKS_MAX : LOOKS_FEW);
        for (size_t i = 0; i < ELEMENTSOF(cells); i++) {
                if (r >= 0 && is_shown(w, i))
                        r = cells[i].failed ? -ENOMEM
                                            : table_add(t, text_string(&cells[i]), STYLE_NONE);
                text_clear(&cells[i]);
        }
        return r;
}

/* The busiest first, then those that are named. */
static int compare_traffic(const void *a, const void *b) {
        const struct seen *x = *(const struct seen *const *) a,
                          *y = *(const struct seen *const *) b;
        uint64_t p = x->since.sent + x->since.received, q = y->since.sent + y->since.received;

        return p != q ? (p > q ? -1 : 1) : compare_ids(x, y);
}

static size_t rows_that_fit(const struct watch *w) {
        size_t most = MIN((uint64_t) w->n, w->options->lines), lines = output_lines();

        return w->terminal && lines > ROWS_SPARE ? MIN(most, lines - ROWS_SPARE) : most;
}

static int show_table(struct watch *w, struct output *o) {
        const struct table_format format = {
                .columns = w->width,
                .colour = w->options->colour,
                .legend = w->options->legend,
        };
        _cleanup_free_ const struct seen **sorted = calloc(w->n + 1, sizeof(*sorted));
        _cleanup_(table_freep) struct table *t = NULL;
        struct table_column heads[ELEMENTSOF(columns)];
        size_t n = rows_that_fit(w), shown = 0;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                if (is_shown(w, i))
                        heads[shown++] = columns[i].table;
        r = sorted ? table_new(&t, heads, shown) : -ENOMEM;

        if (r < 0)
                return r;
        for (size_t i = 0; i < w->n; i++)
                sorted[i] = &w->seen[i];
        qsort(sorted, w->n, sizeof(*sorted), compare_traffic);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_row(w, t, sorted[i]);
        if (r < 0)
                return r;
        if (w->terminal)
                text_add(&o->text, "\x1b[H\x1b[J");
        table_print(t, &o->text, &format);
        if (w->options->legend)
                text_printf(&o->text, "\n%zu connection%s%s\n", w->n, w->n == 1 ? "" : "s",
                            n < w->n ? ", the busiest are shown" : "");
        if (!w->terminal)
                text_add(&o->text, "\n");
        return 0;
}

static int show(struct watch *w, struct output *o, struct json_object *rows) {
        if (w->options->json == JSON_OFF) {
                w->width = w->options->full ? 0 : output_columns();
                return show_table(w, o);
        }
        for (size_t i = 0; i < MIN((uint64_t) json_object_array_length(rows), w->options->lines);
             i++)
                output_row(o, json_object_array_get_idx(rows, i), w->options);
        return 0;
}

/* The loop --------------------------------------------------------------------------------------
 */

/* Waits for the next look. Returns whether there is to be one: nobody has pressed Ctrl-C. */
static bool wait_for_next(const struct watch *w) {
        uint64_t interval = (w->options->every ?: INTERVAL_USEC) * 1000, past = clock_now() - w->at;
        struct pollfd p = {.fd = w->signals, .events = POLLIN};
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
        output.interrupt_fd = w->signals;
        w->before = w->at;
        w->at = clock_now();
        if (take_all(w, rows) < 0 || show(w, &output, rows) < 0)
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

int connections_watch(sd_bus *bus, char **matches, size_t n, const struct options *options) {
        static const char enter[] = "\x1b[?1049h\x1b[?25l", leave[] = "\x1b[?25h\x1b[?1049l";
        struct watch w = {.options = options,
                          .terminal = isatty(STDOUT_FILENO) && options->json == JSON_OFF};
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGHUP);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        w.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (w.signals < 0) {
                complain("cannot wait for Ctrl-C: %s", strerror(errno));
                return EXIT_FAILURE;
        }
        if (w.terminal)
                (void) !write(STDOUT_FILENO, enter, strlen(enter));
        do
                r = look(&w, bus, matches, n);
        while (r == EXIT_SUCCESS && wait_for_next(&w));
        if (w.terminal)
                (void) !write(STDOUT_FILENO, leave, strlen(leave));
        free(w.seen);
        close(w.signals);
        return r == -EPIPE ? EXIT_SUCCESS : r;
}
