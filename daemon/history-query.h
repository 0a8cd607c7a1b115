/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Questions to the history, answered beside the event loop: a thread reads, the loop hands the rows
 * out in small portions. */

#include <stddef.h>
#include <sys/types.h>

#include "history-reader.h"

struct event;
struct history;
struct queries;
struct query;
struct sd_event;

struct query_limits {
        size_t running; /* at a time; further ones wait */
        size_t total;   /* with those that wait */
        size_t per_user;
        uint64_t seconds; /* for one */
};

extern const struct query_limits query_limits_default;

/* Called on the loop. `row` gets one event after the other and may return a negative errno to have
 * no more; then `done` once: `r` is 0 or why it failed (see history_read(); what `row` returned),
 * `answer` tells of the whole. The query is gone afterwards. */
struct query_handlers {
        int (*row)(const struct event *e, void *userdata);
        void (*done)(int r, const struct history_answer *answer, void *userdata);
};

/* `history`, `loop` and `limits` are borrowed. Returns 0 or a negative errno. */
int queries_new(struct queries **ret, struct history *history, struct sd_event *loop,
                const struct query_limits *limits);

/* Ends all queries as done with -ECANCELED. NULL is fine; returns NULL. */
struct queries *queries_free(struct queries *q);

/* Asks, on behalf of the user of question->viewer, and with all that was offered to the history up
 * to now in it. The question and its cursor are copied; its match moves here on success. Returns 0;
 * -EDQUOT if the user has as many queries as it may, -ENOSPC if all have; -ENOMEM. */
int query_new(struct query **ret, struct queries *q, const struct history_question *question,
              const struct query_handlers *handlers, void *userdata);

/* Ends it; no handler is called any more. */
void query_cancel(struct query *query);
