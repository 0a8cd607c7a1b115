/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Whether what the hooks saw and what the kernel lists agree: looks from time to time, and whenever
 * somebody else does. */

#include <stdbool.h>
#include <stdint.h>

#include "inventory-check.h"

struct agreement;
struct event;
struct inventory;
struct objects;
struct probe_set;
struct scan;
struct sd_event;

struct agreement_context {
        struct inventory *inventory; /* borrowed, as all of these */
        struct objects *objects;
        struct probe_set *probes;
        bool strict; /* only some processes are observed: others bring what they like */
        /* How many records were lost up to now. */
        uint64_t (*lost)(void *userdata);
        /* An object is hidden. */
        void (*hidden)(enum hiding how, enum object_kind kind, uint32_t id, void *userdata);
        void *userdata;
};

/* `loop` is referenced. Returns 0 or a negative errno. */
int agreement_new(struct agreement **ret, struct sd_event *loop,
                  const struct agreement_context *context);

/* NULL is fine; returns NULL. */
struct agreement *agreement_free(struct agreement *a);

/* Kinds of objects (bits of enum object_kind) of which the hooks see the end. */
unsigned agreement_goings(struct probe_set *probes);

/* Compares what somebody's look has found, when the records that came before its end have been
 * followed. */
void agreement_compare(struct agreement *a, const struct scan *scan);

/* Fills the event that tells of a hidden object, but for its number and time, with what `objects`
 * know of it. */
void agreement_describe(struct event *e, enum hiding how, enum object_kind kind, uint32_t id,
                        struct objects *objects);
