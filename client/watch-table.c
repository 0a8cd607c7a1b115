/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watch-table.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "connection-sums.h"
#include "rows.h"
#include "table.h"
#include "value.h"

enum {
        LOOKS_FEW = 8, /* in a line of bars on a terminal that has other things to show */
};

static void add_id(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        connections_add_group(t, r->row, BY_CONNECTION);
}

static void add_service(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        row_add(t, r->row, "{service.name}");
}

static void add_client(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        connections_add_client(t, r->row);
}

static void add_server(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        connections_add_server(t, r->row);
}

static void add_name(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        text_add(t, r->sum->name);
}

static void add_count(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        text_printf(t, "%llu", (unsigned long long) r->since->connections);
}

static void add_bytes(struct text *t, uint64_t n, const struct watch_view *v) {
        if (v->seconds > 0)
                text_add_size(t, traffic_rate(n, v->seconds));
}

static void add_sent(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        add_bytes(t, r->since->sent, v);
}

static void add_received(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        add_bytes(t, r->since->received, v);
}

static void add_rate(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        if (v->seconds > 0)
                connections_add_rate(t, (double) r->since->requests / v->seconds);
}

static void add_p50(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        traffic_add_latency(t, r->since, 0.5);
}

static void add_p99(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        traffic_add_latency(t, r->since, 0.99);
}

/* A bar for each of the last looks, as high as its p99 among all of them, by the logarithm. */
static void add_bars(struct text *t, const struct watch_row *r, const struct watch_view *v) {
        static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        const bool few = v->width > 0 && v->width < CONNECTIONS_WIDER;
        uint64_t least = UINT64_MAX;

        for (size_t i = 0; i < CONNECTION_LOOKS; i++)
                if (r->p99[i] > 0)
                        least = MIN(least, r->p99[i]);
        for (size_t i = few ? CONNECTION_LOOKS - LOOKS_FEW : 0; i < CONNECTION_LOOKS; i++) {
                uint64_t doublings = 0;

                if (r->p99[i] == 0) {
                        text_add(t, " ");
                        continue;
                }
                for (uint64_t n = r->p99[i]; n > least; n /= 2)
                        doublings++;
                text_add(t, bars[MIN(doublings, (uint64_t) ELEMENTSOF(bars) - 1)]);
        }
}

struct column {
        struct table_column table;
        void (*add)(struct text *t, const struct watch_row *r, const struct watch_view *v);
};

static const struct column columns[] = {
        {{"ID", .right = true, .spare = 4}, add_id},
        {{"SERVICE", .spare = 3}, add_service},
        {{"CLIENT", .least = 12}, add_client},
        {{"SERVER", .least = 12, .end = true}, add_server},
        {{"SENT/S", .right = true, .spare = 6}, add_sent},
        {{"RECEIVED/S", .right = true, .spare = 5}, add_received},
        {{"RATE/S", .right = true}, add_rate},
        {{"P50", .right = true, .spare = 2, .from = CONNECTIONS_WIDE}, add_p50},
        {{"P99", .right = true}, add_p99},
        {{"LATENCY", .spare = 1, .from = CONNECTIONS_WIDE}, add_bars},
};

/* The first is the name. */
static const struct column sum_columns[] = {
        {{"", .least = 12}, add_name},
        {{"CONNECTIONS", .right = true, .spare = 3}, add_count},
        {{"SENT/S", .right = true, .spare = 5}, add_sent},
        {{"RECEIVED/S", .right = true, .spare = 4}, add_received},
        {{"RATE/S", .right = true}, add_rate},
        {{"P50", .right = true, .spare = 2, .from = CONNECTIONS_WIDE}, add_p50},
        {{"P99", .right = true}, add_p99},
        {{"LATENCY", .spare = 1, .from = CONNECTIONS_WIDE}, add_bars},
};

static const struct column *columns_of(const struct watch_view *v, size_t *ret_n) {
        const bool sums = v->options->by != BY_CONNECTION;

        *ret_n = sums ? ELEMENTSOF(sum_columns) : ELEMENTSOF(columns);
        return sums ? sum_columns : columns;
}

/* Returns how many there are. */
static size_t fill_heads(struct table_column heads[static _FIELD_MAX], const struct watch_view *v) {
        size_t n;
        const struct column *all = columns_of(v, &n);

        if (v->options->n_fields > 0) {
                rows_field_columns(heads, v->options);
                return v->options->n_fields;
        }
        for (size_t i = 0; i < n; i++)
                heads[i] = all[i].table;
        if (all == sum_columns)
                heads[0].name = connection_sums_heading(v->options->by);
        return n;
}

static int add_row(struct table *t, const struct watch_row *row, const struct watch_view *v) {
        size_t n;
        const struct column *all = columns_of(v, &n);
        int r = 0;

        if (v->options->n_fields > 0)
                return rows_add_fields(t, row->row, v->options);
        for (size_t i = 0; i < n && r >= 0; i++) {
                _cleanup_text_ struct text cell = {};

                all[i].add(&cell, row, v);
                r = cell.failed ? -ENOMEM : table_add(t, text_string(&cell), STYLE_NONE);
        }
        return r;
}

static int compare(const void *a, const void *b) {
        const struct watch_row *x = a, *y = b;
        uint64_t p = x->since->sent + x->since->received, q = y->since->sent + y->since->received;

        if (p != q)
                return p > q ? -1 : 1;
        if (x->sum && y->sum)
                return strcmp(x->sum->name, y->sum->name);
        return x->id < y->id ? -1 : x->id > y->id;
}

void watch_rows_sort(struct watch_row *rows, size_t n) {
        if (n > 0)
                qsort(rows, n, sizeof(*rows), compare);
}

int watch_table_add(struct text *t, const struct watch_row *rows, size_t n,
                    const struct watch_view *view) {
        const struct table_format format = {
                .columns = view->width,
                .colour = view->options->colour,
                .legend = view->options->legend,
        };
        _cleanup_(table_freep) struct table *table = NULL;
        const size_t shown = MIN(n, view->lines);
        struct table_column heads[_FIELD_MAX];
        int r = table_new(&table, heads, fill_heads(heads, view));

        for (size_t i = 0; i < shown && r >= 0; i++)
                r = add_row(table, &rows[i], view);
        if (r < 0)
                return r;
        table_print(table, t, &format);
        if (view->options->legend)
                text_printf(t, "\n%zu %s%s\n", n, connection_sums_noun(view->options->by, n),
                            shown < n ? ", the busiest are shown" : "");
        return 0;
}
