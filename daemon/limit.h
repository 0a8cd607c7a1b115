/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What clients may take at most, and how often they were refused: each limit has a setting, words
 * and a counter. */

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "settings.h"

/* One for the whole daemon. The values may change while it runs: what is there already stays. */
struct limits {
        uint64_t max[_LIMIT_MAX];
        uint64_t refused[_LIMIT_MAX]; /* calls that asked for more */
        uint64_t invalid;             /* calls whose matches can't be understood */
        uint64_t denied;              /* calls whose sender may not make them */
};

/* Counts a call as refused for a limit, and fills `error` (BPFMON_ERROR_LIMIT_EXCEEDED): which
 * limit, its value, its setting. Returns the negative errno that goes with the error. */
int limits_refuse(struct limits *l, enum limit limit, sd_bus_error *error);

/* Counts a call as denied for want of authorization. Returns -EACCES, and fills `error` with
 * `words`. */
int limits_deny(struct limits *l, const char *words, sd_bus_error *error);

/* Name (static) of the entry of GetStatus that counts what is refused for a limit; NULL where
 * nothing is. */
const char *limit_counter(enum limit limit);
