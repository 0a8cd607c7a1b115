/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-poll.h"

#include <json.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "errors.h"
#include "value.h"

enum {
        PAGE_ROWS = 1000,
        PATIENCE_USEC = 10000000,
};

struct top_poll {
        sd_bus *bus;
        const struct options *options;
        struct top_poll_handlers handlers;
        struct field_set only;
        sd_bus_slot *call; /* what is asked now */
        bool acquired;     /* the kernel counts for us */
        struct json_object *rows;
        uint32_t after;
        uint64_t now;
};

int top_poll_new(struct top_poll **ret, sd_bus *bus, const struct options *options,
                 const struct top_poll_handlers *handlers) {
        struct top_poll *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->bus = sd_bus_ref(bus);
        p->options = options;
        p->handlers = *handlers;
        *ret = p;
        return 0;
}

struct top_poll *top_poll_free(struct top_poll *p) {
        if (!p)
                return NULL;

        sd_bus_slot_unref(p->call);
        json_object_put(p->rows);
        sd_bus_unref(p->bus);
        free(p);
        return NULL;
}

void top_poll_fields(struct top_poll *p, const struct field_set *only) {
        p->only = *only;
}

static void end_look(struct top_poll *p) {
        p->call = sd_bus_slot_unref(p->call);
        json_object_put(p->rows);
        p->rows = NULL;
}

static int fail(struct top_poll *p, const sd_bus_error *error, int r) {
        p->acquired = false;
        p->handlers.on_error(error, r, p->handlers.userdata);
        end_look(p);
        return 1;
}

static int ask_page(struct top_poll *p);

static int add_rows(struct top_poll *p, sd_bus_message *reply, size_t *ret_n) {
        int r = sd_bus_message_enter_container(reply, 'a', "a{sv}");

        for (*ret_n = 0; r >= 0; (*ret_n)++) {
                struct json_object *row = NULL;

                r = bus_json_read_row(reply, NULL, &row);
                if (r <= 0)
                        break;
                p->after = (uint32_t) row_number(row, FIELD_PROG_ID);
                r = json_object_array_add(p->rows, row) < 0 ? -ENOMEM : 0;
        }
        return r;
}

static int on_page(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_poll *p = userdata;
        size_t n;

        p->call = sd_bus_slot_unref(p->call);
        if (sd_bus_message_is_method_error(reply, NULL))
                return fail(p, sd_bus_message_get_error(reply), 0);
        int r = add_rows(p, reply, &n);
        if (r >= 0 && n > 0)
                r = ask_page(p);
        if (r < 0)
                return fail(p, NULL, r);
        if (n > 0)
                return 1;

        p->handlers.on_rows(p->rows, p->now, p->handlers.userdata);
        end_look(p);
        return 1;
}

static int append_page(sd_bus_message *m, const void *userdata) {
        const struct top_poll *p = userdata;

        return sd_bus_message_append(m, "{sv}{sv}", "limit", "u", (uint32_t) PAGE_ROWS, "after",
                                     "u", p->after);
}

static int ask_page(struct top_poll *p) {
        const struct bus_options more = {&p->only, append_page, p};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = bus_new_call(p->bus, &m, "ListPrograms", NULL, 0, p->options, &more);

        return r < 0 ? r : sd_bus_call_async(p->bus, &p->call, m, on_page, p, PATIENCE_USEC);
}

static int begin_pages(struct top_poll *p) {
        p->now = clock_now();
        p->after = 0;
        p->rows = json_object_new_array();
        return p->rows ? ask_page(p) : -ENOMEM;
}

static int on_acquired(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_poll *p = userdata;

        p->call = sd_bus_slot_unref(p->call);
        if (sd_bus_message_is_method_error(reply, NULL))
                return fail(p, sd_bus_message_get_error(reply), 0);
        p->acquired = true;
        int r = begin_pages(p);
        return r < 0 ? fail(p, NULL, r) : 1;
}

int top_poll_look(struct top_poll *p) {
        if (p->call)
                return 0;
        int r = p->acquired ? begin_pages(p)
                            : sd_bus_call_method_async(p->bus, &p->call, BPFMON_BUS_NAME,
                                                       BPFMON_OBJECT_PATH, BPFMON_MANAGER_INTERFACE,
                                                       "AcquireStatistics", on_acquired, p, NULL);
        if (r < 0)
                end_look(p);
        return r < 0 ? r : 0;
}
