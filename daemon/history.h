/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What happened, in a file: events are queued here, and written by a thread of its own. Whatever
 * becomes of the file, the rest of the daemon goes on; what was not written is counted. */

#include <stdbool.h>
#include <stdint.h>

#include "history-options.h"

struct event;
struct history;
struct seen_pair;

/* How it is. */
struct history_status {
        uint64_t stored; /* events written since the start */
        uint64_t lost;   /* events that could not be */
        uint64_t size;   /* bytes in use in the file */
        bool working;    /* the file takes events */
};

/* Starts the writer. `options` is copied; in it only `path` must be set, the rest has defaults
 * where it is zero. What is wrong with the file is logged and tried again later: that is no
 * failure. Returns 0 or a negative errno. */
int history_new(struct history **ret, const struct history_options *options);

/* Writes what is queued and ends. NULL is fine; returns NULL. */
struct history *history_free(struct history *h);

/* Is readable when there is something to log, which history_report() does: the writer itself has no
 * part in that. */
int history_fd(const struct history *h);
void history_report(struct history *h);

/* Number of the last event that an earlier daemon wrote, 0 where there is none: waits until the
 * file is open, a few seconds at most. */
uint64_t history_last_seq(struct history *h);

/* When that was, µs since 1970; 0: there is none. */
uint64_t history_last_time(struct history *h);

/* Keeps the event. Of the classes `use` and `look`, which come in masses while somebody asks for
 * them, only those that count many (`calls`) and alerts. Never blocks; the event may be reused at
 * once. */
void history_offer(struct history *h, const struct event *e);

/* Keeps that so many events, of a class or (NULL) of any, were lost elsewhere (lost.where). Both
 * are static. */
void history_lost(struct history *h, const char *class, const char *where, uint64_t count);

/* What the file says was seen (seen.h): calls `pair` with each. Returns 1; 0 where nothing new is
 * to be had, since the file was not opened (again) since the last call. What was seen since then
 * and before is to be kept again when it says 1. */
int history_seen(struct history *h, void (*pair)(const struct seen_pair *p, void *userdata),
                 void *userdata);

/* Has a pair kept. Never blocks; what doesn't fit is left out. */
void history_keep_seen(struct history *h, const struct seen_pair *pair);

/* A number for all that was offered so far; and waits until that is in the file, or for `usec`.
 * history_wait() may be called from any thread. */
uint64_t history_mark(struct history *h);
void history_wait(struct history *h, uint64_t mark, uint64_t usec);

void history_status(struct history *h, struct history_status *ret);
const char *history_path(const struct history *h);
