/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Hashes, to find a place in a table. Who knows them can make keys meet: a table of what strangers
 * choose bounds how many there are. */

#include <stddef.h>
#include <stdint.h>

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ What is hashed first begins with HASH_BEGIN,
 * what goes with it with what came of that. */
#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_bytes(uint64_t h, const void *data, size_t n) {
        for (const uint8_t *p = data; n > 0; p++, n--)
                h = (h ^ *p) * UINT64_C(0x100000001b3);
        return h;
}

static inline uint64_t hash_string(uint64_t h, const char *s) {
        for (; *s; s++)
                h = (h ^ (uint8_t) *s) * UINT64_C(0x100000001b3);
        return h;
}

/* The same for numbers, from 0 on, and faster. */
static inline uint64_t hash_number(uint64_t h, uint64_t v) {
        h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */
        return h ^ h >> 32;
}
