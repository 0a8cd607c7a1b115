/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl probes: what is watched, by which hook, and what could not be. */

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "output.h"
#include "rows.h"
#include "value.h"

static const struct table_column columns[] = {
        {"PROBE"},
        {"STATE"},
        {"HOOK", .least = 12},
        {"HITS", .right = true},
        {"PURPOSE", .least = 10}, /* on terminals that are wide enough */
};

enum { WIDE = 120 };

static bool is_narrow(const struct options *options) {
        const size_t width = options->full ? 0 : output_columns();

        return width > 0 && width < WIDE;
}

static const struct state {
        const char *name;
        enum style style;
} states[] = {
        {"attached", STYLE_GREEN}, {"waiting", STYLE_GREEN}, {"degraded", STYLE_YELLOW},
        {"off", STYLE_DIM},        {"failed", STYLE_ALARM},
};

static enum style state_style(const char *name) {
        for (size_t i = 0; name && i < ELEMENTSOF(states); i++)
                if (strcmp(states[i].name, name) == 0)
                        return states[i].style;

        return STYLE_NONE;
}

static int add_note(struct table *t, const char *before, struct json_object *value,
                    enum style style) {
        _cleanup_text_ struct text note = {};

        text_add(&note, before);
        value_add(&note, -1, value);
        return note.failed ? -ENOMEM : table_add_note(t, text_string(&note), style);
}

/* What could not be attached, and what cannot be seen for that. */
static int add_notes(struct table *t, struct json_object *row) {
        struct json_object *failed = row_get(row, FIELD_PROBE_FAILED);
        struct json_object *blind = row_get(row, FIELD_PROBE_BLIND);
        struct json_object *lost = row_get(row, FIELD_PROBE_LOST);
        int r = 0;

        if (json_object_is_type(failed, json_type_array))
                for (size_t i = 0; i < json_object_array_length(failed) && r >= 0; i++)
                        r = add_note(t, "not attached: ", json_object_array_get_idx(failed, i),
                                     STYLE_NONE);
        if (r >= 0 && lost && json_object_get_uint64(lost) > 0)
                r = add_note(t, "hits lost: ", lost, STYLE_YELLOW);
        if (r >= 0 && blind)
                r = add_note(t, "blind: ", blind, STYLE_YELLOW);

        return r;
}

static int add_probe(struct table *t, struct json_object *row, const void *userdata) {
        struct json_object *purpose = row_get(row, FIELD_PROBE_PURPOSE);
        int r = rows_add(t, row, "<{probe.name}>", STYLE_NONE);

        if (r >= 0)
                r = rows_add(t, row, "<{probe.state}>",
                             state_style(row_string(row, FIELD_PROBE_STATE)));
        if (r >= 0)
                r = rows_add(t, row, "<{probe.hook}>", STYLE_NONE);
        if (r >= 0)
                r = rows_add(t, row, "<{probe.hits}>", STYLE_NONE);
        if (r >= 0 && !is_narrow(userdata))
                r = rows_add(t, row, "<{probe.purpose}>", STYLE_DIM);
        else if (r >= 0 && purpose)
                r = add_note(t, "", purpose, STYLE_DIM);
        if (r >= 0)
                r = add_notes(t, row);

        return r;
}

int verb_probes(char **arguments, size_t n, const struct options *options) {
        const struct rows_view view = {
                columns, ELEMENTSOF(columns) - is_narrow(options), add_probe, "probe", "probes",
                options,
        };
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *rows = NULL;

        int r = bus_connect(&bus, options);
        if (r == EXIT_SUCCESS)
                r = bus_call(bus, "ListProbes", options, &reply);
        if (r != EXIT_SUCCESS)
                return r;

        r = bus_json_read_rows(reply, &rows);
        if (r <= 0)
                return bus_complain(NULL, r < 0 ? r : -EBADMSG);

        return rows_print(rows, &view, options);
}
