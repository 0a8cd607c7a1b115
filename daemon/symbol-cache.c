/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "symbol-cache.h"
#include "util.h"

enum { SLOTS = 2 * SYMBOL_CACHE_GENERATION };

/* When the young generation is full the old one goes, and the young one becomes the old one. An
 * answer that is found in the old one moves to the young one. */
struct symbol_generation {
        size_t n;
        struct symbol_answer slots[SLOTS];
};

static struct symbol_answer *find(struct symbol_generation *g, const struct symbol_key *key) {
        uint64_t hash = 0;

        for (const uint64_t *word = (const uint64_t *) key; word < (const uint64_t *) (key + 1);
             word++)
                hash = hash_number(hash, *word);
        for (size_t at = hash;; at++) {
                struct symbol_answer *a = &g->slots[at % SLOTS];

                if (!a->used || memcmp(&a->key, key, sizeof(*key)) == 0)
                        return a;
        }
}

static void generation_free(struct symbol_generation *g) {
        for (size_t i = 0; g && i < SLOTS; i++)
                free(g->slots[i].name);
        free(g);
}

const struct symbol_answer *symbol_cache_add(struct symbol_cache *c, const struct symbol_key *key,
                                             uint64_t expires, char *name) {
        struct symbol_answer *a;

        if (!c->young || c->young->n == SYMBOL_CACHE_GENERATION) {
                struct symbol_generation *g = calloc(1, sizeof(*g));

                if (!g) {
                        free(name);
                        return NULL;
                }
                generation_free(c->old);
                c->old = c->young;
                c->young = g;
        }
        a = find(c->young, key);
        if (!a->used)
                c->young->n++;
        free(a->name);
        *a = (struct symbol_answer){.key = *key, .expires = expires, .name = name, .used = true};
        return a;
}

const struct symbol_answer *symbol_cache_get(struct symbol_cache *c, const struct symbol_key *key,
                                             uint64_t now) {
        struct symbol_generation *const generations[] = {c->young, c->old};

        for (size_t i = 0; i < ELEMENTSOF(generations); i++) {
                struct symbol_answer *a = generations[i] ? find(generations[i], key) : NULL;

                if (!a || !a->used || (a->expires != 0 && a->expires <= now))
                        continue;
                return i == 0 ? a : symbol_cache_add(c, key, a->expires, TAKE_PTR(a->name));
        }
        return NULL;
}

void symbol_cache_clear(struct symbol_cache *c) {
        generation_free(c->young);
        generation_free(c->old);
        *c = (struct symbol_cache){};
}
