/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include <string.h>

#include "bus.h"
#include "client.h"

#define RETRY_FIRST_USEC UINT64_C(250000)
#define RETRY_MAX_USEC   UINT64_C(30000000)

struct link {
        sd_event *loop;
        const char *name;
        int (*open)(sd_bus **ret);
        struct link_events events;
        void *userdata;
        sd_bus *bus;
        sd_bus *broken; /* the one before; it may be its own callback that found it so */
        bool up;        /* the bus has answered */
        sd_event_source *retry;
        uint64_t pause;
        bool complained;
};

int link_new(struct link **ret, sd_event *loop, const char *name, int (*open)(sd_bus **ret),
             const struct link_events *events, void *userdata) {
        struct link *l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;

        *l = (struct link){.loop = sd_event_ref(loop),
                           .name = name,
                           .open = open,
                           .events = *events,
                           .userdata = userdata,
                           .pause = RETRY_FIRST_USEC};
        *ret = l;
        return 0;
}

static void drop(struct link *l) {
        if (!l->bus)
                return;
        sd_bus_detach_event(l->bus);
        sd_bus_close(l->bus);
        sd_bus_unref(l->broken);
        l->broken = TAKE_PTR(l->bus);
}

struct link *link_free(struct link *l) {
        if (!l)
                return NULL;

        if (l->bus && l->up)
                sd_bus_flush(l->bus);
        drop(l);
        sd_bus_unref(l->broken);
        sd_event_source_disable_unref(l->retry);
        sd_event_unref(l->loop);
        free(l);
        return NULL;
}

sd_bus *link_bus(const struct link *l) {
        return l->up ? l->bus : NULL;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct link *l = userdata;

        link_start(l);
        return 0;
}

/* Breaks what is left of the connection and makes it again later. */
static void try_again(struct link *l, int error) {
        bool was_up = l->up;

        l->up = false;
        if (was_up && l->events.down)
                l->events.down(l->userdata);
        drop(l);
        if (!l->complained)
                complain("the %s bus %s%s%s; trying again", l->name,
                         was_up ? "went away" : "cannot be reached", error ? ": " : "",
                         error ? strerror(-error) : "");
        l->complained = true;

        l->retry = sd_event_source_disable_unref(l->retry);
        if (sd_event_add_time_relative(l->loop, &l->retry, CLOCK_MONOTONIC, l->pause, l->pause / 10,
                                       on_retry, l) < 0)
                sd_event_exit(l->loop, EXIT_FAILURE);
        l->pause = MIN(l->pause * 2, RETRY_MAX_USEC);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct link *l = userdata;

        if (bus_message_disconnected(m)) {
                try_again(l, 0);
                return 1;
        }
        return l->up && l->events.message ? l->events.message(m, l->userdata) : 0;
}

/* The bus answers: the connection is one. */
static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct link *l = userdata;

        if (sd_bus_message_is_method_error(m, NULL)) /* the connection broke, which comes next */
                return 1;

        l->up = true;
        l->pause = RETRY_FIRST_USEC;
        if (l->complained)
                complain("the %s bus is there", l->name);
        l->complained = false;

        int r = l->events.up ? l->events.up(l->bus, l->userdata) : 0;
        if (r < 0)
                try_again(l, r);
        return 1;
}

static int begin(struct link *l) {
        int r = l->open(&l->bus);

        if (r >= 0)
                r = sd_bus_add_filter(l->bus, NULL, on_message, l);
        if (r >= 0)
                r = sd_bus_call_method_async(l->bus, NULL, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                             "GetId", on_answer, l, NULL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(l->bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(l->bus, l->loop, SD_EVENT_PRIORITY_NORMAL);
        return r;
}

int link_open(struct link *l) {
        int r = begin(l);

        if (r < 0)
                drop(l);
        return r < 0 ? r : 0;
}

void link_start(struct link *l) {
        int r = begin(l);

        if (r < 0)
                try_again(l, r);
}
