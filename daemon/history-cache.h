/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which bytes have which number: what was used last, of bounded size. What falls out gets another
 * number when it comes again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

/* `size` entries, a power of two from 4 on. Returns 0 or a negative errno. */
int cache_new(struct cache **ret, size_t size);
struct cache *cache_free(struct cache *c);

/* Forgets everything. */
void cache_clear(struct cache *c);

/* The number of the bytes, or 0. */
uint64_t cache_find(struct cache *c, const void *data, size_t n);

/* Whether this was asked before about the bytes, not long ago. Seldom true by mistake. */
bool cache_seen(struct cache *c, const void *data, size_t n);

/* Keeps a number (not 0) for the bytes, which are copied. Without memory it is not kept. */
void cache_keep(struct cache *c, const void *data, size_t n, uint64_t number);
