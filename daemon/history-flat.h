/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An event in one piece of memory, as it goes from one thread to another. */

#include <stddef.h>

#include "bytes.h"

struct event;

/* Appends the event. `b->failed` where memory is short. */
void flat_put(struct bytes *b, const struct event *e);

/* Makes an event of what flat_put() appended; its strings stay where they are: the bytes must
 * outlive the event. Returns 0, or -EBADMSG. */
int flat_take(struct bytes_reader *r, struct event *e);
