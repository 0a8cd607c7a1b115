/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What is done later: at a time, or in turn with other things. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* A timer that is used over and over: made when it is used first. Has `handler` called once, in
 * `usec` (CLOCK_MONOTONIC) or as much as `accuracy` µs later. One that runs begins anew. `source`
 * (NULL at first) is for the caller to unref. Returns 0 or a negative errno. */
int timer_set(sd_event_source **source, sd_event *loop, uint64_t usec, uint64_t accuracy,
              sd_event_time_handler_t handler, void *userdata);

/* One that never ran is fine. */
void timer_stop(sd_event_source *source);

/* Whether it is still to come; NULL: it never ran. */
bool timer_runs(sd_event_source *source);

/* The same a moment later, so that other things have their turn. (What sd_event_add_defer() makes
 * is ready at once, and goes before calls that sd-bus has read already, over and over.) */
int turn_wait(sd_event_source **source, sd_event *loop, sd_event_time_handler_t handler,
              void *userdata);
