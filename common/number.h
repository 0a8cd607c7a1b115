/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Numbers as people write them: decimal or hexadecimal, with the suffixes of their unit. */

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

/* Any 64-bit number, signed or not. Zero is not negative. */
struct number {
        bool negative;
        uint64_t magnitude;
};

static inline struct number number_signed(int64_t n) {
        return (struct number){n < 0, n < 0 ? -(uint64_t) n : (uint64_t) n};
}

/* Reads all of `s`: an optional minus, decimal digits or 0x and hexadecimal ones, and a suffix that
 * `unit` has (ns, us, ms, s, min for times, K, M, G for bytes). The result is in `unit`. Returns 0;
 * -EINVAL when `s` is no such number; -ERANGE when it does not fit or is finer than the unit. */
int number_parse(struct number *ret, const char *s, enum field_unit unit);

/* Less than, equal to or greater than zero, as `a` is to `b`. */
int number_compare(struct number a, struct number b);
