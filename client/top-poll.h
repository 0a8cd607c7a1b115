/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Looks at the programs and their counters, without waiting: for screens that must go on. */

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "event.h"

struct json_object;
struct options;
struct top_poll;

struct top_poll_handlers {
        /* The rows of a look (borrowed), taken at `now` (CLOCK_MONOTONIC, ns). */
        void (*on_rows)(struct json_object *rows, uint64_t now, void *userdata);
        /* It failed: the error of the bus, or the negative errno `r`. The next look may go well. */
        void (*on_error)(const sd_bus_error *error, int r, void *userdata);
        void *userdata;
};

/* `bus` has a loop; `handlers` are copied. */
int top_poll_new(struct top_poll **ret, sd_bus *bus, const struct options *options,
                 const struct top_poll_handlers *handlers);
struct top_poll *top_poll_free(struct top_poll *p);

/* The fields that looks are to bring from now on. */
void top_poll_fields(struct top_poll *p, const struct field_set *only);

/* Begins a look, unless one is under way. Has the kernel count from then on, also when the daemon
 * is another one by now. Returns 0, or a negative errno: the bus is gone. */
int top_poll_look(struct top_poll *p);
