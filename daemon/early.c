/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "early.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "authority.h"
#include "errors.h"
#include "log.h"
#include "util.h"

enum {
        /* sd-bus and dbus-python give a call up after 25 s, in which the daemon has to be started,
         * too. */
        PATIENCE_USEC = 10000000,
        /* Calls; further ones do not wait. Each may be as large as the bus lets it, as those may
         * that wait for polkit. */
        WAITING_MAX = 32,
        WAITING_OF_USER_MAX = 8,
};

struct waiting {
        sd_bus_message *message;
        uid_t uid;
};

struct early {
        sd_bus *bus;
        struct authority *authority;
        sd_bus_slot *filter;
        sd_event_source *timer;
        struct waiting waiting[WAITING_MAX];
        size_t n;
};

/* Whether it can be answered before anything is attached: only what asks how far that is. */
static bool has_to_wait(sd_bus_message *m) {
        const char *interface = sd_bus_message_get_interface(m), *path = sd_bus_message_get_path(m);

        if (sd_bus_message_is_method_call(m, NULL, NULL) <= 0 || !path ||
            strcmp(path, BPFMON_OBJECT_PATH) != 0)
                return false;
        if (interface && strcmp(interface, BPFMON_MANAGER_INTERFACE) != 0)
                return false;
        return !sd_bus_message_is_method_call(m, NULL, "GetStatus");
}

static size_t count_of_user(const struct early *e, uid_t uid) {
        size_t n = 0;

        for (size_t i = 0; i < e->n; i++)
                n += e->waiting[i].uid == uid;
        return n;
}

static int on_message(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct early *e = userdata;
        uid_t uid;

        /* Of whom the bus knows nothing the handler says so. */
        if (e->n == WAITING_MAX || !has_to_wait(m) ||
            authority_sender(e->authority, m, &uid, NULL) < 0 ||
            count_of_user(e, uid) == WAITING_OF_USER_MAX)
                return 0;
        e->waiting[e->n++] = (struct waiting){sd_bus_message_ref(m), uid};
        return 1;
}

void early_release(struct early *e) {
        int k;

        if (!e->filter)
                return;
        e->filter = sd_bus_slot_unref(e->filter);
        e->timer = sd_event_source_disable_unref(e->timer);
        for (size_t i = 0; i < e->n; i++) {
                sd_bus_message *m = e->waiting[i].message;

                k = sd_bus_message_rewind(m, true);
                if (k >= 0)
                        k = sd_bus_enqueue_for_read(e->bus, m);
                if (k < 0)
                        (void) sd_bus_reply_method_errno(m, k, NULL);
                sd_bus_message_unref(m);
        }
        e->n = 0;
}

static int on_timeout(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct early *e = userdata;

        log_info("Attaching the probes takes long; answering %zu call%s that waited for it", e->n,
                 e->n == 1 ? "" : "s");
        early_release(e);
        return 0;
}

struct early *early_free(struct early *e) {
        if (!e)
                return NULL;

        sd_bus_slot_unref(e->filter);
        sd_event_source_disable_unref(e->timer);
        for (size_t i = 0; i < e->n; i++)
                sd_bus_message_unref(e->waiting[i].message);
        free(e);
        return NULL;
}

DEFINE_CLEANUP(struct early *, early_free);

int early_new(struct early **ret, sd_bus *bus, struct authority *authority, sd_event *loop) {
        _cleanup_(early_freep) struct early *e = calloc(1, sizeof(*e));
        int k;

        if (!e)
                return -ENOMEM;

        e->bus = bus;
        e->authority = authority;
        k = sd_bus_add_filter(bus, &e->filter, on_message, e);
        if (k >= 0)
                k = sd_event_add_time_relative(loop, &e->timer, CLOCK_MONOTONIC, PATIENCE_USEC, 0,
                                               on_timeout, e);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(e);
        return 0;
}
