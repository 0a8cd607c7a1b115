/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Growing pieces of memory, and numbers in as few bytes as they need (LEB128). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* A zeroed struct is empty. */
struct bytes {
        uint8_t *data;
        size_t n;
        size_t size;
        bool failed; /* out of memory: something is missing */
};

static inline void bytes_done(struct bytes *b) {
        free(b->data);
        *b = (struct bytes){};
}
#define _cleanup_bytes_ _cleanup_(bytes_done)

/* Empties it, keeps its memory. */
static inline void bytes_reset(struct bytes *b) {
        b->n = 0;
        b->failed = false;
}

static inline bool bytes_room(struct bytes *b, size_t n) {
        if (b->size - b->n >= n)
                return true;

        size_t size = MAX(MAX(b->size * 2, b->n + n), (size_t) 256);
        uint8_t *data = realloc(b->data, size);
        if (!data) {
                b->failed = true;
                return false;
        }

        b->data = data;
        b->size = size;
        return true;
}

static inline void bytes_put(struct bytes *b, const void *data, size_t n) {
        if (n == 0 || !bytes_room(b, n))
                return;

        memcpy(b->data + b->n, data, n);
        b->n += n;
}

static inline void bytes_put_byte(struct bytes *b, uint8_t byte) {
        if (bytes_room(b, 1))
                b->data[b->n++] = byte;
}

static inline void bytes_put_number(struct bytes *b, uint64_t number) {
        if (!bytes_room(b, 10))
                return;

        for (; number >= 0x80; number >>= 7)
                b->data[b->n++] = (uint8_t) (number | 0x80);
        b->data[b->n++] = (uint8_t) number;
}

/* Small negative numbers are small, too. */
static inline void bytes_put_signed(struct bytes *b, int64_t number) {
        bytes_put_number(b, ((uint64_t) number << 1) ^ (uint64_t) (number >> 63));
}

/* A length, then so many bytes. */
static inline void bytes_put_block(struct bytes *b, const void *data, size_t n) {
        bytes_put_number(b, n);
        bytes_put(b, data, n);
}

/* What is still to be read. Reading beyond the end, or what is no number, sets `bad` and gives
 * zeroes from then on. */
struct bytes_reader {
        const uint8_t *at;
        const uint8_t *end;
        bool bad;
};

static inline struct bytes_reader bytes_reader(const void *data, size_t n) {
        return (struct bytes_reader){data, (const uint8_t *) data + n, false};
}

static inline size_t bytes_left(const struct bytes_reader *r) {
        return r->bad ? 0 : (size_t) (r->end - r->at);
}

/* The next `n` bytes, or NULL. */
static inline const void *bytes_take(struct bytes_reader *r, size_t n) {
        if (bytes_left(r) < n) {
                r->bad = true;
                return NULL;
        }

        const void *data = r->at;
        r->at += n;
        return data;
}

static inline uint8_t bytes_take_byte(struct bytes_reader *r) {
        const uint8_t *byte = bytes_take(r, 1);

        return byte ? *byte : 0;
}

static inline uint64_t bytes_take_number(struct bytes_reader *r) {
        uint64_t number = 0;

        for (unsigned shift = 0; shift < 64; shift += 7) {
                uint8_t byte = bytes_take_byte(r);

                number |= (uint64_t) (byte & 0x7f) << shift;
                if (!(byte & 0x80))
                        return number;
        }

        r->bad = true;
        return 0;
}

static inline int64_t bytes_take_signed(struct bytes_reader *r) {
        uint64_t number = bytes_take_number(r);

        return (int64_t) (number >> 1) ^ -(int64_t) (number & 1);
}

/* A block: its bytes and their number; NULL where it is cut. */
static inline const void *bytes_take_block(struct bytes_reader *r, size_t *ret_n) {
        *ret_n = bytes_take_number(r);
        return bytes_take(r, *ret_n);
}
