/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "distance.h"
#include "verb.h"

const struct verb *verb_find(const struct verb_table *table, const char *name) {
        for (size_t i = 0; i < table->n; i++)
                if (strcmp(table->verbs[i].name, name) == 0)
                        return &table->verbs[i];

        return NULL;
}

/* Who begins a word right means it; else it is a slip. */
const struct verb *verb_nearest(const struct verb_table *table, const char *name) {
        struct nearest nearest = nearest_to(name);
        const struct verb *begun = NULL;
        size_t n = 0;

        for (size_t i = 0; i < table->n; i++) {
                nearest_offer(&nearest, table->verbs[i].name);
                if (strlen(name) > 1 && strncmp(table->verbs[i].name, name, strlen(name)) == 0) {
                        begun = &table->verbs[i];
                        n++;
                }
        }

        return n == 1 ? begun : nearest.word ? verb_find(table, nearest.word) : NULL;
}
