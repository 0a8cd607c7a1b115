/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-side.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover.h"
#include "kernel-side.h"
#include "log.h"
#include "ownership.h"
#include "util.h"

#include "bpfmon.skel.h"

#define MAP_NAME "connections"

enum {
        BATCH = 1024,          /* ends read at a time; a bucket of the map holds a few */
        BATCH_MAX = 16 * 1024, /* where a bucket holds more */
        ROUND_READS_MAX = 100000,
};

struct connection_side {
        const struct kernel_side *kernel;
        const struct ownership *ownership;
        struct handover *handover;
        unsigned cpus;
        int map; /* -1: none */
        uint32_t map_id, max;
        int links[_KERNEL_ITERATOR_MAX]; /* -1: none */
        uint32_t link_ids[_KERNEL_ITERATOR_MAX];
        uint64_t removed;                     /* by us */
        uint64_t made_before, removed_before; /* by the kernel side, before the map was made */
};

/* What is attached at calls that send and receive, where the kernel counts what they miss. */
static const enum hook use_hooks[] = {HOOK_SOCK_SEND, HOOK_SOCK_RECEIVE, HOOK_SOCK_SEND_CLASSIC,
                                      HOOK_SOCK_RECEIVE_CLASSIC};

static struct connection_counts sum_counts(const struct connection_side *s) {
        struct connection_counts sum = {}, one;

        for (uint32_t i = 0; i <= s->cpus; i++)
                if (bpf_map_lookup_elem(s->kernel->maps[MAP_CONNECTION_COUNTS], &i, &one) == 0) {
                        sum.made += one.made;
                        sum.removed += one.removed;
                }
        return sum;
}

/* The daemon before us may have left a map. What it was told of processes, we were not. */
static void take_up(struct connection_side *s) {
        int processes = s->kernel->maps[MAP_CONNECTION_PROCESSES];
        struct bpf_map_info info = {};
        uint32_t size = sizeof(info), tgid;

        s->map = handover_take(s->handover, HANDOVER_MAP, MAP_NAME);
        if (s->map < 0)
                return;
        if (bpf_obj_get_info_by_fd(s->map, &info, &size) < 0) {
                closep(&s->map);
                s->map = -1;
                return;
        }
        s->map_id = info.id;
        s->max = info.max_entries;
        while (bpf_map_get_next_key(processes, NULL, &tgid) == 0 &&
               bpf_map_delete_elem(processes, &tgid) == 0)
                ;
}

int connection_side_new(struct connection_side **ret, const struct kernel_side *kernel,
                        const struct ownership *ownership, struct handover *handover,
                        unsigned cpus) {
        struct connection_side *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->kernel = kernel;
        s->ownership = ownership;
        s->handover = handover;
        s->cpus = cpus;
        s->map = -1;
        for (size_t i = 0; i < ELEMENTSOF(s->links); i++)
                s->links[i] = -1;
        take_up(s);
        *ret = s;
        return 0;
}

static void drop_links(struct connection_side *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->links); i++) {
                closep(&s->links[i]);
                s->links[i] = -1;
                ownership_give(s->ownership, OBJECT_LINK, s->link_ids[i]);
                s->link_ids[i] = 0;
        }
}

struct connection_side *connection_side_free(struct connection_side *s) {
        if (!s)
                return NULL;
        drop_links(s);
        closep(&s->map); /* the kernel side has it, while that lives */
        free(s);
        return NULL;
}

int connection_side_start(struct connection_side *s, uint32_t max) {
        struct connection_counts counts;
        uint32_t zero = 0;
        int k;

        if (s->map >= 0)
                return 0;
        s->map = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, MAP_NAME, sizeof(uint64_t),
                                sizeof(struct connection), max, NULL);
        if (s->map < 0)
                return -errno;
        counts = sum_counts(s);
        s->made_before = counts.made;
        s->removed_before = counts.removed;
        s->removed = 0;
        s->map_id = ownership_take(s->ownership, OBJECT_MAP, s->map);
        s->max = max;
        s->kernel->bss->connections_seeded = 0;
        if (bpf_map_update_elem(s->kernel->maps[MAP_CONNECTION_SPACE], &zero, &s->map, BPF_ANY) <
            0) {
                k = -errno;
                connection_side_stop(s);
                return k;
        }
        k = handover_keep(s->handover, HANDOVER_MAP, MAP_NAME, s->map);
        if (k < 0)
                log_warning("Connections cannot be handed to the next bpfmond: %s", strerror(-k));
        return 0;
}

void connection_side_stop(struct connection_side *s) {
        uint32_t zero = 0;

        if (s->map < 0)
                return;
        (void) bpf_map_delete_elem(s->kernel->maps[MAP_CONNECTION_SPACE], &zero);
        closep(&s->map);
        s->map = -1;
        handover_drop(s->handover, HANDOVER_MAP, MAP_NAME);
        ownership_give(s->ownership, OBJECT_MAP, s->map_id);
        s->map_id = 0;
        drop_links(s);
}

void connection_side_count(struct connection_side *s, bool seen) {
        s->kernel->bss->connections_counted = seen;
}

bool connection_side_runs(const struct connection_side *s) {
        return s->map >= 0;
}

uint32_t connection_side_max(const struct connection_side *s) {
        return s->max;
}

bool connection_side_goes_over(const struct connection_side *s, int family) {
        return s->kernel->iterators[family == AF_UNIX ? ITERATE_UNIX : ITERATE_TCP] >= 0;
}

/* Runs one iterator to its end. */
static int iterate(struct connection_side *s, enum kernel_iterator which) {
        _cleanup_close_ int fd = -1;
        char nothing[64];
        ssize_t n;

        if (s->kernel->iterators[which] < 0)
                return -ENOENT;
        if (s->links[which] < 0) {
                s->links[which] = bpf_link_create(s->kernel->iterators[which], 0, BPF_TRACE_ITER,
                                                  NULL);
                if (s->links[which] < 0)
                        return -errno;
                s->link_ids[which] = ownership_take(s->ownership, OBJECT_LINK, s->links[which]);
        }
        fd = bpf_iter_create(s->links[which]);
        if (fd < 0)
                return -errno;
        for (int i = 0; i < ROUND_READS_MAX; i++) {
                n = read(fd, nothing, sizeof(nothing));
                if (n == 0)
                        return 0;
                if (n < 0 && errno != EAGAIN)
                        return -errno;
        }
        return -EAGAIN;
}

uint32_t connection_side_round(struct connection_side *s) {
        uint32_t generation = s->kernel->bss->connection_generation + 1 ?: 1;
        bool whole = true;
        int k;

        if (s->map < 0)
                return 0;
        s->kernel->bss->connection_generation = generation;
        for (enum kernel_iterator i = 0; i < _KERNEL_ITERATOR_MAX; i++) {
                k = iterate(s, i);
                if (k >= 0 || k == -ENOENT)
                        continue;
                log_debug("Cannot go over all sockets: %s", strerror(-k));
                whole = false;
        }
        s->kernel->bss->connections_seeded = connection_side_goes_over(s, AF_UNIX);
        return whole ? generation : 0;
}

/* Room for one batch. */
struct batch {
        uint64_t *keys;
        struct connection *values;
        uint32_t size;
};

static void batch_done(struct batch *b) {
        free(b->keys);
        free(b->values);
}

static int batch_grow(struct batch *b, uint32_t size) {
        batch_done(b);
        b->keys = malloc(size * sizeof(*b->keys));
        b->values = malloc(size * sizeof(*b->values));
        b->size = size;
        return b->keys && b->values ? 0 : -ENOMEM;
}

int connection_side_read(struct connection_side *s,
                         int (*each)(uint64_t key, const struct connection *c, void *userdata),
                         void *userdata, uint64_t *ret_evicted) {
        _cleanup_(batch_done) struct batch b = {};
        uint64_t made, gone, present = 0;
        uint32_t at, next, n;
        bool begun = false, last = false;
        int k;

        if (s->map < 0)
                return -ENOENT;
        k = batch_grow(&b, BATCH);
        /* In this order what comes and goes meanwhile never looks as if it were pushed out. */
        made = sum_counts(s).made - s->made_before;
        while (k >= 0 && !last) {
                n = b.size;
                k = bpf_map_lookup_batch(s->map, begun ? &at : NULL, &next, b.keys, b.values, &n,
                                         NULL);
                if (k < 0 && errno == ENOSPC && b.size < BATCH_MAX) {
                        k = batch_grow(&b, 4 * b.size);
                        continue;
                }
                if (k < 0 && errno != ENOENT)
                        return -errno;
                last = k < 0;
                k = 0;
                begun = true;
                at = next;
                present += n;
                for (uint32_t i = 0; k >= 0 && i < n; i++)
                        k = each(b.keys[i], &b.values[i], userdata);
        }
        gone = sum_counts(s).removed - s->removed_before + s->removed;
        *ret_evicted = made > gone + present ? made - gone - present : 0;
        return k;
}

uint64_t connection_side_missed(struct connection_side *s) {
        uint64_t before = s->kernel->bss->connections_missed, now = 0;

        for (size_t i = 0; i < ELEMENTSOF(use_hooks); i++)
                now += kernel_side_misses(s->kernel, use_hooks[i]);
        if (now <= before) /* less, where the kernel could not be asked */
                return 0;
        s->kernel->bss->connections_missed = now;
        return now - before;
}

bool connection_side_is_own(const struct connection_side *s, const struct connection *c) {
        return c->flags & CONNECTION_TASK && c->task.tgid == s->kernel->bss->own_tgid;
}

void connection_side_remove(struct connection_side *s, uint64_t key) {
        if (s->map >= 0 && bpf_map_delete_elem(s->map, &key) == 0)
                s->removed++;
}
