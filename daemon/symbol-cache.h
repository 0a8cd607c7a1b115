/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Answers that symbols.c has given. Bounded: those that nobody asks for any more go first. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        SYMBOL_CACHE_GENERATION = 1024, /* answers of which there are up to two times as many */
};

/* What was asked: an address, and in which file (zeroes: the kernel). Compared as bytes. */
struct symbol_key {
        uint64_t address;
        uint64_t device, inode;
        uint64_t changed, size;
};

struct symbol_answer {
        struct symbol_key key;
        uint64_t expires; /* ns, 0: never */
        char *name;       /* NULL: there is none */
        bool used;
};

struct symbol_cache {
        struct symbol_generation *young, *old;
};

/* The answer, or NULL. It stays until SYMBOL_CACHE_GENERATION other answers have been found or
 * added. `now`: against `expires`. */
const struct symbol_answer *symbol_cache_get(struct symbol_cache *c, const struct symbol_key *key,
                                             uint64_t now);

/* Adds an answer; `name` moves here. Returns it, or NULL when out of memory. */
const struct symbol_answer *symbol_cache_add(struct symbol_cache *c, const struct symbol_key *key,
                                             uint64_t expires, char *name);

void symbol_cache_clear(struct symbol_cache *c);
