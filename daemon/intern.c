/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "intern.h"
#include "util.h"

enum { BUCKETS_FIRST = 256 }; /* a power of two */

struct item {
        struct item *next; /* of the same bucket */
        uint32_t hash;
        uint32_t holders;
        size_t size;
        _Alignas(8) uint8_t data[];
};

struct intern {
        struct item **buckets;
        size_t n_buckets; /* a power of two */
        size_t n;
};

int intern_new(struct intern **ret) {
        struct intern *in = calloc(1, sizeof(*in));

        if (!in)
                return -ENOMEM;
        in->n_buckets = BUCKETS_FIRST;
        in->buckets = calloc(in->n_buckets, sizeof(*in->buckets));
        if (!in->buckets) {
                free(in);
                return -ENOMEM;
        }
        *ret = in;
        return 0;
}

struct intern *intern_free(struct intern *in) {
        struct item *item;

        if (!in)
                return NULL;
        for (size_t i = 0; i < in->n_buckets; i++)
                while ((item = in->buckets[i])) {
                        in->buckets[i] = item->next;
                        free(item);
                }
        free(in->buckets);
        free(in);
        return NULL;
}

static void grow(struct intern *in) {
        size_t n = 2 * in->n_buckets;
        struct item **buckets = calloc(n, sizeof(*buckets)), *item;

        if (!buckets)
                return; /* it goes on, only slower */
        for (size_t i = 0; i < in->n_buckets; i++)
                while ((item = in->buckets[i])) {
                        in->buckets[i] = item->next;
                        item->next = buckets[item->hash & (n - 1)];
                        buckets[item->hash & (n - 1)] = item;
                }
        free(in->buckets);
        in->buckets = buckets;
        in->n_buckets = n;
}

const void *intern_hold(struct intern *in, const void *data, size_t n) {
        /* The names that a hostile loader chooses may share a bucket: there are no more of them
         * than objects, which are bounded. */
        const uint32_t h = (uint32_t) hash_bytes(HASH_BEGIN, data, n);
        struct item *item = in->buckets[h & (in->n_buckets - 1)];

        while (item && (item->hash != h || item->size != n || memcmp(item->data, data, n) != 0))
                item = item->next;
        if (item) {
                item->holders++;
                return item->data;
        }

        item = malloc(sizeof(*item) + n);
        if (!item)
                return NULL;
        if (in->n >= in->n_buckets)
                grow(in);
        *item = (struct item){in->buckets[h & (in->n_buckets - 1)], h, 1, n};
        memcpy(item->data, data, n);
        in->buckets[h & (in->n_buckets - 1)] = item;
        in->n++;
        return item->data;
}

const char *intern_string(struct intern *in, const char *s) {
        return s ? intern_hold(in, s, strlen(s) + 1) : NULL;
}

void intern_release(struct intern *in, const void *data) {
        struct item *item, **at;

        if (!data)
                return;
        item = (struct item *) ((uintptr_t) data - offsetof(struct item, data));
        if (--item->holders > 0)
                return;
        at = &in->buckets[item->hash & (in->n_buckets - 1)];
        while (*at != item)
                at = &(*at)->next;
        *at = item->next;
        free(item);
        in->n--;
}

size_t intern_count(const struct intern *in) {
        return in->n;
}
