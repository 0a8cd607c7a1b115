/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* top --batch: plain rows, look for look. */

#include <inttypes.h>
#include <json.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "ending.h"
#include "match.h"
#include "objects.h"
#include "output.h"
#include "rows.h"
#include "top-model.h"
#include "value.h"
#include "verb-top.h"

static const struct table_column columns[] = {
        {"ID", .right = true},     {"NAME", .least = 8},       {"TYPE", .least = 6},
        {"CPU %", .right = true},  {"RUNS/S", .right = true},  {"AVERAGE", .right = true},
        {"MEMORY", .right = true}, {"BROUGHT BY", .least = 8},
};

static int add_row(struct table *t, struct json_object *row, _unused_ const void *userdata) {
        const uint64_t time = row_number(row, FIELD_PROG_TIME_RATE);
        const uint64_t runs = row_number(row, FIELD_PROG_RUN_RATE);
        _cleanup_text_ struct text cpu = {}, average = {};
        int r;

        text_printf(&cpu, "%.2f", (double) time / 1e7);
        if (runs > 0)
                text_add_duration(&average, time / runs);
        r = rows_add(t, row, "<{prog.id}>", STYLE_NONE);
        if (r >= 0)
                r = rows_add(t, row, "<{prog.name}>", STYLE_BOLD);
        if (r >= 0)
                r = rows_add(t, row, "<{prog.type}>", STYLE_NONE);
        if (r >= 0)
                r = table_add(t, text_string(&cpu), STYLE_NONE);
        if (r >= 0)
                r = rows_add(t, row, "<{prog.run_rate}>", STYLE_NONE);
        if (r >= 0)
                r = table_add(t, text_string(&average), STYLE_NONE);
        if (r >= 0)
                r = rows_add(t, row, "<{memory}>", STYLE_NONE);
        if (r >= 0)
                r = rows_add(t, row, "<{loaded_by.name}><[{loaded_by.pid}]>", STYLE_NONE);
        return r;
}

static int print(struct top_model *m, const struct options *options) {
        static const struct rows_view view = {columns, ELEMENTSOF(columns), add_row, "program",
                                              "programs"};
        _cleanup_json_ struct json_object *rows = json_object_new_array();
        struct options each = *options;
        size_t n;
        const struct top_program *const *programs = top_model_view(m, &n);

        for (size_t i = 0; rows && i < n; i++)
                json_object_array_add(rows, json_object_get(programs[i]->row));
        if (!rows)
                return bus_complain(NULL, -ENOMEM);

        each.pager = false;
        each.lines = UINT64_MAX;
        return rows_print(rows, &view, &each);
}

static int look(sd_bus *bus, struct top_model *m, const struct field_set *only,
                const struct options *options) {
        _cleanup_json_ struct json_object *rows = NULL;
        int status = objects_fetch(bus, KIND_PROG, NULL, 0, options, only, &rows);

        if (status != EXIT_SUCCESS)
                return status;
        int r = top_model_update(m, rows, clock_now());
        return r < 0 ? bus_complain(NULL, r) : EXIT_SUCCESS;
}

static void tell_sum(uint64_t looks, uint64_t began) {
        char counted[40];

        snprintf(counted, sizeof(counted), "%" PRIu64 " look%s", looks, looks == 1 ? "" : "s");
        ending_tell(began, counted);
}

/* The first look is one to count from. Nobody reads any more: the next write ends it. */
static int run(sd_bus *bus, struct top_model *m, const struct field_set *only,
               const struct options *o) {
        const uint64_t interval = o->interval > 0 ? o->interval : 1000000, began = clock_now();
        const struct timespec pause = {.tv_sec = (time_t) (interval / 1000000),
                                       .tv_nsec = (long) (interval % 1000000 * 1000)};
        struct pollfd ending = {.fd = ending_watch(), .events = POLLIN};
        int status = ending.fd < 0 ? bus_complain(NULL, ending.fd) : look(bus, m, only, o);
        uint64_t looks = 0;

        while (looks < o->lines && status == EXIT_SUCCESS && !output_closed()) {
                (void) ppoll(&ending, 1, &pause, NULL);
                if (!ending_came())
                        status = look(bus, m, only, o);
                if (ending_came())
                        break;
                if (status == EXIT_SUCCESS && looks > 0 && o->json == JSON_OFF && o->legend)
                        (void) !write(STDOUT_FILENO, "\n", 1);
                if (status == EXIT_SUCCESS)
                        status = print(m, o);
                looks++;
        }
        if (!ending_came() || (status != EXIT_SUCCESS && status != EXIT_ENDED))
                return status;
        tell_sum(looks, began);
        return EXIT_SUCCESS;
}

int top_batch(sd_bus *bus, char **matches, size_t n, const struct options *options) {
        struct match *filter = NULL;
        struct top_model *m = NULL;
        struct field_set only = {};

        int r = match_new(&filter, (const char *const *) matches, n, NULL);
        if (r >= 0)
                r = top_model_new(&m);
        if (r < 0) {
                match_free(filter);
                return bus_complain(NULL, r);
        }
        top_model_filter(m, filter);
        top_model_sort(m, (enum top_key) options->sort, options->reverse);
        top_fields(&only, matches, n);
        int status = run(bus, m, &only, options);
        top_model_free(m);
        return status;
}
