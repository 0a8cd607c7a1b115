/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A connection to a bus that is made again whenever it breaks. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "util.h"

struct link_events {
        /* There is a connection: matches and calls may be made. A negative errno breaks it again.
         */
        int (*up)(sd_bus *bus, void *userdata);
        /* It is gone, and what was made of it with it. Not called where it was never up. */
        void (*down)(void *userdata);
        /* Every message that comes, before anything else sees it: as sd_bus_add_filter(). */
        int (*message)(sd_bus_message *m, void *userdata);
};

struct link;

/* `open`: sd_bus_open_system() or sd_bus_open_user(); `name` is what people call that bus (static).
 * Nothing is tried before link_start() or link_open(). Returns 0 or -ENOMEM. */
int link_new(struct link **ret, sd_event *loop, const char *name, int (*open)(sd_bus **ret),
             const struct link_events *events, void *userdata);
struct link *link_free(struct link *l);

/* Connects, now or as soon as it can be. link_open() gives up where it is to wait: it returns 0, or
 * a negative errno where there is no such bus now. */
void link_start(struct link *l);
int link_open(struct link *l);

/* The connection, or NULL while there is none. */
sd_bus *link_bus(const struct link *l);

DEFINE_CLEANUP(struct link *, link_free);
