/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What `top` knows of programs: how much each runs, from one look at the kernel's counters to the
 * next, and how that was in the last minute. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct match;

enum {
        TOP_HISTORY = 60, /* seconds */
};

enum top_key { TOP_CPU, TOP_RUNS, TOP_TIME, TOP_MEMORY, TOP_NAME, TOP_ID, _TOP_KEY_MAX };

struct top_program {
        uint32_t id;
        struct json_object *row;       /* of the last look; its rates are ours */
        uint64_t run_time, run_count;  /* then: ns, runs */
        bool measured;                 /* there were two looks */
        uint64_t time_rate;            /* ns in a second, on all processors */
        uint64_t run_rate;             /* runs in a second */
        uint64_t average;              /* ns of a run; 0: there was none */
        uint64_t memory;               /* bytes */
        uint64_t history[TOP_HISTORY]; /* time_rate by second, modulo */
};

struct top_totals {
        size_t programs, running; /* all; those that ran between the last two looks */
        uint64_t time_rate, memory;
};

struct top_model;

int top_model_new(struct top_model **ret);
struct top_model *top_model_free(struct top_model *m);

/* Takes the rows of a look (an array in the order of their ids, referenced) at `now` (ns, a clock
 * that only goes on). Programs that are not among them are forgotten. Returns 0, or -ENOMEM. */
int top_model_update(struct top_model *m, struct json_object *rows, uint64_t now);

/* Shows only programs that pass (ownership moves here; NULL: all), in that order. */
void top_model_filter(struct top_model *m, struct match *match);
void top_model_sort(struct top_model *m, enum top_key key, bool reverse);

/* The programs that are shown, valid until the next call that changes the model. */
const struct top_program *const *top_model_view(struct top_model *m, size_t *ret_n);

struct top_totals top_model_totals(const struct top_model *m);

/* Fills `ret` with the last minute of a program as `columns` numbers (ns in a second), the oldest
 * first; each is the most of the seconds that it stands for. */
void top_model_history(const struct top_model *m, const struct top_program *p, uint64_t *ret,
                       size_t columns);
