/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"

#define NS_PER_SEC UINT64_C(1000000000)

static uint64_t read_clock(clockid_t clock) {
        struct timespec t = {};

        clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * NS_PER_SEC + (uint64_t) t.tv_nsec;
}

uint64_t clock_now(void) {
        return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_usec(clockid_t clock) {
        return read_clock(clock) / 1000;
}

/* Whether a and b lie further apart than `distance`. Differences wrap around. */
static int apart(uint64_t a, uint64_t b, uint64_t distance) {
        return a - b + distance > 2 * distance;
}

uint64_t clock_realtime(struct clock_offset *c, uint64_t now, uint64_t ns) {
        if (c->measured == 0 || apart(now, c->measured, NS_PER_SEC)) {
                uint64_t offset = read_clock(CLOCK_REALTIME) - read_clock(c->clock);

                if (c->measured == 0 || apart(offset, c->offset, c->slack))
                        c->offset = offset;
                c->measured = clock_now();
        }

        return (ns + c->offset) / 1000;
}
