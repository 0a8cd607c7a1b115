/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "file-open.h"
#include "symbol-cache.h"
#include "symbol-search.h"
#include "symbols.h"
#include "util.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
        BURST_SECONDS = 3,   /* of searches one after the other, */
        BURST_SEARCHES = 15, /* on a slow machine so many, */
        SHARE = 10,          /* and then one part in so many of the time */
        FORGET_SECONDS = 5,  /* modules come and go, and what is in none may be in one then */
};

struct symbols {
        uint64_t (*now)(void); /* CLOCK_MONOTONIC, ns */
        struct symbol_cache cache;
        uint64_t spent;   /* ns of searches, less what time has made up for */
        uint64_t updated; /* when that was true, ns */
        uint64_t last;    /* how long the last search took, ns */
};

int symbols_new(struct symbols **ret) {
        return symbols_new_at(ret, clock_now);
}

int symbols_new_at(struct symbols **ret, uint64_t (*now)(void)) {
        struct symbols *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->now = now;
        *ret = s;
        return 0;
}

struct symbols *symbols_free(struct symbols *s) {
        if (!s)
                return NULL;
        symbol_cache_clear(&s->cache);
        free(s);
        return NULL;
}

/* Whoever makes us look for ever other addresses does not keep us from everything else. */
static bool may_search(struct symbols *s, uint64_t now) {
        uint64_t made_up = (now - s->updated) / SHARE;

        s->spent -= MIN(made_up, s->spent);
        s->updated = now;
        return s->spent < MAX(BURST_SECONDS * NS_PER_SECOND, BURST_SEARCHES * s->last);
}

/* How one kind of list is searched. */
struct source {
        struct symbol_key key; /* but for the address */
        int fd;                /* of the file, -1: the kernel */
};

static int search(struct symbols *s, const struct source *source, struct place *places, size_t n) {
        uint64_t start = s->now();
        int k;

        if (!may_search(s, start))
                return -EBUSY;
        k = source->fd >= 0 ? elf_find(source->fd, places, n)
                            : kallsyms_find("/proc/kallsyms", places, n);
        s->last = s->now() - start;
        s->spent += s->last;
        return k;
}

static uint64_t expiry(const struct source *source, const char *name, uint64_t now) {
        bool stays = source->fd >= 0 || (name && !strchr(name, ' '));

        return stays ? 0 : now + FORGET_SECONDS * NS_PER_SECOND;
}

/* The answers of a search, found or not, are remembered and told. */
static void take_answers(struct symbols *s, const struct source *source, struct place *places,
                         size_t n, const uint64_t *addresses, const char **ret) {
        uint64_t now = s->now();

        for (size_t i = 0; i < n; i++) {
                struct symbol_key key = source->key;
                const struct symbol_answer *a;

                key.address = addresses[places[i].index];
                a = symbol_cache_get(&s->cache, &key, now);
                if (!a) {
                        uint64_t expires = expiry(source, places[i].name, now);

                        a = symbol_cache_add(&s->cache, &key, expires, TAKE_PTR(places[i].name));
                }
                ret[places[i].index] = a ? a->name : NULL;
        }
}

static int list(struct symbols *s, const struct source *source, const uint64_t *addresses, size_t n,
                const char **ret) {
        _cleanup_free_ struct place *places = calloc(n + 1, sizeof(*places));
        uint64_t now = s->now();
        size_t missing = 0;
        int k = 0;

        if (!places)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                struct symbol_key key = source->key;
                const struct symbol_answer *a;

                key.address = addresses[i];
                a = symbol_cache_get(&s->cache, &key, now);
                ret[i] = a ? a->name : NULL;
                if (!a)
                        places[missing++] = (struct place){.address = addresses[i], .index = i};
        }
        if (missing > 0) {
                qsort(places, missing, sizeof(*places), place_compare);
                k = search(s, source, places, missing);
                if (k >= 0)
                        take_answers(s, source, places, missing, addresses, ret);
        }
        for (size_t i = 0; i < missing; i++)
                free(places[i].name);
        return k;
}

int symbols_kernel_list(struct symbols *s, const uint64_t *addresses, size_t n, const char **ret) {
        struct source kernel = {.fd = -1};

        if (n > SYMBOLS_LIST_MAX)
                return -E2BIG;
        return list(s, &kernel, addresses, n, ret);
}

static bool is_it(const struct statx *sx, const struct file_identity *which) {
        return sx->stx_ino == which->inode &&
               (sx->stx_dev_major << 20 | sx->stx_dev_minor) == which->device;
}

int symbols_file_list(struct symbols *s, pid_t pid, const char *path,
                      const struct file_identity *which, const uint64_t *offsets, size_t n,
                      const char **ret) {
        _cleanup_close_ int fd = -1;
        struct source file = {};
        struct statx sx;

        if (n > SYMBOLS_LIST_MAX)
                return -E2BIG;
        fd = file_open(pid, path, &sx);
        if (fd < 0) {
                memset(ret, 0, n * sizeof(*ret));
                return fd;
        }
        if (which && !is_it(&sx, which)) {
                memset(ret, 0, n * sizeof(*ret));
                return -ESTALE;
        }
        file.fd = fd;
        file.key = (struct symbol_key){
                .device = (uint64_t) sx.stx_dev_major << 32 | sx.stx_dev_minor,
                .inode = sx.stx_ino,
                .changed = (uint64_t) sx.stx_mtime.tv_sec * NS_PER_SECOND + sx.stx_mtime.tv_nsec,
                .size = sx.stx_size,
        };
        return list(s, &file, offsets, n, ret);
}

/* One name of a list of one. */
static int copy_name(int k, const char *name, char *ret, size_t n) {
        if (k < 0)
                return k;
        if (!name)
                return -ENOENT;
        snprintf(ret, n, "%s", name);
        return 0;
}

int symbols_kernel(struct symbols *s, uint64_t address, char *ret, size_t n) {
        const char *name = NULL;
        int k = symbols_kernel_list(s, &address, 1, &name);

        return copy_name(k, name, ret, n);
}

int symbols_file(struct symbols *s, pid_t pid, const char *path, const struct file_identity *which,
                 uint64_t offset, char *ret, size_t n) {
        const char *name = NULL;
        int k = symbols_file_list(s, pid, path, which, &offset, 1, &name);

        return copy_name(k, name, ret, n);
}
