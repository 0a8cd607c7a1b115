/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Questions to polkit: may this peer of the bus do that? None blocks, each is answered once, and
 * every failure is an answer: no. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

enum {
        POLKIT_ID_MAX = 64, /* bytes of a temporary authorization's id */
};

struct polkit_timeouts {
        uint64_t usec;             /* until polkit has to answer */
        uint64_t interactive_usec; /* the same, where somebody types a password meanwhile */
};

extern const struct polkit_timeouts polkit_timeouts_default;

struct polkit_answer {
        bool authorized;
        bool challenge;      /* not authorized, but a password would help */
        bool dismissed;      /* who was asked for one would not give it */
        const char *failure; /* polkit did not decide: why, in words (borrowed); or NULL */
        char temporary[POLKIT_ID_MAX]; /* a password given earlier still counts: its id; or "" */
};

struct polkit;
struct polkit_question;

typedef void (*polkit_answered)(const struct polkit_answer *answer, void *userdata);

/* `bus` is referenced; it is attached to an event loop while questions are asked. */
int polkit_new(struct polkit **ret, sd_bus *bus, const struct polkit_timeouts *timeouts);
/* The questions must be gone. */
struct polkit *polkit_free(struct polkit *p);

/* Asks whether the peer `subject` (a unique name: a process id could be taken by another process
 * meanwhile) may do `action`. If `interactive`, polkit may ask somebody for a password. `answered`
 * is called once, from the event loop and never from here; it may free the question. Returns 0 or a
 * negative errno. */
int polkit_ask(struct polkit_question **ret, struct polkit *p, const char *subject,
               const char *action, bool interactive, polkit_answered answered, void *userdata);

/* Forgets the question; polkit is told where it has not answered yet. */
struct polkit_question *polkit_question_free(struct polkit_question *q);
