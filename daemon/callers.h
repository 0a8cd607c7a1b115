/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who makes which bpf() calls how often: the live counters of the kernel side, and those of threads
 * that have left. */

#include <stddef.h>

#include "record.h"

enum {
        CALLERS_ROWS_MAX = 4096, /* rows of one list, beside those without a process */
};

struct callers;
struct event;
struct match;
struct names;
struct processes;

/* The arguments must outlive the table. Nothing is counted before callers_begin(). */
int callers_new(struct callers **ret, struct processes *processes, const struct names *names);
struct callers *callers_free(struct callers *c);

/* From now on the map behind `map_fd` (borrowed) holds the live counters. */
void callers_begin(struct callers *c, int map_fd);

/* Keeps the counters of a thread that has left. The table is bounded: the oldest processes are
 * folded into one row without a process. */
void callers_left(struct callers *c, const struct record_caller *record);

/* Takes the counters of threads that have left out of the map, where they found no room in the
 * ring. */
void callers_sweep(struct callers *c);

/* Calls `row` with one event per process and command that passes `match` (NULL: all), the busiest
 * processes first. After CALLERS_ROWS_MAX of them what the others did is added up without a
 * process. Rows for which `row` returns 0 do not count. Returns its first negative result. */
int callers_list(struct callers *c, const struct match *match,
                 int (*row)(struct event *e, void *userdata), void *userdata);
