/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util.h"

/* Entries that share a place: of a few that come again and again two would else turn each other
 * out.
 */
enum { WAYS = 4 };

struct entry {
        uint64_t hash;
        uint64_t number; /* 0: none */
        void *data;
        size_t n;
};

struct cache {
        size_t size;
        uint64_t seed;  /* so that nobody outside can choose what collides */
        uint64_t *seen; /* hashes */
        struct entry entries[];
};

int cache_new(struct cache **ret, size_t size) {
        struct cache *c = calloc(1, sizeof(*c) + size * sizeof(c->entries[0]));

        if (!c)
                return -ENOMEM;

        c->seen = calloc(size, sizeof(c->seen[0]));
        if (!c->seen) {
                free(c);
                return -ENOMEM;
        }
        c->size = size;
        if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) < 0)
                c->seed = (uintptr_t) c;
        *ret = c;
        return 0;
}

void cache_clear(struct cache *c) {
        for (size_t i = 0; i < c->size; i++)
                free(c->entries[i].data);
        memset(c->entries, 0, c->size * sizeof(c->entries[0]));
        memset(c->seen, 0, c->size * sizeof(c->seen[0]));
}

struct cache *cache_free(struct cache *c) {
        if (!c)
                return NULL;

        cache_clear(c);
        free(c->seen);
        free(c);
        return NULL;
}

static uint64_t mix(uint64_t a, uint64_t b) {
        __uint128_t product = (__uint128_t) (a ^ UINT64_C(0x9e3779b97f4a7c15)) *
                              (b ^ UINT64_C(0xe7037ed1a0b428db));

        return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static uint64_t hash_of(const struct cache *c, const uint8_t *data, size_t n) {
        uint64_t hash = c->seed ^ n, word;

        for (; n >= sizeof(word); data += sizeof(word), n -= sizeof(word)) {
                memcpy(&word, data, sizeof(word));
                hash = mix(hash, word);
        }
        word = 0;
        memcpy(&word, data, n);
        return mix(mix(hash, word), c->seed);
}

/* The first place of those that share what a hash leads to. */
static size_t place_of(const struct cache *c, uint64_t hash) {
        return hash & (c->size - 1) & ~(size_t) (WAYS - 1);
}

/* What is asked for moves ahead, and what nobody asks for falls out. */
uint64_t cache_find(struct cache *c, const void *data, size_t n) {
        uint64_t hash = hash_of(c, data, n);
        struct entry *e = &c->entries[place_of(c, hash)];

        for (size_t i = 0; i < WAYS; i++) {
                const struct entry found = e[i];

                if (found.hash != hash || found.n != n || !found.data ||
                    memcmp(found.data, data, n) != 0)
                        continue;
                if (i > 0) {
                        e[i] = e[i - 1];
                        e[i - 1] = found;
                }
                return found.number;
        }
        return 0;
}

bool cache_seen(struct cache *c, const void *data, size_t n) {
        uint64_t hash = hash_of(c, data, n);
        uint64_t *seen = &c->seen[place_of(c, hash)];

        for (size_t i = 0; i < WAYS; i++)
                if (seen[i] == hash)
                        return true;
        memmove(seen + 1, seen, (WAYS - 1) * sizeof(seen[0]));
        seen[0] = hash;
        return false;
}

void cache_keep(struct cache *c, const void *data, size_t n, uint64_t number) {
        uint64_t hash = hash_of(c, data, n);
        struct entry *e = &c->entries[place_of(c, hash)];
        void *copy = malloc(n ?: 1);

        if (!copy)
                return;
        free(e[WAYS - 1].data);
        memmove(e + 1, e, (WAYS - 1) * sizeof(*e));
        *e = (struct entry){hash, number, memcpy(copy, data, n), n};
}
