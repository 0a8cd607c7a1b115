/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The stage that says how much an event matters: rules are asked, what repeats is folded, and what
 * is an alert goes to the journal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alerts;
struct event;
struct history;
struct sd_event;

struct alerts_handlers {
        /* An event of its own (`alert`: what was folded) is to be numbered and told. */
        void (*tell)(struct event *e, void *userdata);
};

/* `history`: keeps what was seen (borrowed; NULL: nobody does). `handlers` are borrowed. Returns 0
 * or a negative errno. */
int alerts_new(struct alerts **ret, struct sd_event *loop, struct history *history,
               const struct alerts_handlers *handlers, void *userdata);

/* NULL is fine; returns NULL. */
struct alerts *alerts_free(struct alerts *a);

/* Reads the rules (again), from these directories (see rules_read()). What is wrong is logged, with
 * file and line. */
void alerts_read_rules(struct alerts *a, const char *const *directories);

/* Sets first_seen, rule.* and alert.count of an event, its severity and message. Call alerts_told()
 * once it has been told. */
void alerts_judge(struct alerts *a, struct event *e);
void alerts_told(struct alerts *a, const struct event *e);

/* Takes back what was set of an event that is made another one, to be judged anew; who makes it
 * sets its severity and message. */
void alerts_forget(struct event *e);

/* Takes what the history says was seen, where it has news. */
void alerts_take_seen(struct alerts *a);

/* Whether a rule asks by name for events that may look like `partial`. */
bool alerts_want(const struct alerts *a, const struct event *partial);

struct alerts_status {
        size_t rules;
        uint64_t alerts; /* told */
        uint64_t folded; /* only counted */
};

void alerts_status(const struct alerts *a, struct alerts_status *ret);
