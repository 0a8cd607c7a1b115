/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connections.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "value.h"

enum {
        SEC_NS = 1000000000,
        MEASURED_NS = SEC_NS, /* what a rate takes at least */
};

static const enum field listed[] = {
        FIELD_CONNECTION_ID,
        FIELD_SERVICE_NAME,
        FIELD_NETWORK_TRANSPORT,
        FIELD_SOURCE_ADDRESS,
        FIELD_SOURCE_PORT,
        FIELD_DESTINATION_ADDRESS,
        FIELD_DESTINATION_PORT,
        FIELD_PROCESS_PID,
        FIELD_PROCESS_NAME,
        FIELD_UNIT,
        FIELD_DESTINATION_PROCESS_PID,
        FIELD_DESTINATION_PROCESS_NAME,
        FIELD_BYTES_SENT,
        FIELD_BYTES_RECEIVED,
        FIELD_CONNECTION_REQUESTS,
        FIELD_CONNECTION_LATENCY,
        FIELD_CONNECTION_LATENCY_MAX,
        FIELD_CONNECTION_HISTOGRAM,
        FIELD_CONNECTION_DURATION,
        FIELD_EXISTED,
};

int connections_fetch(sd_bus *bus, char **matches, size_t n, const struct options *options,
                      bool whole, struct json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char **all = calloc(n + 1, sizeof(*all));
        _cleanup_free_ char *service = NULL;
        struct field_set only = {};
        const struct bus_options more = {.only = whole ? NULL : &only};
        int r;

        if (!all ||
            (options->service && asprintf(&service, "service.name=%s", options->service) < 0))
                return bus_complain(NULL, -ENOMEM);
        if (n > 0)
                memcpy(all, matches, n * sizeof(*all));
        if (service)
                all[n++] = service;
        for (size_t i = 0; i < ELEMENTSOF(listed); i++)
                field_set_add(&only, listed[i]);

        r = bus_call_options(bus, "ListConnections", all, n, options, &more, &reply);
        if (r != EXIT_SUCCESS)
                return r;
        r = bus_json_read_rows(reply, ret);
        return r > 0 ? EXIT_SUCCESS : bus_complain(NULL, r < 0 ? r : -EBADMSG);
}

/* How long they have been measured, ns: UINT64_MAX where the daemon does not tell. */
static uint64_t measured_for(struct json_object *status) {
        struct json_object *value;

        if (json_object_object_get_ex(status, "connections.duration", &value))
                return json_object_get_uint64(value);
        /* There is no room for connections while none are measured. */
        return json_object_object_get_ex(status, "connections.max", &value) &&
                               json_object_get_uint64(value) == 0
                       ? 0
                       : UINT64_MAX;
}

/* Has them measured, as a list does, also one of none: where that takes a password, by one of the
 * user's own. */
static int begin_to_measure(sd_bus *bus, const struct options *options, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char *none[] = {(char *) "connection.id=0"};
        int r = bus_ask(bus, "ListConnections", none, 1, options->scope, error, &reply);

        if (r >= 0 || !bus_error_wants_password(error, options))
                return r;
        sd_bus_error_free(error);
        return bus_ask(bus, "ListConnections", none, 1, "own", error, &reply);
}

int connections_measure(sd_bus *bus, const struct options *options) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_json_ struct json_object *status = NULL;
        uint64_t past = UINT64_MAX;
        int r = bus_ask(bus, "GetStatus", NULL, 0, NULL, &error, &reply);

        if (r >= 0 && bus_json_read_row(reply, NULL, &status) > 0)
                past = measured_for(status);
        if (r >= 0 && past < MEASURED_NS)
                r = begin_to_measure(bus, options, &error);
        if (r < 0 && bus_error_no_answer(&error, r))
                return bus_complain(&error, r);
        /* What else is wrong, the list that is asked for tells. */
        if (r < 0 || past >= MEASURED_NS)
                return EXIT_SUCCESS;
        const uint64_t missing = MEASURED_NS - past;
        const struct timespec pause = {.tv_sec = (time_t) (missing / SEC_NS),
                                       .tv_nsec = (long) (missing % SEC_NS)};

        (void) nanosleep(&pause, NULL);
        return EXIT_SUCCESS;
}

bool connections_is_picked_up(struct json_object *row) {
        return json_object_get_boolean(row_get(row, FIELD_EXISTED)) &&
               row_number(row, FIELD_CONNECTION_DURATION) < MEASURED_NS / 2;
}

/* Sums ------------------------------------------------------------------------------------------
 */

struct traffic traffic_of(struct json_object *row) {
        struct json_object *histogram = row_get(row, FIELD_CONNECTION_HISTOGRAM);
        struct traffic t = {
                .connections = 1,
                .sent = row_number(row, FIELD_BYTES_SENT),
                .received = row_number(row, FIELD_BYTES_RECEIVED),
                .requests = row_number(row, FIELD_CONNECTION_REQUESTS),
                .latency_max = row_number(row, FIELD_CONNECTION_LATENCY_MAX),
                .age = row_number(row, FIELD_CONNECTION_DURATION),
        };
        size_t n = json_object_is_type(histogram, json_type_array)
                           ? json_object_array_length(histogram)
                           : 0;

        t.latency = row_number(row, FIELD_CONNECTION_LATENCY) * t.requests;
        for (size_t i = 0; i < MIN(n, (size_t) LATENCY_BUCKETS); i++)
                t.histogram[i] = (uint32_t) json_object_get_int64(
                        json_object_array_get_idx(histogram, i));
        return t;
}

void traffic_add(struct traffic *sum, const struct traffic *other) {
        sum->connections += other->connections;
        sum->sent += other->sent;
        sum->received += other->received;
        sum->requests += other->requests;
        sum->latency += other->latency;
        sum->latency_max = MAX(sum->latency_max, other->latency_max);
        sum->age = MAX(sum->age, other->age);
        for (size_t i = 0; i < LATENCY_BUCKETS; i++)
                sum->histogram[i] += other->histogram[i];
}

static uint64_t less(uint64_t now, uint64_t before) {
        return now > before ? now - before : 0;
}

struct traffic traffic_since(const struct traffic *now, const struct traffic *before) {
        struct traffic t = *now;

        t.sent = less(now->sent, before->sent);
        t.received = less(now->received, before->received);
        t.requests = less(now->requests, before->requests);
        t.latency = less(now->latency, before->latency);
        for (size_t i = 0; i < LATENCY_BUCKETS; i++)
                t.histogram[i] = (uint32_t) less(now->histogram[i], before->histogram[i]);
        return t;
}

uint64_t traffic_latency(const struct traffic *traffic, double part) {
        return traffic->requests > 0 ? latency_quantile(traffic->histogram, LATENCY_BUCKETS, part,
                                                        traffic->latency_max)
                                     : 0;
}

uint64_t traffic_rate(uint64_t n, double seconds) {
        const double rate = (double) n / seconds + 0.5;

        return rate < (double) UINT64_MAX ? (uint64_t) rate : UINT64_MAX;
}

/* Cells -----------------------------------------------------------------------------------------
 */

void traffic_add_latency(struct text *t, const struct traffic *traffic, double part) {
        if (traffic->requests > 0)
                text_add_duration(t, traffic_latency(traffic, part));
}

void connections_add_rate(struct text *t, double rate) {
        if (rate >= 9.95 || rate == 0)
                text_printf(t, "%.0f", rate);
        else
                text_printf(t, "%.1f", rate);
}

void connections_add_client(struct text *t, struct json_object *row) {
        row_add(t, row, "<{process.name}[{process.pid}]|{source.address}:{source.port}>");
}

void connections_add_server(struct text *t, struct json_object *row) {
        row_add(t, row, "<{destination.process.name}[{destination.process.pid}] >");
        row_add(t, row, "<{destination.address}><:{destination.port}>");
}

void connections_add_group(struct text *t, struct json_object *row, enum connections_by by) {
        static const char *const templates[] = {
                [BY_CONNECTION] = "{connection.id}",
                [BY_SERVICE] =
                        "<{service.name}|{destination.address}:{destination.port}|{destination.address}>",
                [BY_CLIENT] = "<{process.name}|{source.address}>",
                [BY_UNIT] = "<{unit}|{process.name}|{source.address}>",
        };

        row_add(t, row, templates[by]);
}
