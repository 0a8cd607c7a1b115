/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "name-list.h"

bool name_list_is_new(struct name_list *l, uint64_t key) {
        size_t at = hash_number(0, key);

        for (;; at++) {
                uint64_t *slot = &l->slots[at % NAME_LIST_SLOTS];

                if (*slot == key)
                        return false;
                if (*slot != 0)
                        continue;
                if (l->keys == NAME_LIST_MAX) {
                        l->uncounted = true;
                        return false;
                }
                *slot = key;
                l->keys++;
                return true;
        }
}

void name_list_add(struct name_list *l, const char *name) {
        size_t size = strlen(name) + 1;

        if (l->left_out > 0 || l->n == NAME_LIST_MAX || size > sizeof(l->text) - l->used) {
                l->left_out++;
                return;
        }
        l->items[l->n++] = memcpy(l->text + l->used, name, size);
        l->used += size;
}

void name_list_set(struct name_list *l, struct event *e, enum field f) {
        char rest[32];
        size_t n = l->n;

        if (l->left_out > 0 || l->uncounted) {
                snprintf(rest, sizeof(rest), "… %zu%s more", l->left_out, l->uncounted ? "+" : "");
                l->items[n++] = rest;
        }
        if (n > 0)
                event_set_strings(e, f, l->items, n);
}
