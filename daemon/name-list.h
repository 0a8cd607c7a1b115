/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A bounded list of names for a field of an event: each once, in the order in which they came. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

enum {
        NAME_LIST_MAX = 512,
        NAME_LIST_BYTES = 8 * 1024,
        NAME_LIST_SLOTS = 2 * NAME_LIST_MAX,
};

/* A zeroed list is empty. */
struct name_list {
        const char *items[NAME_LIST_MAX + 1];
        size_t n;
        size_t keys;     /* that came */
        size_t left_out; /* names for which there was no room */
        bool uncounted;  /* and more */
        size_t used;
        uint64_t slots[NAME_LIST_SLOTS];
        char text[NAME_LIST_BYTES];
};

/* Empties a list that is only added to: cheaper than a zeroed one. name_list_is_new() is not for
 * it. */
static inline void name_list_begin(struct name_list *l) {
        l->n = l->left_out = l->used = l->keys = 0;
        l->uncounted = false;
}

/* Whether a key (any but 0) has not come before: then its name is to be added. */
bool name_list_is_new(struct name_list *l, uint64_t key);

/* Adds a name (copied), or counts it where there is no room. */
void name_list_add(struct name_list *l, const char *name);

/* Sets a STRINGS field; with "… 7 more" as the last item where names were left out. An empty list
 * leaves it absent. */
void name_list_set(struct name_list *l, struct event *e, enum field f);
