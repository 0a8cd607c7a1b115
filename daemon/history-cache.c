/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util.h"

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

uint64_t cache_find(struct cache *c, const void *data, size_t n) {
        uint64_t hash = hash_of(c, data, n);
        const struct entry *e = &c->entries[hash & (c->size - 1)];

        return e->hash == hash && e->n == n && e->data && memcmp(e->data, data, n) == 0 ? e->number
                                                                                        : 0;
}

bool cache_seen(struct cache *c, const void *data, size_t n) {
        uint64_t hash = hash_of(c, data, n);
        uint64_t *seen = &c->seen[hash & (c->size - 1)];
        bool before = *seen == hash;

        *seen = hash;
        return before;
}

void cache_keep(struct cache *c, const void *data, size_t n, uint64_t number) {
        uint64_t hash = hash_of(c, data, n);
        struct entry *e = &c->entries[hash & (c->size - 1)];
        void *copy = malloc(n ?: 1);

        if (!copy)
                return;
        free(e->data);
        *e = (struct entry){hash, number, memcpy(copy, data, n), n};
}
