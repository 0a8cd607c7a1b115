/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl connections: who is connected to whom, what passes, and how long answers take. */

#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "connection-sums.h"
#include "connections.h"
#include "output.h"
#include "rows.h"
#include "services.h"
#include "value.h"

static int add_cell(struct table *t, const struct text *cell, enum style style) {
        return cell->failed ? -ENOMEM : table_add(t, text_string(cell), style);
}

/* Each takes what it shows from a row, or a sum of rows. */
struct source {
        struct json_object *row;
        const struct traffic *traffic;
};

static void add_id(struct text *t, const struct source *s) {
        connections_add_group(t, s->row, BY_CONNECTION);
}

static void add_service(struct text *t, const struct source *s) {
        row_add(t, s->row, "{service.name}");
}

static void add_client(struct text *t, const struct source *s) {
        connections_add_client(t, s->row);
}

static void add_server(struct text *t, const struct source *s) {
        connections_add_server(t, s->row);
}

static void add_count(struct text *t, const struct source *s) {
        text_printf(t, "%llu", (unsigned long long) s->traffic->connections);
}

static void add_sent(struct text *t, const struct source *s) {
        text_add_size(t, s->traffic->sent);
}

static void add_received(struct text *t, const struct source *s) {
        text_add_size(t, s->traffic->received);
}

static void add_requests(struct text *t, const struct source *s) {
        text_printf(t, "%llu", (unsigned long long) s->traffic->requests);
}

/* What one that has just begun did in some milliseconds says nothing of a second. */
static void add_rate(struct text *t, const struct source *s) {
        const uint64_t over = MAX(s->traffic->age, UINT64_C(1000000000));

        if (s->traffic->age > 0 && !(s->row && connections_is_picked_up(s->row)))
                connections_add_rate(t, (double) s->traffic->requests * 1e9 / (double) over);
}

static void add_p50(struct text *t, const struct source *s) {
        traffic_add_latency(t, s->traffic, 0.5);
}

static void add_p99(struct text *t, const struct source *s) {
        traffic_add_latency(t, s->traffic, 0.99);
}

/* Of one that was there before, it is not known. */
static void add_age(struct text *t, const struct source *s) {
        if (json_object_get_boolean(row_get(s->row, FIELD_EXISTED)))
                text_add(t, ">");
        text_add_duration(t, s->traffic->age);
}

struct column {
        struct table_column table;
        void (*add)(struct text *t, const struct source *s);
};

static const struct column columns[] = {
        {{"ID", .right = true, .spare = 5}, add_id},
        {{"SERVICE", .spare = 4}, add_service},
        {{"CLIENT", .least = 12}, add_client},
        {{"SERVER", .least = 12, .end = true}, add_server},
        {{"SENT", .right = true, .spare = 7}, add_sent},
        {{"RECEIVED", .right = true, .spare = 6}, add_received},
        {{"REQUESTS", .right = true, .spare = 1, .from = CONNECTIONS_WIDER}, add_requests},
        {{"RATE/S", .right = true}, add_rate},
        {{"P50", .right = true, .spare = 3, .from = CONNECTIONS_WIDE}, add_p50},
        {{"P99", .right = true}, add_p99},
        {{"AGE", .right = true, .spare = 2, .from = CONNECTIONS_WIDE}, add_age},
};

/* Of sums, the first is the name. */
static const struct column sum_columns[] = {
        {{"CONNECTIONS", .right = true, .spare = 3}, add_count},
        {{"SENT", .right = true, .spare = 5}, add_sent},
        {{"RECEIVED", .right = true, .spare = 4}, add_received},
        {{"REQUESTS", .right = true, .spare = 2}, add_requests},
        {{"RATE/S", .right = true}, add_rate},
        {{"P50", .right = true, .spare = 1}, add_p50},
        {{"P99", .right = true}, add_p99},
};

static int add_cells(struct table *t, const struct column *all, size_t n, const struct source *s) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                _cleanup_text_ struct text cell = {};

                all[i].add(&cell, s);
                r = add_cell(t, &cell, STYLE_NONE);
        }
        return r;
}

static int add_connection(struct table *t, struct json_object *row, const void *userdata) {
        const struct traffic traffic = traffic_of(row);

        return add_cells(t, columns, ELEMENTSOF(columns), &(struct source){row, &traffic});
}

/* The busiest first. */
static int compare(const void *a, const void *b) {
        const struct traffic x = traffic_of(*(struct json_object *const *) a),
                             y = traffic_of(*(struct json_object *const *) b);
        uint64_t p = x.sent + x.received, q = y.sent + y.received;

        return p != q ? (p > q ? -1 : 1) : (x.age > y.age ? -1 : x.age < y.age);
}

/* Sums ------------------------------------------------------------------------------------------
 */

static int compare_traffic(const void *a, const void *b) {
        const struct traffic *x = &((const struct connection_sum *) a)->traffic,
                             *y = &((const struct connection_sum *) b)->traffic;
        uint64_t p = x->sent + x->received, q = y->sent + y->received;

        return p > q ? -1 : p < q;
}

static int sum_up(struct connection_sums *s, struct json_object *rows, enum connections_by by) {
        const size_t n = json_object_array_length(rows);
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const struct traffic traffic = traffic_of(row);

                r = connection_sums_add(s, row, by, &traffic, NULL);
        }
        connection_sums_fold(s);
        if (s->n > 0)
                qsort(s->items, s->n, sizeof(*s->items), compare_traffic);
        return r;
}

static int add_sums(struct output *o, const struct connection_sums *s,
                    const struct options *options) {
        struct table_column heads[ELEMENTSOF(sum_columns) + 1] = {
                {connection_sums_heading(options->by), .least = 12}};
        const struct table_format format = {
                .columns = options->full ? 0 : output_columns(),
                .colour = options->colour,
                .legend = options->legend,
        };
        _cleanup_(table_freep) struct table *t = NULL;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(sum_columns); i++)
                heads[i + 1] = sum_columns[i].table;
        r = table_new(&t, heads, ELEMENTSOF(heads));
        for (size_t i = 0; r >= 0 && i < MIN(s->n, options->lines); i++) {
                r = table_add(t, s->items[i].name, STYLE_NONE);
                if (r >= 0)
                        r = add_cells(t, sum_columns, ELEMENTSOF(sum_columns),
                                      &(struct source){NULL, &s->items[i].traffic});
        }
        if (r < 0)
                return r;
        table_print(t, &o->text, &format);
        if (options->legend)
                rows_add_count(&o->text, MIN(s->n, options->lines), s->n,
                               connection_sums_noun(options->by, 1),
                               connection_sums_noun(options->by, 2));
        return 0;
}

static int print_sums(struct json_object *rows, const struct options *options) {
        _cleanup_(connection_sums_done) struct connection_sums s = {};
        struct output output = OUTPUT_INIT;
        int r = sum_up(&s, rows, options->by);

        if (r >= 0 && options->json == JSON_OFF)
                r = add_sums(&output, &s, options);
        for (size_t i = 0; r >= 0 && options->json != JSON_OFF && i < MIN(s.n, options->lines);
             i++) {
                _cleanup_json_ struct json_object *o = connection_sum_json(&s.items[i], options->by,
                                                                           0);

                if (o)
                        output_json(&output, o, options);
                else
                        r = -ENOMEM;
        }
        if (r < 0)
                output.text.failed = true;
        output_start_pager(&output, options);
        return output_finish(&output);
}

/* Whether they are asked for: they are the requests by how long these were counted. */
static bool wants_rates(const struct options *options) {
        bool requests = false, duration = false;

        for (size_t i = 0; i < options->n_fields; i++) {
                requests = requests || options->fields[i] == FIELD_CONNECTION_REQUESTS;
                duration = duration || options->fields[i] == FIELD_CONNECTION_DURATION;
        }
        return options->by != BY_CONNECTION || options->n_fields == 0 || (requests && duration);
}

/* The verb --------------------------------------------------------------------------------------
 */

int verb_connections(char **arguments, size_t n, const struct options *options) {
        struct table_column heads[ELEMENTSOF(columns)];
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_json_ struct json_object *rows = NULL;
        /* Sums are made of those that lists show. */
        bool whole = options->by == BY_CONNECTION &&
                     (options->n_fields > 0 || options->json != JSON_OFF);
        int r;

        if (options->n_fields > 0 && options->by != BY_CONNECTION) {
                complain("--fields are of connections, and --by shows sums of them: leave one out");
                return EXIT_USAGE;
        }
        if (options->service && strcmp(options->service, "help") == 0)
                return services_list(options);
        r = bus_check_matches(arguments, n);
        if (r == EXIT_SUCCESS)
                r = bus_connect(&bus, options);
        if (r == EXIT_SUCCESS)
                r = services_check(bus, arguments, n, options);
        if (r == EXIT_SUCCESS && options->watch)
                return connections_watch(bus, arguments, n, options);
        if (r == EXIT_SUCCESS && wants_rates(options))
                r = connections_measure(bus, options);
        if (r == EXIT_SUCCESS)
                r = connections_fetch(bus, arguments, n, options, whole, &rows);
        if (r != EXIT_SUCCESS)
                return r;
        if (options->by != BY_CONNECTION)
                return print_sums(rows, options);
        json_object_array_sort(rows, compare);
        for (size_t i = 0; i < ELEMENTSOF(columns); i++)
                heads[i] = columns[i].table;
        return rows_print(rows,
                          &(struct rows_view){heads, ELEMENTSOF(columns), add_connection,
                                              "connection", "connections"},
                          options);
}
