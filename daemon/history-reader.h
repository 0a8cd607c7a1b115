/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One question to the file of the history, answered on a connection of its own. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "access.h"
#include "bytes.h"

struct match;

struct history_question {
        const struct match *match; /* borrowed; NULL: all */
        struct viewer viewer;      /* a match sees what it sees */
        uint64_t since, until;     /* µs since 1970, both included; 0 and UINT64_MAX: no limit */
        uint64_t limit;            /* events */
        uint64_t bytes;            /* about so many on the bus; 0: no limit */
        bool reverse;              /* the newest first */
        const char *cursor;        /* go on after what it names; NULL: from the start */
        uint64_t deadline;         /* CLOCK_MONOTONIC, ns; 0: none */
        const atomic_bool *cancelled;
};

enum {
        HISTORY_CURSOR_MAX = 64, /* bytes of a cursor with its NUL */
};

struct history_answer {
        struct bytes rows; /* of history-flat.h, `n` of them */
        size_t n;
        uint64_t bytes;                  /* that they take on the bus, no more than that */
        bool more;                       /* it ended at a limit */
        uint64_t unread;                 /* rows that make no sense */
        char cursor[HISTORY_CURSOR_MAX]; /* after the last row that was looked at; of who sees only
                                            some: that was told; "" where there is none */
};

/* Answers. Returns 0; -EINVAL where the cursor is none of this file; -ETIMEDOUT, -ECANCELED;
 * -ENODATA where there is no history; -EIO, -ENOMEM. */
int history_read(const char *path, const struct history_question *q, struct history_answer *ret);

static inline void history_answer_done(struct history_answer *a) {
        bytes_done(&a->rows);
}
