/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* SHA-256 as libnettle has it, in the way of each of its versions. */

#include <nettle/sha2.h>
#include <nettle/version.h>

enum {
        SHA256_HEX = 2 * SHA256_DIGEST_SIZE + 1, /* bytes with NUL */
};

/* Ends the hash. */
static inline void sha256_end(struct sha256_ctx *c, uint8_t ret[static SHA256_DIGEST_SIZE]) {
#if NETTLE_VERSION_MAJOR >= 4
        sha256_digest(c, ret);
#else
        sha256_digest(c, SHA256_DIGEST_SIZE, ret);
#endif
}

/* Ends the hash; writes it in hexadecimal. */
static inline void sha256_hex(struct sha256_ctx *c, char ret[static SHA256_HEX]) {
        static const char digits[] = "0123456789abcdef";
        uint8_t digest[SHA256_DIGEST_SIZE];

        sha256_end(c, digest);
        for (size_t i = 0; i < sizeof(digest); i++) {
                ret[2 * i] = digits[digest[i] >> 4];
                ret[2 * i + 1] = digits[digest[i] & 0xf];
        }
        ret[2 * sizeof(digest)] = 0;
}
