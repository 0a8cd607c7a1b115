/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Monitors: where the kernel's stable interfaces stand in for a hook. What a monitor sees it tells
 * as the kernel side does, in a struct record_action. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct monitor;
struct probe_options;
struct sd_event;

struct monitor_handlers {
        /* Whether all is handed out that hooks have seen up to now. Else it is asked again a little
         * later, before the notices of the same time. */
        bool (*settle)(void *userdata);
        /* One record, `size` bytes at `data`: a struct record_action, or a struct record_part that
         * goes before it. */
        void (*record)(const void *data, size_t size, void *userdata);
        /* The kernel had no room for so many notices; 1 where it does not say how many. */
        void (*lost)(uint64_t count, void *userdata);
        /* No more for now: flush what is being batched. */
        void (*idle)(void *userdata);
};

/* Starts the monitor that stands behind a hook which has no program. `handlers` (copied) are called
 * from the event loop (referenced). Returns -EOPNOTSUPP where there is none or it cannot keep to
 * what `options` observe, or what the kernel said. */
int monitor_new(struct monitor **ret, enum hook hook, struct sd_event *loop,
                const struct probe_options *options, const struct monitor_handlers *handlers,
                void *userdata);

/* Ends it. NULL is fine; returns NULL. */
struct monitor *monitor_free(struct monitor *m);

/* While it is held it tells nothing: what comes stays where the kernel has put it. */
void monitor_hold(struct monitor *m, bool hold);

/* How much it has seen. */
uint64_t monitor_hits(const struct monitor *m);
