/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Reads the ring: at once after a silence, by a timer while records keep coming, never when idle.
 */

#include <stddef.h>

struct ring;
struct sd_event;

struct ring_handlers {
        /* One record, unchecked. */
        void (*record)(const void *data, size_t size, void *userdata);
        /* All that was there, or a bounded part of it, has been read. */
        void (*drained)(void *userdata);
};

/* Reads the ring-buffer map `map_fd` (borrowed) from the event loop (referenced). */
int ring_new(struct ring **ret, int map_fd, struct sd_event *loop,
             const struct ring_handlers *handlers, void *userdata);

/* Reads what is there now, outside of the loop's turns. */
void ring_drain(struct ring *r);

struct ring *ring_free(struct ring *r);
