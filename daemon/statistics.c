/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "statistics.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inventory-scan.h"
#include "util.h"

enum { APART_NSEC = 500000000 };

/* What a program has run up to a moment. */
struct ran {
        uint32_t id;
        uint64_t time, count;
};

struct sample {
        uint64_t at; /* ns; 0: none */
        struct ran *items;
        size_t n; /* by id */
};

struct statistics {
        int fd; /* while it is open, the kernel counts */
        struct sample before, last;
};

int statistics_new(struct statistics **ret) {
        struct statistics *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->fd = -1;
        *ret = s;
        return 0;
}

static void clear(struct sample *x) {
        free(x->items);
        *x = (struct sample){};
}

struct statistics *statistics_free(struct statistics *s) {
        if (!s)
                return NULL;
        closep(&s->fd);
        clear(&s->before);
        clear(&s->last);
        free(s);
        return NULL;
}

int statistics_start(struct statistics *s) {
        if (s->fd >= 0)
                return 0;
        s->fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
        if (s->fd < 0)
                return -errno;
        /* What was not counted makes no rate. */
        clear(&s->before);
        clear(&s->last);
        return 0;
}

void statistics_stop(struct statistics *s) {
        closep(&s->fd);
        s->fd = -1;
        clear(&s->before);
        clear(&s->last);
}

bool statistics_are_on(const struct statistics *s) {
        return s->fd >= 0;
}

static bool take(struct sample *x, const struct scan *scan) {
        x->items = malloc(MAX(scan->n_progs, (size_t) 1) * sizeof(x->items[0]));
        if (!x->items)
                return false;
        x->at = scan->started;
        for (size_t i = 0; i < scan->n_progs; i++) {
                const struct bpf_prog_info *p = &scan->progs[i].info;
                x->items[x->n++] = (struct ran){p->id, p->run_time_ns, p->run_cnt};
        }
        return true;
}

void statistics_sample(struct statistics *s, const struct scan *scan) {
        struct sample x = {};

        if (!statistics_are_on(s) && !scan->statistics) {
                clear(&s->before);
                clear(&s->last);
                return;
        }
        if (s->last.at != 0 && scan->started < s->last.at + APART_NSEC)
                return;
        if (!take(&x, scan))
                return;
        clear(&s->before);
        s->before = s->last;
        s->last = x;
}

static int compare(const void *a, const void *b) {
        const struct ran *x = a, *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

static const struct ran *find(const struct sample *x, uint32_t id) {
        const struct ran wanted = {.id = id};

        return x->n > 0 ? bsearch(&wanted, x->items, x->n, sizeof(wanted), compare) : NULL;
}

static uint64_t per_second(uint64_t number, uint64_t nsec) {
        return (uint64_t) ((__uint128_t) number * 1000000000 / nsec);
}

bool statistics_rate(const struct statistics *s, uint32_t prog, struct statistics_rate *ret) {
        const struct ran *before = find(&s->before, prog), *last = find(&s->last, prog);
        const uint64_t nsec = s->last.at - s->before.at;

        if (!before || !last || nsec == 0 || last->count < before->count ||
            last->time < before->time)
                return false;
        ret->runs = per_second(last->count - before->count, nsec);
        ret->time = per_second(last->time - before->time, nsec);
        return true;
}
