/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The window of unconfirmed bytes of one subscriber: how much may be on its way before it confirms
 * with a ping's reply. Arithmetic only: no bus, no clock. */

#include <stdbool.h>
#include <stdint.h>

struct window {
        uint64_t limit;     /* most bytes on their way */
        uint64_t sent;      /* bytes sent, ever */
        uint64_t confirmed; /* bytes confirmed, ever */
        uint64_t pinged;    /* value of `sent` when the ping in flight was sent */
        bool ping;          /* a ping is in flight */
};

void window_init(struct window *w, uint64_t limit);

/* Bytes on their way. */
uint64_t window_pending(const struct window *w);

/* Whether `size` more bytes fit. A single message larger than the limit fits when nothing is on its
 * way. */
bool window_fits(const struct window *w, uint64_t size);

/* Counts a message of `size` bytes as sent. */
void window_sent(struct window *w, uint64_t size);

/* Whether a ping should be sent now: none is in flight and something is unconfirmed. Marks it as
 * sent. */
bool window_ping(struct window *w);

/* The ping's reply came: all that was sent before it is confirmed. Without a ping in flight nothing
 * happens. */
void window_pong(struct window *w);

/* The ping did not reach its reader: nothing is confirmed, and another one may be sent. */
void window_refused(struct window *w);
