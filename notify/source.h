/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Where alerts come from: a subscription to bpfmond, made again when the daemon comes back, when
 * polkit changes its mind, and when neither says so. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "util.h"

struct json_object;

struct source_events {
        /* An event of severity warning or critical (borrowed). */
        void (*alert)(struct json_object *row, void *userdata);
        /* So many events did not reach us, or at most so many. */
        void (*lost)(uint64_t count, void *userdata);
};

struct source;

/* `scope` is that of the subscription: alerts, own or all (static). `bus` is borrowed;
 * source_free() before it goes. Returns 0 or a negative errno. */
int source_new(struct source **ret, sd_bus *bus, sd_event *loop, const char *scope,
               const struct source_events *events, void *userdata);
struct source *source_free(struct source *s);

/* Looks at each message of the connection: signals of the daemon are taken. As sd_bus_add_filter().
 */
int source_message(struct source *s, sd_bus_message *m);

DEFINE_CLEANUP(struct source *, source_free);
