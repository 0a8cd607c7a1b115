/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pages.h"

#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "progress.h"

enum {
        PAGE_EVENTS = 10000, /* asked for at once; the daemon may send fewer */
};

struct reading {
        const struct pages *pages;
        char *cursor;
        uint64_t done;
};

static int append_page(sd_bus_message *m, const void *userdata) {
        const struct reading *reading = userdata;
        const struct pages *p = reading->pages;
        uint32_t limit = (uint32_t) MIN(p->limit - reading->done, (uint64_t) PAGE_EVENTS);
        int r = sd_bus_message_append(m, "{sv}{sv}", "limit", "u", limit, "reverse", "b",
                                      (int) p->reverse);

        if (r >= 0 && p->since > 0)
                r = sd_bus_message_append(m, "{sv}", "since", "t", p->since);
        if (r >= 0 && p->until < UINT64_MAX)
                r = sd_bus_message_append(m, "{sv}", "until", "t", p->until);
        if (r >= 0 && reading->cursor)
                r = sd_bus_message_append(m, "{sv}", "cursor", "s", reading->cursor);
        return r;
}

/* Returns how many events there were, or a negative errno. */
static int64_t take_page(struct reading *reading, sd_bus_message *reply,
                         int (*on_event)(struct json_object *event, void *userdata),
                         void *userdata) {
        const char *cursor;
        int64_t n = 0;
        int r = sd_bus_message_enter_container(reply, 'a', "a{sv}");

        while (r >= 0) {
                _cleanup_json_ struct json_object *event = NULL;

                r = bus_json_read_row(reply, reading->pages->only, &event);
                if (r <= 0)
                        break;
                n++;
                r = on_event(event, userdata);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &cursor);
        if (r >= 0 && cursor[0]) {
                free(reading->cursor);
                reading->cursor = strdup(cursor);
                r = reading->cursor ? 0 : -ENOMEM;
        }

        return r < 0 ? r : n;
}

static int ask(struct reading *reading, sd_bus_message **ret) {
        const struct pages *p = reading->pages;
        const struct bus_options more = {p->only, append_page, reading};

        return bus_call_options(p->bus, "QueryEvents", p->matches, p->n_matches, p->options, &more,
                                ret);
}

/* A page that is not full may have ended at a limit of its bytes: only one without events is the
 * last. */
int pages_read(const struct pages *p, int (*on_event)(struct json_object *event, void *userdata),
               void *userdata) {
        struct reading reading = {.pages = p};
        int status = EXIT_SUCCESS;
        int64_t n = 1;

        bool ours = progress_begin("Reading the history");
        while (status == EXIT_SUCCESS && n > 0 && reading.done < p->limit) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

                status = ask(&reading, &reply);
                if (status != EXIT_SUCCESS)
                        break;
                n = take_page(&reading, reply, on_event, userdata);
                if (n < 0)
                        status = bus_complain(NULL, (int) n);
                else
                        reading.done += (uint64_t) n;
                progress_count(reading.done, "events");
        }
        if (ours)
                progress_end();

        free(reading.cursor);
        return status;
}
