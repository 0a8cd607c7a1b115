/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Puts together what came in pieces before the record of a call or an action: instructions, logs,
 * lists. Bounded: of too much, the oldest goes first. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct parts;

enum {
        PARTS_ACTIONS_MAX = 64,             /* calls and actions at a time */
        PARTS_BYTES_MAX = 16 * 1024 * 1024, /* of all of them */
};

int parts_new(struct parts **ret);

/* NULL is fine; returns NULL. */
struct parts *parts_free(struct parts *p);

/* Takes a piece (copied): `size` bytes at `r`, unchecked. Returns 0, or -EBADMSG when it does not
 * parse, -ENOMEM. */
int parts_add(struct parts *p, const void *r, size_t size);

/* Takes a whole part, of `size` bytes (copied). Returns 0 or -ENOMEM. */
int parts_put(struct parts *p, uint64_t thread, uint64_t entered, enum part_kind kind,
              const void *data, size_t size);

struct part {
        const void
                *data; /* aligned to 8; borrowed until the next call of this module but this one */
        size_t size;   /* bytes that came */
        size_t total;  /* bytes that there are */
        bool whole;    /* nothing is missing */
};

/* The part of the call or action that `thread` `entered`. Returns false where nothing came. */
bool parts_get(const struct parts *p, uint64_t thread, uint64_t entered, enum part_kind kind,
               struct part *ret);

/* Forgets all parts of it: its record has been decoded. */
void parts_drop(struct parts *p, uint64_t thread, uint64_t entered);
