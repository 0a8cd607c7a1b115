/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Loads the kernel side in a thread of its own: the kernel's verifier takes its time, a minute
 * where the processor is slow, and the loop turns meanwhile. */

#include <stdbool.h>

struct handover;
struct kernel_side;
struct loader;
struct probe_options;
struct sd_event;

/* What is loaded, and into where; see kernel_side_load(). All of it is the thread's until `done`.
 */
struct loader_order {
        struct kernel_side *kernel;
        const struct probe_options *options;
        bool kprobes;
        unsigned cpus;
        struct handover *handover;
};

/* Begins. `done` is called once, from the loop: with 0, or a negative errno that was logged.
 * Returns 0 or a negative errno. */
int loader_new(struct loader **ret, struct sd_event *loop, const struct loader_order *order,
               void (*done)(int result, void *userdata), void *userdata);

/* Waits for the end of what is still being loaded. NULL is fine; returns NULL. */
struct loader *loader_free(struct loader *l);
