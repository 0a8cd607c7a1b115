/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How often each process made the bpf() calls that come in masses, since it was asked last: element
 * operations and queries are not kept one by one, but by their numbers. */

#include <stdint.h>

struct callers;
struct event;
struct usage;

/* `callers` is borrowed. Returns 0 or -ENOMEM. */
int usage_new(struct usage **ret, struct callers *callers);

/* NULL is fine; returns NULL. */
struct usage *usage_free(struct usage *u);

/* Calls `row` with an event for each process and command of class use or look that made calls since
 * the last time (the first time: since it started), as of `time` (CLOCK_REALTIME, µs). Returns 0 or
 * a negative errno: of what was not handed out the next time tells. */
int usage_list(struct usage *u, uint64_t time, void (*row)(const struct event *e, void *userdata),
               void *userdata);
