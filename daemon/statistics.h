/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Run times of programs: the kernel counts them while somebody asks it to, and two looks at the
 * numbers make a rate. */

#include <stdbool.h>
#include <stdint.h>

struct scan;
struct statistics;

struct statistics_rate {
        uint64_t runs; /* in a second */
        uint64_t time; /* ns in a second */
};

int statistics_new(struct statistics **ret);

/* The kernel stops counting for us. NULL is fine; returns NULL. */
struct statistics *statistics_free(struct statistics *s);

/* Has the kernel count. Returns 0 or a negative errno. */
int statistics_start(struct statistics *s);
void statistics_stop(struct statistics *s);

/* Whether it does so for us. */
bool statistics_are_on(const struct statistics *s);

/* Takes the numbers of a scan, for the rates between it and the one before; those between two that
 * are nearer than half a second say little, and the one in the middle is left out. Without memory
 * there are no rates. */
void statistics_sample(struct statistics *s, const struct scan *scan);

/* The rate of a program, as of the last two samples between which the kernel was counting. Returns
 * false where there is none. */
bool statistics_rate(const struct statistics *s, uint32_t prog, struct statistics_rate *ret);
