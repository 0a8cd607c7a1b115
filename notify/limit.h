/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A limit on how often something happens: some at once, then one in each interval. */

#include <stdbool.h>
#include <stdint.h>

struct limit {
        uint64_t burst;    /* so many at once */
        uint64_t interval; /* then one in so many µs */
        uint64_t used;     /* of the burst */
        uint64_t since;    /* µs; until when what was used has been given back */
};

/* Whether one more may happen at `now` (µs, any clock that never goes back); it is counted. */
bool limit_take(struct limit *l, uint64_t now);

/* When the next one may happen: `now` or later. */
uint64_t limit_next(struct limit *l, uint64_t now);
