/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The file of the history, as its one writer has it. All of it in one thread. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "history-schema.h"

struct bytes;
struct event;
struct history_options;
struct seen_pair;
struct store;

/* Opens the file, or makes it. `ret` gets what it is; the store is there (`ret_store`) if it is
 * good. Returns a result code of SQLite. */
int store_open(struct store **ret_store, const struct history_options *options,
               enum schema_state *ret);

/* Reads all of it where it was not closed well. Returns as store_open(). */
int store_check(struct store *s, enum schema_state *ret);

/* Closes it; `clean`: what was added is committed. */
struct store *store_close(struct store *s, bool clean);

/* Number of the last event (its `seq`) in the file. */
uint64_t store_last_seq(const struct store *s);

/* Time of the newest one in its last segment, µs since 1970; 0: it has none. */
uint64_t store_last_time(const struct store *s);

/* Adds an event; it is in the file once store_commit() has returned. Both return a result code of
 * SQLite; after a failure what was added since the last commit is gone. */
int store_add(struct store *s, const struct event *e);
int store_commit(struct store *s);

/* What executables were seen to do, as in history-seen.h; not while something is added. */
int store_seen(struct store *s, struct bytes *ret);
int store_keep_seen(struct store *s, const struct seen_pair *pairs, size_t n);

/* Drops what is too old at `now` (µs since 1970) or too much. Returns a result code of SQLite. */
int store_retain(struct store *s, uint64_t now);

/* Bytes in use in the file. */
int64_t store_size(struct store *s);

/* Whether the file at the path is still the one that is written. */
bool store_in_place(const struct store *s);
