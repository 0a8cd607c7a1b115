/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl callers: who calls bpf() how often, the busiest first. */

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "rows.h"
#include "value.h"

static const struct table_column columns[] = {
        {"PROCESS", .least = 12},     {"USER", .least = 6},
        {"UNIT", .least = 8},         {"COMMAND"},
        {"CALLS", .right = true},     {"ERRORS", .right = true},
        {"MEAN TIME", .right = true},
};

static int compare(const void *a, const void *b) {
        struct json_object *x = *(struct json_object *const *) a;
        struct json_object *y = *(struct json_object *const *) b;
        uint64_t p = row_number(x, FIELD_CALLS), q = row_number(y, FIELD_CALLS);

        if (p != q)
                return p > q ? -1 : 1;
        p = row_number(x, FIELD_PROCESS_PID);
        q = row_number(y, FIELD_PROCESS_PID);
        if (p != q)
                return p < q ? -1 : 1;
        p = row_number(x, FIELD_BPF_CMD_NUMBER);
        q = row_number(y, FIELD_BPF_CMD_NUMBER);
        return p < q ? -1 : p > q;
}

/* The time of a call, over the calls that were timed. */
static int add_mean(struct table *t, struct json_object *row) {
        uint64_t calls = row_number(row, FIELD_TIMED_CALLS);
        _cleanup_text_ struct text mean = {};

        if (calls > 0)
                text_add_duration(&mean, row_number(row, FIELD_DURATION) / calls);
        return mean.failed ? -ENOMEM : table_add(t, text_string(&mean), STYLE_NONE);
}

static int add_caller(struct table *t, struct json_object *row, _unused_ const void *userdata) {
        static const struct {
                const char *template;
                enum style style;
        } cells[] = {
                {"<{process.name}|(many)><[{process.pid}]>", STYLE_NONE},
                {"<{user.name}|{user.id}>", STYLE_NONE},
                {"<{unit}|{session}|{container.id}>", STYLE_DIM},
                {"<{bpf.cmd}|{bpf.cmd_number}>", STYLE_NONE},
                {"<{calls}>", STYLE_NONE},
        };
        uint64_t errors = row_number(row, FIELD_ERRORS);
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(cells) && r >= 0; i++)
                r = rows_add(t, row, cells[i].template, cells[i].style);
        if (r >= 0)
                r = rows_add(t, row, "<{errors}>", errors > 0 ? STYLE_RED : STYLE_NONE);

        return r < 0 ? r : add_mean(t, row);
}

int verb_callers(char **arguments, size_t n, const struct options *options) {
        static const struct rows_view view = {
                columns,
                ELEMENTSOF(columns),
                add_caller,
                "caller and command",
                "callers and commands",
        };
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *rows = NULL;

        int r = bus_check_matches(arguments, n);
        if (r == EXIT_SUCCESS)
                r = bus_connect(&bus, options);
        if (r == EXIT_SUCCESS)
                r = bus_call_matches(bus, "ListCallers", arguments, n, options, &reply);
        if (r != EXIT_SUCCESS)
                return r;

        r = bus_json_read_rows(reply, &rows);
        if (r <= 0)
                return bus_complain(NULL, r < 0 ? r : -EBADMSG);

        json_object_array_sort(rows, compare);
        return rows_print(rows, &view, options);
}
