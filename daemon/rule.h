/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One rule: which events matter how much, and what is said of them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "severity.h"

struct event;
struct match;
struct rule_message;

enum {
        RULE_NAME_MAX = 64,         /* bytes with NUL */
        RULE_DESCRIPTION_MAX = 256, /* bytes with NUL */
        RULE_MATCHES_MAX = 16,
        RULE_COUNT_MAX = 1000000,
};

/* Whatever it matches is no alert, whatever other rules say. */
#define RULE_IGNORE (-1)

struct rule {
        char name[RULE_NAME_MAX];
        char description[RULE_DESCRIPTION_MAX];  /* "": none */
        struct match *matches[RULE_MATCHES_MAX]; /* one of them is to pass */
        size_t n_matches;
        int severity;                 /* enum severity, or RULE_IGNORE */
        struct rule_message *message; /* NULL: the event's own */
        uint64_t count;               /* so many events before it is told, … */
        uint64_t within;              /* … of one cause, in so many µs */
        uint64_t fold; /* µs in which further ones of one cause are only counted; 0: never */
};

/* A rule that says nothing yet. NULL where memory is short. */
struct rule *rule_new(void);
struct rule *rule_free(struct rule *r);

/* Whether one of its matches passes. */
bool rule_test(const struct rule *r, const struct event *e);

/* Whether it could pass, of an event that is known in part (see match_may()). */
bool rule_may(const struct rule *r, const struct event *partial);
