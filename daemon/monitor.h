/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Monitors: where the kernel's stable interfaces stand in for a hook. What a monitor sees it tells
 * as the kernel side does, in a struct record_action. */

#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct monitor;
struct probe_options;
struct sd_event;

/* Starts the monitor that stands behind a hook which has no program. Records go to `record`, from
 * the event loop (referenced). Returns -EOPNOTSUPP where there is none or it cannot keep to what
 * `options` observe, or what the kernel said. */
int monitor_new(struct monitor **ret, enum hook hook, struct sd_event *loop,
                const struct probe_options *options,
                void (*record)(const void *data, size_t size, void *userdata), void *userdata);

/* Ends it. NULL is fine; returns NULL. */
struct monitor *monitor_free(struct monitor *m);

/* How much it has seen. */
uint64_t monitor_hits(const struct monitor *m);
