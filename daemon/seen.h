/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What executables were seen to do: a loader that does today what it did before is no news.
 *
 * A pair is an executable and what it did: the kind of event and the type of program. The
 * executable is known by its path alone where only root can put another file there, so that an
 * upgrade of the distribution is no news; any other (and what is in containers or in a user
 * namespace, where paths mean what their owner wants) by its inode and the time of its last change
 * as well. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct seen;

enum {
        SEEN_MAX = 8192, /* pairs that are remembered; of more, those unseen for longest go */
};

/* A pair, by its hash, and when it was last seen. */
struct seen_pair {
        uint64_t key[2];
        uint64_t last; /* µs since 1970 */
};

/* None is known at first. Returns 0 or -ENOMEM. */
int seen_new(struct seen **ret);
struct seen *seen_free(struct seen *s);

enum seen_news {
        SEEN_KNOWN, /* or no pair: it did not succeed, or nobody knows who did it */
        SEEN_AGAIN, /* after a day or more: to be kept anew */
        SEEN_FIRST,
};

/* Looks an event up, and remembers it. `ret`: the pair, where it is not SEEN_KNOWN. */
enum seen_news seen_event(struct seen *s, const struct event *e, struct seen_pair *ret);

/* Remembers a pair that an earlier daemon has kept. */
void seen_add(struct seen *s, const struct seen_pair *pair);

/* Calls `pair` with each that is remembered. */
void seen_each(const struct seen *s, void (*pair)(const struct seen_pair *p, void *userdata),
               void *userdata);

size_t seen_count(const struct seen *s);
