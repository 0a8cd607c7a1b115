/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl show: everything about one program, map, link, BTF or connection. */

#include <json.h>
#include <string.h>
#include <time.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "connections.h"
#include "objects.h"
#include "output.h"
#include "page.h"

/* Between the two looks that a rate takes. */
static const struct timespec measured = {.tv_sec = 1};

static int parse(char **arguments, enum kind *ret_kind, uint32_t *ret_id) {
        char *end;

        int kind = kind_from_name(arguments[0]);
        if (kind < 0) {
                complain("show %s: write prog, map, link, btf or connection", arguments[0]);
                return EXIT_USAGE;
        }
        errno = 0;
        unsigned long id = strtoul(arguments[1], &end, 10);
        if (errno || *end || arguments[1][0] < '0' || arguments[1][0] > '9' || id > UINT32_MAX) {
                complain("show %s %s: write its id, a number; bpfmonctl %s lists them",
                         arguments[0], arguments[1],
                         kind == KIND_BTF ? "btf" : kind_info((enum kind) kind)->many);
                return EXIT_USAGE;
        }
        *ret_kind = (enum kind) kind;
        *ret_id = (uint32_t) id;
        return EXIT_SUCCESS;
}

/* Rates come of two looks while the kernel counts. */
static int measure(sd_bus *bus, enum kind kind, uint32_t id, const struct options *options) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_json_ struct json_object *first = NULL;
        int r = bus_call(bus, "AcquireStatistics", options, &reply);

        if (r == EXIT_SUCCESS)
                r = objects_fetch_one(bus, kind, id, options, &first);
        if (r == EXIT_SUCCESS)
                (void) nanosleep(&measured, NULL);
        return r;
}

static int show_connection(const char *argument, const struct options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        char *end;

        errno = 0;
        unsigned long long id = strtoull(argument, &end, 10);
        if (errno || *end || argument[0] < '0' || argument[0] > '9') {
                complain(
                        "show connection %s: write its id, a number; bpfmonctl connections lists them",
                        argument);
                return EXIT_USAGE;
        }
        int r = bus_connect(&bus, options);
        return r == EXIT_SUCCESS ? connection_show(bus, id, options) : r;
}

int verb_show(char **arguments, _unused_ size_t n, const struct options *options) {
        if (strcmp(arguments[0], "connection") == 0)
                return show_connection(arguments[1], options);

        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_json_ struct json_object *row = NULL;
        struct output output = OUTPUT_INIT;
        enum kind kind;
        uint32_t id;

        int r = parse(arguments, &kind, &id);
        if (r == EXIT_SUCCESS)
                r = bus_connect(&bus, options);
        if (r == EXIT_SUCCESS && options->statistics && kind == KIND_PROG)
                r = measure(bus, kind, id, options);
        if (r == EXIT_SUCCESS)
                r = objects_fetch_one(bus, kind, id, options, &row);
        if (r != EXIT_SUCCESS)
                return r;

        const struct page_format format = {
                .columns = options->full ? 0 : output_columns(),
                .colour = options->colour,
                .now = clock_usec(CLOCK_REALTIME),
        };
        if (options->json != JSON_OFF)
                output_row(&output, row, options);
        else if (options->n_fields > 0)
                page_add_fields(&output.text, options->fields, options->n_fields, row, &format);
        else
                page_add(&output.text, kind, row, &format);
        output_start_pager(&output, options);
        return output_finish(&output);
}
