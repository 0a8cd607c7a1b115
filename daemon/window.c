/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "window.h"

void window_init(struct window *w, uint64_t limit) {
        *w = (struct window){.limit = limit};
}

uint64_t window_pending(const struct window *w) {
        /* Unsigned: right even after the counters have wrapped. */
        return w->sent - w->confirmed;
}

bool window_fits(const struct window *w, uint64_t size) {
        uint64_t pending = window_pending(w);

        return pending == 0 || (pending <= w->limit && size <= w->limit - pending);
}

void window_sent(struct window *w, uint64_t size) {
        w->sent += size;
}

bool window_ping(struct window *w) {
        if (w->ping || window_pending(w) == 0)
                return false;

        w->ping = true;
        w->pinged = w->sent;
        return true;
}

void window_pong(struct window *w) {
        if (!w->ping)
                return;

        w->ping = false;
        w->confirmed = w->pinged;
}

void window_refused(struct window *w) {
        w->ping = false;
}
