/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Reads the ring: at once after a silence, by a timer while records keep coming, never when idle.
 * What was read keeps its room until it is committed: whoever comes after us reads it again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;
struct sd_event;

struct ring_handlers {
        /* One record, unchecked. */
        void (*record)(const void *data, size_t size, void *userdata);
        /* All that was there, or a bounded part of it, has been read. */
        void (*drained)(void *userdata);
        /* It is held, and more than half full. */
        void (*pressed)(void *userdata);
};

/* Reads the ring-buffer map `map_fd` (borrowed) from the event loop (referenced), from the position
 * `from` on, or where that is none from what was committed last. */
int ring_new(struct ring **ret, int map_fd, uint64_t from, struct sd_event *loop,
             const struct ring_handlers *handlers, void *userdata);

/* Reads what is there now, outside of the loop's turns: as much as in one of them. */
void ring_drain(struct ring *r);

/* The same of all that is there when it is called: up to a ring full of records. Returns whether it
 * is read: what is behind a record that another CPU has reserved and not yet sent is not. */
bool ring_drain_all(struct ring *r);

/* How far it was read: while a record is handed out, up to this one. */
uint64_t ring_position(const struct ring *r);

/* Whether so much is read and not committed that it is time to. */
bool ring_presses(const struct ring *r);

/* Gives the room of what was read to the kernel side. */
void ring_commit(struct ring *r);

/* Nothing is read while it is held. */
void ring_hold(struct ring *r, bool hold);

struct ring *ring_free(struct ring *r);
