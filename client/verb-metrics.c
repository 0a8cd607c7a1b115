/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl metrics: what the daemon counts, for those who watch many machines. */

#include <errno.h>
#include <json.h>
#include <stdio.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "metrics.h"
#include "objects.h"
#include "output.h"
#include "util.h"
#include "value.h"

enum {
        SERIES_MAX = 200, /* of callers, the busiest: their names are made up by anybody */
};

#define LABELS(...) ((const struct label[]){__VA_ARGS__, {}})

/* The daemon itself ---------------------------------------------------------------------------- */

/* Entries of the status; those of one family are side by side. */
static const struct entry {
        const char *key, *family, *type, *unit, *label, *value, *help;
} entries[] = {
        {"degraded", "bpfmon_degraded", "gauge", NULL, NULL, NULL,
         "Whether a probe works without its best hook, or not at all."},
        {"probes.attached", "bpfmon_probes", "gauge", NULL, "state", "attached", "Probes."},
        {"probes.failed", "bpfmon_probes", "gauge", NULL, "state", "failed", NULL},
        {"events.lost", "bpfmon_lost", "counter", NULL, "where", "kernel",
         "Events that were lost."},
        {"window.lost", "bpfmon_lost", "counter", NULL, "where", "window", NULL},
        {"stream.lost", "bpfmon_lost", "counter", NULL, "where", "stream", NULL},
        {"history.lost", "bpfmon_lost", "counter", NULL, "where", "history", NULL},
        {"rules", "bpfmon_rules", "gauge", NULL, NULL, NULL, "Rules that are used."},
        {"alerts", "bpfmon_alerts", "counter", NULL, NULL, NULL, "Alerts that were told."},
        {"alerts.folded", "bpfmon_alerts_folded", "counter", NULL, NULL, NULL,
         "Alerts that were only counted."},
        {"subscriptions", "bpfmon_readers", "gauge", NULL, "kind", "subscription",
         "Who gets events now."},
        {"streams", "bpfmon_readers", "gauge", NULL, "kind", "stream", NULL},
        {"history.working", "bpfmon_history_working", "gauge", NULL, NULL, NULL,
         "Whether the history takes events."},
        {"history.stored", "bpfmon_history_events", "counter", NULL, NULL, NULL,
         "Events written to the history."},
        {"history.size", "bpfmon_history_size_bytes", "gauge", "bytes", NULL, NULL,
         "Size of the history."},
        {"memory.rss", "bpfmon_memory_bytes", "gauge", "bytes", NULL, NULL, "Memory in use."},
};

static void add_status(struct text *t, struct json_object *status) {
        const char *family = "";

        for (size_t i = 0; i < ELEMENTSOF(entries); i++) {
                const struct entry *e = &entries[i];
                struct json_object *value;

                if (!json_object_object_get_ex(status, e->key, &value))
                        continue;
                if (strcmp(family, e->family) != 0)
                        metrics_family(t, e->family, e->type, e->unit, e->help);
                family = e->family;
                const struct label labels[] = {{e->label, e->value}, {}};
                uint64_t number = json_object_is_type(value, json_type_boolean)
                                          ? (uint64_t) json_object_get_boolean(value)
                                          : json_object_get_uint64(value);
                metrics_number(t, e->family, e->type, labels, number);
        }
}

static const char *string_of(struct json_object *status, const char *key) {
        struct json_object *value;

        return json_object_object_get_ex(status, key, &value) ? json_object_get_string(value)
                                                              : NULL;
}

static void add_info(struct text *t, struct json_object *status) {
        struct json_object *since;

        metrics_family(t, "bpfmon_version", "gauge", NULL, "The daemon and its kernel.");
        metrics_number(t, "bpfmon_version", "gauge",
                       LABELS({"version", string_of(status, "version")},
                              {"kernel", string_of(status, "kernel")}),
                       1);
        if (!json_object_object_get_ex(status, "since", &since))
                return;
        metrics_family(t, "bpfmon_start_time_seconds", "gauge", "seconds",
                       "When the daemon began to count.");
        metrics_seconds(t, "bpfmon_start_time_seconds", "gauge", NULL,
                        json_object_get_uint64(since) * 1000);
}

/* Calls whose names begin with refused., by what is behind that. */
static void add_refusals(struct text *t, struct json_object *status) {
        metrics_family(t, "bpfmon_refused", "counter", NULL, "Calls of clients that were refused.");
        json_object_object_foreach(status, key, value) {
                if (strncmp(key, "refused.", strlen("refused.")) == 0)
                        metrics_number(t, "bpfmon_refused", "counter",
                                       LABELS({"why", key + strlen("refused.")}),
                                       json_object_get_uint64(value));
        }
}

/* Events, objects and callers ------------------------------------------------------------------ */

static void add_events(struct text *t, struct json_object *rows) {
        metrics_family(t, "bpfmon_events", "counter", NULL, "Events by kind and result.");
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);

                metrics_number(t, "bpfmon_events", "counter",
                               LABELS({"event", row_string(row, FIELD_EVENT)},
                                      {"class", row_string(row, FIELD_CLASS)},
                                      {"result", row_string(row, FIELD_RESULT)}),
                               row_number(row, FIELD_CALLS));
        }
}

/* What was summed up under a name, as an object of JSON. */
static void sum(struct json_object *sums, const char *key, uint64_t number) {
        struct json_object *before;
        uint64_t n = json_object_object_get_ex(sums, key, &before) ? json_object_get_uint64(before)
                                                                   : 0;

        json_object_object_add(sums, key, json_object_new_uint64(n + number));
}

static void add_objects(struct text *t, enum kind kind, struct json_object *rows) {
        static const enum field types[_KIND_MAX] = {
                [KIND_PROG] = FIELD_PROG_TYPE,
                [KIND_MAP] = FIELD_MAP_TYPE,
                [KIND_LINK] = FIELD_LINK_TYPE,
                [KIND_BTF] = _FIELD_MAX,
        };
        _cleanup_json_ struct json_object *sums = json_object_new_object();

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *type = types[kind] < _FIELD_MAX ? row_string(row, types[kind]) : NULL;

                sum(sums, type ? type : "", 1);
        }
        json_object_object_foreach(sums, type, number) {
                metrics_number(
                        t, "bpfmon_objects", "gauge",
                        LABELS({"kind", kind_info(kind)->name}, {"type", type[0] ? type : NULL}),
                        json_object_get_uint64(number));
        }
}

/* Programs for which the kernel has counted at least once. */
static void add_run(struct text *t, struct json_object *rows, const char *name, enum field field,
                    void (*add)(struct text *t, const char *name, const char *type,
                                const struct label *labels, uint64_t value)) {
        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                char id[24];

                if (row_number(row, FIELD_PROG_RUN_COUNT) == 0)
                        continue;
                snprintf(id, sizeof(id), "%ju", (uintmax_t) row_number(row, FIELD_PROG_ID));
                add(t, name, "counter",
                    LABELS({"id", id}, {"name", row_string(row, FIELD_PROG_NAME)},
                           {"type", row_string(row, FIELD_PROG_TYPE)}),
                    row_number(row, field));
        }
}

static void add_runs(struct text *t, struct json_object *rows) {
        metrics_family(t, "bpfmon_program_run_time_seconds", "counter", "seconds",
                       "Time that a program ran while statistics were on.");
        add_run(t, rows, "bpfmon_program_run_time_seconds", FIELD_PROG_RUN_TIME, metrics_seconds);
        metrics_family(t, "bpfmon_program_runs", "counter", NULL,
                       "How often a program ran while statistics were on.");
        add_run(t, rows, "bpfmon_program_runs", FIELD_PROG_RUN_COUNT, metrics_number);
}

static int by_calls(const void *a, const void *b) {
        uint64_t x = row_number(*(struct json_object *const *) a, FIELD_CALLS);
        uint64_t y = row_number(*(struct json_object *const *) b, FIELD_CALLS);

        return (x < y) - (x > y);
}

/* Sums of rows that have command and process alike, as "COMMAND\nPROCESS". */
static void add_calls(struct text *t, struct json_object *rows, const char *family,
                      enum field field) {
        _cleanup_json_ struct json_object *sums = json_object_new_object();
        size_t n = 0;

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *command = row_string(row, FIELD_BPF_CMD);
                const char *process = row_string(row, FIELD_PROCESS_NAME);
                char key[256];

                snprintf(key, sizeof(key), "%s\n%s", command ? command : "?",
                         process ? process : "(other)");
                if (n == SERIES_MAX && !json_object_object_get_ex(sums, key, NULL))
                        snprintf(key, sizeof(key), "%s\n(other)", command ? command : "?");
                else
                        n += !json_object_object_get_ex(sums, key, NULL);
                sum(sums, key, row_number(row, field));
        }
        json_object_object_foreach(sums, key, number) {
                const char *process = strchr(key, '\n') + 1;
                char command[64];

                snprintf(command, sizeof(command), "%.*s", (int) (process - key - 1), key);
                metrics_number(t, family, "counter",
                               LABELS({"command", command}, {"process", process}),
                               json_object_get_uint64(number));
        }
}

static void add_callers(struct text *t, struct json_object *rows) {
        json_object_array_sort(rows, by_calls);
        metrics_family(t, "bpfmon_calls", "counter", NULL, "Calls of bpf().");
        add_calls(t, rows, "bpfmon_calls", FIELD_CALLS);
        metrics_family(t, "bpfmon_call_errors", "counter", NULL, "Calls of bpf() that failed.");
        add_calls(t, rows, "bpfmon_call_errors", FIELD_ERRORS);
}

/* Asking --------------------------------------------------------------------------------------- */

/* What a method gives: a row, or rows. */
static int fetch(sd_bus *bus, const char *method, bool matches, bool rows,
                 const struct options *options, struct json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int status = matches ? bus_call_matches(bus, method, NULL, 0, options, &reply)
                             : bus_call(bus, method, options, &reply);

        if (status != EXIT_SUCCESS)
                return status;

        int r = rows ? bus_json_read_rows(reply, ret) : bus_json_read_row(reply, NULL, ret);
        return r <= 0 ? bus_complain(NULL, r < 0 ? r : -EBADMSG) : EXIT_SUCCESS;
}

static int add_daemon(sd_bus *bus, struct text *t, const struct options *options) {
        _cleanup_json_ struct json_object *status = NULL, *events = NULL;
        int r = fetch(bus, "GetStatus", false, false, options, &status);

        if (r == EXIT_SUCCESS)
                r = fetch(bus, "ListCounts", false, true, options, &events);
        if (r != EXIT_SUCCESS)
                return r;
        add_info(t, status);
        add_status(t, status);
        add_refusals(t, status);
        add_events(t, events);
        return r;
}

static int add_kernel(sd_bus *bus, struct text *t, const struct options *options) {
        _cleanup_json_ struct json_object *programs = NULL;

        metrics_family(t, "bpfmon_objects", "gauge", NULL, "What is in the kernel, by type.");
        for (enum kind kind = 0; kind < _KIND_MAX; kind++) {
                _cleanup_json_ struct json_object *rows = NULL;
                int r = objects_fetch(bus, kind, NULL, 0, options, NULL, &rows);

                if (r != EXIT_SUCCESS)
                        return r;
                add_objects(t, kind, rows);
                if (kind == KIND_PROG)
                        programs = json_object_get(rows);
        }
        add_runs(t, programs);
        return EXIT_SUCCESS;
}

static int add_bpf(sd_bus *bus, struct text *t, const struct options *options) {
        _cleanup_json_ struct json_object *rows = NULL;
        int r = fetch(bus, "ListCallers", true, true, options, &rows);

        if (r == EXIT_SUCCESS)
                add_callers(t, rows);
        return r;
}

int verb_metrics(char **arguments, size_t n, const struct options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        struct output output = OUTPUT_INIT;
        int r = bus_connect(&bus, options);

        if (r == EXIT_SUCCESS)
                r = add_daemon(bus, &output.text, options);
        if (r == EXIT_SUCCESS)
                r = add_kernel(bus, &output.text, options);
        if (r == EXIT_SUCCESS)
                r = add_bpf(bus, &output.text, options);
        if (r != EXIT_SUCCESS) {
                text_clear(&output.text);
                return r;
        }
        metrics_end(&output.text);
        return output_finish(&output);
}
