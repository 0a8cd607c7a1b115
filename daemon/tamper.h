/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Somebody touches what is bpfmond's own: turns the event of it into `tamper`, and keeps who does
 * so again and again from flooding. */

#include <stdbool.h>
#include <stdint.h>

struct event;
struct tampers;

enum {
        TAMPERS_MAX = 512,            /* kinds of touches that are counted at a time */
        TAMPER_PAUSE_USEC = 60000000, /* after which it is news again */
};

int tampers_new(struct tampers **ret);

/* NULL is fine; returns NULL. */
struct tampers *tampers_free(struct tampers *t);

/* Whether what the event tells is touching: looking at ids and at what an object is, and reading
 * elements, is not. */
bool tamper_is_one(const struct event *e);

/* Makes it a `tamper`: class self, severity critical, a sentence; all else is kept. `kind` and `id`
 * name the object that is ours (enum object_kind). Returns false when it is not to be told: what
 * the same process does to the same object again is told at the 1st, 2nd, 4th, 8th… time, `calls`
 * says how often it was. Opening what are no maps counts as the same object. */
bool tamper_tell(struct tampers *t, struct event *e, uint32_t kind, uint32_t id);
