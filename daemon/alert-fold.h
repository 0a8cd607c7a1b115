/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What repeats: alerts of one rule, executable and cause are told once, and only counted until its
 * interval is over. Rules that want many events before they say something count them here, too. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct folds;
struct rule;

enum {
        FOLDS_MAX = 1024, /* causes that are remembered; of more, some are forgotten */
};

enum fold {
        FOLD_WAITS, /* there are not enough of them yet */
        FOLD_NEWS,  /* to be told */
        FOLD_MORE,  /* of what was told lately */
};

int folds_new(struct folds **ret);

/* NULL is fine; returns NULL. */
struct folds *folds_free(struct folds *f);

/* Counts an event that a rule is for. `now`: CLOCK_MONOTONIC, µs. `ret_count`: at FOLD_NEWS, how
 * many there were up to now; at FOLD_MORE, how many since it was told. */
enum fold folds_take(struct folds *f, const struct rule *rule, const struct event *e, uint64_t now,
                     uint64_t *ret_count);

/* After FOLD_MORE of this rule: keeps of the event what is to be told when the interval is over.
 * Its severity, message and rule.* are taken as they are now. */
void folds_keep(struct folds *f, const struct rule *rule, const struct event *e);

/* Makes `e` (until the next call of this module) what was kept of the next cause whose interval is
 * over; `ret_count` of its events were only counted in so many µs. Returns whether there was one.
 */
bool folds_due(struct folds *f, uint64_t now, struct event *e, uint64_t *ret_count,
               uint64_t *ret_interval);

/* When one may be due (CLOCK_MONOTONIC, µs); UINT64_MAX: never. */
uint64_t folds_next(const struct folds *f);

/* Events that will be told of by nobody: the place of their cause was needed. */
uint64_t folds_forgotten(const struct folds *f);
