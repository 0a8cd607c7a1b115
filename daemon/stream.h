/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Events as lines of JSON through a pipe: many to a write, without passing through the bus. What
 * the reader of one is too slow for is counted, and told in a line where it is missing. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct field_set;
struct limits;
struct match;
struct permission;
struct readers;
struct sd_event;
struct stream_table;

/* The streams: those of `readers` that get lines. `readers` and `limits` are borrowed, `loop` is
 * referenced. SIGPIPE must be ignored. Returns 0 or a negative errno. */
int stream_table_new(struct stream_table **ret, struct sd_event *loop, struct readers *readers,
                     const struct limits *limits);
struct stream_table *stream_table_free(struct stream_table *t);

size_t stream_table_count(const struct stream_table *t);
/* Events that were dropped because a reader did not keep up, all streams, since the start. */
uint64_t stream_table_lost(const struct stream_table *t);

/* Opens a stream for the peer that has `permission` (copied; when it is taken away, the stream
 * ends) of the events passing `match` (ownership moves here on success; NULL: all), with the fields
 * in `only` (copied; NULL: all but map.key and map.value). `ret_fd` is the end that its reader
 * reads from, for the caller to close: the stream lives until every copy of it is closed, wherever
 * it was handed on to. Returns -EDQUOT if the user has reached its limit, -ENOSPC if all have, or
 * another negative errno. */
int stream_new(struct stream_table *t, const struct permission *permission, struct match *match,
               const struct field_set *only, uint64_t interval, int *ret_fd);
