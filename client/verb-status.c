/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl status: is it running, since when, what did it see and lose. */

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "output.h"
#include "value.h"

enum {
        INDENT = 4,
};

static const char refused[] = "refused.";

/* How a value of the status is shown. */
static void add_plain(struct text *t, struct json_object *value) {
        value_add(t, -1, value);
}

static void add_size(struct text *t, struct json_object *value) {
        text_add_size(t, json_object_get_uint64(value));
}

static void add_duration(struct text *t, struct json_object *value) {
        text_add_duration(t, json_object_get_uint64(value));
}

/* "Sun 2026-11-22 14:03:07 UTC; 2 h 5 min ago" */
static void add_since(struct text *t, struct json_object *value) {
        uint64_t since = json_object_get_uint64(value);

        text_add_date(t, since);
        uint64_t us = clock_usec(CLOCK_REALTIME);
        if (us < since)
                return;
        text_add(t, "; ");
        text_add_duration(t, (us - since) / 1000000 * 1000000000);
        text_add(t, " ago");
}

static void add_degraded(struct text *t, struct json_object *value) {
        text_add(t, json_object_get_boolean(value) ? "yes, see bpfmonctl probes" : "no");
}

static void add_yes(struct text *t, struct json_object *value) {
        text_add(t, json_object_get_boolean(value) ? "yes" : "no, see the log");
}

/* There is no room for connections while none are measured. */
static void add_most(struct text *t, struct json_object *value) {
        if (json_object_get_boolean(value))
                add_plain(t, value);
        else
                text_add(t, "none, as nobody asks");
}

/* The keys that need more than their own name and value. */
static const struct label {
        const char *key, *label;
        void (*add)(struct text *t, struct json_object *value);
        bool alarm; /* stands out where it is neither 0 nor false */
} labels[] = {
        {"since", "Since", add_since},
        {"degraded", "Degraded", add_degraded, true},
        {"probes.failed", "Probes failed", add_plain, true},
        {"events.lost", "Events lost", add_plain, true},
        {"records.bad", "Records that do not parse", add_plain, true},
        {"subscriptions.max", "Subscriptions at most", add_plain},
        {"window.lost", "Lost at windows", add_plain, true},
        {"streams.max", "Streams at most", add_plain},
        {"stream.lost", "Lost at streams", add_plain, true},
        {"statistics", "Run times are counted", add_plain},
        {"statistics.users", "Run times asked for by", add_plain},
        {"log.dropped", "Messages not logged", add_plain, true},
        {"memory.rss", "Memory", add_size},
        {"connections", "Connections measured", add_plain},
        {"connections.max", "Connections at most", add_most},
        {"connections.evicted", "Connections pushed out", add_plain, true},
        {"connections.readers", "Connections asked for by", add_plain},
        {"connections.duration", "Connections measured for", add_duration},
        {"alerts.folded", "Alerts not told one by one", add_plain},
        {"history.working", "History is written", add_yes},
        {"history.stored", "Events stored", add_plain},
        {"history.lost", "Events not stored", add_plain, true},
        {"history.size", "History", add_size},
};

static const struct label *find_label(const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(labels); i++)
                if (strcmp(labels[i].key, key) == 0)
                        return &labels[i];

        return NULL;
}

/* "store_lost" and "store.lost" become "Store lost". */
static void add_key(struct text *t, const char *key) {
        size_t start = t->n;

        text_add_escaped(t, key);
        for (size_t i = start; i < t->n; i++)
                if (t->data[i] == '_' || t->data[i] == '.')
                        t->data[i] = ' ';
        if (t->n > start && t->data[start] >= 'a' && t->data[start] <= 'z')
                t->data[start] = (char) (t->data[start] - 'a' + 'A');
}

static void add_label(struct text *t, const char *key) {
        const struct label *label = find_label(key);

        if (label)
                text_add(t, label->label);
        else
                add_key(t, key);
}

/* There is a counter for each limit, and most were never met. */
static bool is_silent(const char *key, struct json_object *value, const struct options *options) {
        return strncmp(key, refused, strlen(refused)) == 0 && !json_object_get_boolean(value) &&
               !options->full;
}

static size_t widest_label(struct json_object *status, const struct options *options) {
        size_t widest = 0;

        json_object_object_foreach(status, key, value) {
                _cleanup_text_ struct text label = {};

                if (is_silent(key, value, options))
                        continue;
                add_label(&label, key);
                widest = MAX(widest, text_width(text_string(&label)));
        }

        return widest;
}

static void add_row(struct text *t, const char *key, struct json_object *value, size_t width,
                    bool colour) {
        const struct label *label = find_label(key);
        _cleanup_text_ struct text name = {}, shown = {};

        add_label(&name, key);
        (label ? label->add : add_plain)(&shown, value);
        bool alarm = label && label->alarm && json_object_get_boolean(value);

        text_add_char(t, ' ', width - text_width(text_string(&name)));
        text_add(t, text_string(&name));
        text_add(t, ": ");
        text_add_styled(t, text_string(&shown), SIZE_MAX, alarm ? STYLE_YELLOW : STYLE_NONE,
                        colour);
        text_add_char(t, '\n', 1);
        t->failed = t->failed || name.failed || shown.failed;
}

static void add_status(struct text *t, struct json_object *status, const struct options *options) {
        size_t width = widest_label(status, options) + INDENT;
        bool told = false;

        text_add_styled(t, "●", SIZE_MAX, STYLE_GREEN, options->colour);
        text_add(t, " bpfmond is running\n");

        json_object_object_foreach(status, key, value) {
                if (is_silent(key, value, options))
                        continue;
                add_row(t, key, value, width, options->colour);
                told = told || strncmp(key, refused, strlen(refused)) == 0;
        }
        if (!told) {
                text_add_char(t, ' ', width - strlen("Refused"));
                text_add(t, "Refused: nothing\n");
        }
}

int verb_status(char **arguments, size_t n, const struct options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *status = NULL;
        struct output output = OUTPUT_INIT;

        int r = bus_connect(&bus, options);
        if (r == EXIT_SUCCESS)
                r = bus_call(bus, "GetStatus", options, &reply);
        if (r != EXIT_SUCCESS)
                return r;

        r = bus_json_read_row(reply, NULL, &status);
        if (r <= 0)
                return bus_complain(NULL, r < 0 ? r : -EBADMSG);

        if (options->json != JSON_OFF)
                output_json(&output, status, options);
        else
                add_status(&output.text, status, options);
        return output_finish(&output);
}
