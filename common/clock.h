/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the clocks say, and the kernel's clocks as wall-clock time. */

#include <stdint.h>
#include <time.h>

/* One clock's distance from CLOCK_REALTIME. It is measured anew whenever a second has passed, so
 * that steps of the wall clock are followed and a burst of events costs nothing. */
struct clock_offset {
        clockid_t clock;   /* CLOCK_MONOTONIC or CLOCK_BOOTTIME */
        uint64_t slack;    /* ns: a distance that changed by less is kept, so that the same time
                              comes out the same */
        uint64_t measured; /* CLOCK_MONOTONIC, ns; 0: never */
        uint64_t offset;   /* ns, modulo 2^64 */
};

/* CLOCK_MONOTONIC, ns. */
uint64_t clock_now(void);

/* Any clock, µs. */
uint64_t clock_usec(clockid_t clock);

/* The time `ns` of `c->clock`, in µs since 1970. `now` is a recent time of CLOCK_MONOTONIC, such as
 * a record's: it says whether a second has passed. */
uint64_t clock_realtime(struct clock_offset *c, uint64_t now, uint64_t ns);
