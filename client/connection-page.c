/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl show connection: one connection as a page, with its latencies as a picture. */

#include <inttypes.h>
#include <json.h>
#include <stdlib.h>

#include "bus-json.h"
#include "client.h"
#include "connections.h"
#include "output.h"
#include "value.h"

enum {
        LABEL_WIDTH = 10,
        BAR_WIDTH = 50,
};

/* What a line is for. */
enum which {
        ANY,
        WHOLE, /* connections that were measured from their beginning */
        PART,  /* those that were open before */
};

/* Lines with a label, left out where nothing of them is known. */
static const struct {
        const char *label, *template;
        enum which which;
} lines[] = {
        {"Service", "{service.name}"},
        {"Client", "<{process.name}[{process.pid}] ><{source.address}:{source.port}>"},
        {"", "{process.executable}"},
        {"", "<user {user.name}|user {user.id}><, {unit}><, container {container.id}>"},
        {"Server",
         "<{destination.process.name}[{destination.process.pid}] ><{destination.address}:{destination.port}|{destination.address}>"},
        {"", "{destination.process.executable}"},
        {"",
         "<user {destination.user.name}|user {destination.user.id}><, {destination.unit}><, container {destination.container.id}>"},
        {"Transport", "<{network.transport}>"},
        {"Opened", "{connection.start}", WHOLE},
        {"Opened", "<before {connection.start}>", PART},
        {"Open for", "<{connection.duration}><, silent for {connection.idle}>", WHOLE},
        {"Measured", "<for {connection.duration}><, silent for {connection.idle}>", PART},
        {"Sent", "<{bytes.sent}><, {connection.sends} calls>"},
        {"Received", "<{bytes.received}><, {connection.receives} calls>"},
        {"Round trip", "<{tcp.rtt}><, {tcp.retransmits} segments sent again>"},
        {"Requests", "<{connection.requests}><, measured at the {connection.side}>"},
        {"Latency",
         "<mean {connection.latency}><, half below {connection.latency.p50}><, 99 % below {connection.latency.p99}><, longest {connection.latency.max}>"},
};

static void add_label(struct text *t, const char *label) {
        text_add_char(t, ' ', LABEL_WIDTH - MIN(text_width(label), (size_t) LABEL_WIDTH));
        text_add(t, label);
        text_add(t, label[0] ? ": " : "  ");
}

static void add_lines(struct text *t, struct json_object *row) {
        const bool existed = json_object_get_boolean(row_get(row, FIELD_EXISTED));

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_text_ struct text line = {};

                if (lines[i].which != ANY && lines[i].which != (existed ? PART : WHOLE))
                        continue;
                row_add(&line, row, lines[i].template);
                t->failed = t->failed || line.failed;
                if (line.n == 0)
                        continue;
                add_label(t, lines[i].label);
                text_add(t, text_string(&line));
                text_add_char(t, '\n', 1);
        }
}

/* In eighths of a column. */
static void add_bar(struct text *t, uint64_t n, uint64_t most) {
        static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
        uint64_t eighths = n * BAR_WIDTH * 8 / most;

        for (uint64_t i = 0; i < eighths / 8; i++)
                text_add(t, "█");
        text_add(t, eighths == 0 ? "▏" : parts[eighths % 8]);
}

/* From the first bucket that has some to the last. */
static void add_histogram(struct text *t, const struct traffic *traffic,
                          const struct options *options) {
        size_t first = LATENCY_BUCKETS, last = 0;
        uint32_t most = 0;

        for (size_t i = 0; i < LATENCY_BUCKETS; i++)
                if (traffic->histogram[i] > 0) {
                        first = MIN(first, i);
                        last = i;
                        most = MAX(most, traffic->histogram[i]);
                }
        if (most == 0)
                return;
        if (options->legend)
                text_add(t, "\n       FROM         TO   REQUESTS\n");
        else
                text_add(t, "\n");
        for (size_t i = first; i <= last; i++) {
                const uint64_t ends[] = {latency_from(i), latency_from(i + 1)};

                for (size_t j = 0; j < ELEMENTSOF(ends); j++) {
                        _cleanup_text_ struct text cell = {};

                        text_add_duration(&cell, ends[j]);
                        text_add_char(t, ' ',
                                      11 - MIN(text_width(text_string(&cell)), (size_t) 11));
                        text_add(t, text_string(&cell));
                }
                text_printf(t, " %10" PRIu32, traffic->histogram[i]);
                if (traffic->histogram[i] > 0) {
                        text_add(t, "  ");
                        add_bar(t, traffic->histogram[i], most);
                }
                text_add_char(t, '\n', 1);
        }
}

int connection_show(sd_bus *bus, uint64_t id, const struct options *options) {
        _cleanup_json_ struct json_object *rows = NULL;
        struct output output = OUTPUT_INIT;
        struct json_object *row;
        struct traffic traffic;
        char match[48];
        int r;

        snprintf(match, sizeof(match), "connection.id=%" PRIu64, id);
        r = connections_fetch(bus, (char *[]){match}, 1, options, true, &rows);
        if (r != EXIT_SUCCESS)
                return r;
        if (json_object_array_length(rows) == 0) {
                complain("there is no connection %" PRIu64 " now; bpfmonctl connections lists them",
                         id);
                return EXIT_FAILURE;
        }
        row = json_object_array_get_idx(rows, 0);
        traffic = traffic_of(row);
        if (options->json != JSON_OFF) {
                output_row(&output, row, options);
        } else {
                add_lines(&output.text, row);
                add_histogram(&output.text, &traffic, options);
        }
        output_start_pager(&output, options);
        return output_finish(&output);
}
