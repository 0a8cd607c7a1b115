/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory-scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "event.h"
#include "kfuncs.h"
#include "symbols.h"
#include "util.h"

void scan_cut(struct scan *s, enum scan_part part, enum scan_reason why) {
        s->incomplete[why] |= part;
}

unsigned scan_incomplete(const struct scan *s, unsigned parts) {
        unsigned found = 0;

        for (int i = 0; i < _SCAN_REASON_MAX; i++)
                found |= s->incomplete[i];
        return found & parts;
}

bool scan_late(struct scan *s, enum scan_part part) {
        const struct scan_question *q = s->question;

        if (clock_now() < s->deadline &&
            !(q->cancelled && atomic_load_explicit(q->cancelled, memory_order_relaxed)))
                return false;
        scan_cut(s, part, SCAN_OUT_OF_TIME);
        return true;
}

void *scan_add(void *array, size_t *n, size_t size, size_t max) {
        void **items = array;
        char *item;

        if (*n >= max)
                return NULL;
        /* The array doubles whenever its length is a power of two. */
        if ((*n & (*n - 1)) == 0) {
                void *grown = reallocarray(*items, *n ? *n * 2 : 1, size);

                if (!grown)
                        return NULL;
                *items = grown;
        }
        item = (char *) *items + (*n)++ * size;
        memset(item, 0, size);
        return item;
}

int scan_attach(struct scan *s, enum scan_part part, const struct scan_attachment *a,
                const char *target) {
        char *copy = target ? strdup(target) : NULL;
        struct scan_attachment *x;

        if (target && !copy)
                return -ENOMEM;
        x = scan_add(&s->attachments, &s->n_attachments, sizeof(*x), SCAN_FOUND_MAX);
        if (!x) {
                free(copy);
                scan_cut(s, part, SCAN_TOO_MANY);
                return s->n_attachments >= SCAN_FOUND_MAX ? 0 : -ENOMEM;
        }
        *x = *a;
        x->target = copy;
        return 0;
}

/* What it takes to make it. */
static void let_go(struct scan *s) {
        free(s->scratch);
        s->scratch = NULL;
        s->symbols = symbols_free(s->symbols);
        s->kfuncs = kfuncs_free(s->kfuncs);
        s->question = NULL;
}

struct scan *scan_free(struct scan *s) {
        if (!s)
                return NULL;

        for (size_t i = 0; i < s->n_links; i++) {
                free(s->links[i].name);
                free(s->links[i].numbers);
                free(s->links[i].target);
                for (size_t j = 0; j < s->links[i].n_targets; j++)
                        free(s->links[i].targets[j]);
                free(s->links[i].targets);
        }
        for (size_t i = 0; i < s->n_pins; i++)
                free(s->pins[i].path);
        for (size_t i = 0; i < s->n_attachments; i++)
                free(s->attachments[i].target);
        for (size_t i = 0; i < s->n_cgroups; i++)
                free(s->cgroups[i].path);
        for (size_t i = 0; i < s->n_perfs; i++)
                free(s->perfs[i].target);
        for (int i = 0; i < _SCAN_RELATION_MAX; i++)
                free(s->pairs[i]);
        let_go(s);
        free(s->cgroups);
        free(s->perfs);
        free(s->progs);
        free(s->maps);
        free(s->links);
        free(s->btfs);
        free(s->holders);
        free(s->pins);
        free(s->attachments);
        free(s->ids);
        free(s);
        return NULL;
}

/* Order ---------------------------------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b) {
        return (a > b) - (a < b);
}

/* Holders and pins begin with kind and id. */
static uint64_t key(uint32_t kind, uint32_t id) {
        return (uint64_t) kind << 32 | id;
}

static int compare_holders(const void *a, const void *b) {
        const struct scan_holder *x = a, *y = b;
        int k = compare_numbers(key(x->kind, x->id), key(y->kind, y->id));

        return k ? k : compare_numbers(x->pid, y->pid);
}

static int compare_pins(const void *a, const void *b) {
        const struct scan_pin *x = a, *y = b;
        int k = compare_numbers(key(x->kind, x->id), key(y->kind, y->id));

        return k ? k : strcmp(x->path, y->path);
}

static int compare_attachments(const void *a, const void *b) {
        const struct scan_attachment *x = a, *y = b;
        int k = compare_numbers(x->prog, y->prog);

        if (k == 0)
                k = compare_numbers(x->link, y->link);
        if (k == 0)
                k = strcmp(x->via, y->via);
        return k ? k : strcmp(x->target ?: "", y->target ?: "");
}

static void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *)) {
        if (n > 1)
                qsort(items, n, size, compare);
}

/* A process may have many fds of one object. */
static void fold_holders(struct scan *s) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_holders; i++)
                if (n == 0 || compare_holders(&s->holders[n - 1], &s->holders[i]) != 0)
                        s->holders[n++] = s->holders[i];
        s->n_holders = n;
}

/* The kernel lists objects by id, but an id may come anew while it does. */
#define DEFINE_BY_ID(name, member, counter, id)                                                 \
        static int compare_##name(const void *a, const void *b) {                               \
                return compare_numbers(((const struct scan_##name *) a)->id,                    \
                                       ((const struct scan_##name *) b)->id);                   \
        }                                                                                       \
        const struct scan_##name *scan_##name(const struct scan *s, uint32_t number) {          \
                struct scan_##name wanted;                                                      \
                                                                                                \
                wanted.id = number;                                                             \
                return s->counter > 0 ? bsearch(&wanted, s->member, s->counter, sizeof(wanted), \
                                                compare_##name)                                 \
                                      : NULL;                                                   \
        }                                                                                       \
        struct _semicolon_

DEFINE_BY_ID(prog, progs, n_progs, info.id);
DEFINE_BY_ID(map, maps, n_maps, info.id);
DEFINE_BY_ID(link, links, n_links, info.id);
DEFINE_BY_ID(btf, btfs, n_btfs, id);

/* First item whose key is not below `wanted`, and how many have it. */
#define DEFINE_RANGE(function, type, member, counter, key_of)                             \
        static const struct type *function##_range(const struct scan *s, uint64_t wanted, \
                                                   size_t *ret_n) {                       \
                size_t low = 0, high = s->counter, n = 0;                                 \
                                                                                          \
                while (low < high) {                                                      \
                        const size_t middle = low + (high - low) / 2;                     \
                        const struct type *x = &s->member[middle];                        \
                        if ((key_of) < wanted)                                            \
                                low = middle + 1;                                         \
                        else                                                              \
                                high = middle;                                            \
                }                                                                         \
                for (; low + n < s->counter; n++) {                                       \
                        const struct type *x = &s->member[low + n];                       \
                        if ((key_of) != wanted)                                           \
                                break;                                                    \
                }                                                                         \
                *ret_n = n;                                                               \
                return n > 0 ? &s->member[low] : NULL;                                    \
        }                                                                                 \
        struct _semicolon_

DEFINE_RANGE(holders, scan_holder, holders, n_holders, key(x->kind, x->id));
DEFINE_RANGE(pins, scan_pin, pins, n_pins, key(x->kind, x->id));
DEFINE_RANGE(attachments, scan_attachment, attachments, n_attachments, x->prog);

const struct scan_holder *scan_holders(const struct scan *s, uint32_t kind, uint32_t id,
                                       size_t *ret_n) {
        return holders_range(s, key(kind, id), ret_n);
}

const struct scan_pin *scan_pins(const struct scan *s, uint32_t kind, uint32_t id, size_t *ret_n) {
        return pins_range(s, key(kind, id), ret_n);
}

const struct scan_attachment *scan_attachments(const struct scan *s, uint32_t prog, size_t *ret_n) {
        return attachments_range(s, prog, ret_n);
}

/* What belongs to what ------------------------------------------------------------------------- */

static int compare_pairs(const void *a, const void *b) {
        const struct scan_pair *x = a, *y = b;

        return compare_numbers(key(x->from, x->to), key(y->from, y->to));
}

static int relate(struct scan *s, enum scan_relation relation, uint32_t from, uint32_t to) {
        struct scan_pair *p;

        if (from == 0)
                return 0;
        p = scan_add(&s->pairs[relation], &s->n_pairs[relation], sizeof(*p), SIZE_MAX);
        if (!p)
                return -ENOMEM;
        *p = (struct scan_pair){from, to};
        return 0;
}

static int relate_all(struct scan *s) {
        int k = 0;

        for (size_t i = 0; k >= 0 && i < s->n_progs; i++) {
                const struct scan_prog *p = &s->progs[i];

                for (size_t j = 0; k >= 0 && j < p->n_maps; j++)
                        k = relate(s, SCAN_MAP_PROGS, s->ids[p->maps + j], p->info.id);
                if (k >= 0)
                        k = relate(s, SCAN_BTF_PROGS, p->info.btf_id, p->info.id);
        }
        for (size_t i = 0; k >= 0 && i < s->n_links; i++)
                k = relate(s, SCAN_PROG_LINKS, s->links[i].info.prog_id, s->links[i].info.id);
        for (size_t i = 0; k >= 0 && i < s->n_maps; i++)
                k = relate(s, SCAN_BTF_MAPS, s->maps[i].info.btf_id, s->maps[i].info.id);
        for (int i = 0; i < _SCAN_RELATION_MAX; i++)
                sort(s->pairs[i], s->n_pairs[i], sizeof(s->pairs[i][0]), compare_pairs);
        return k;
}

size_t scan_related(const struct scan *s, enum scan_relation relation, uint32_t from, uint32_t *ret,
                    size_t max) {
        const struct scan_pair *pairs = s->pairs[relation];
        size_t low = 0, high = s->n_pairs[relation], n = 0;

        while (low < high) {
                const size_t middle = low + (high - low) / 2;
                if (pairs[middle].from < from)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; n < max && low < s->n_pairs[relation] && pairs[low].from == from; low++)
                if (n == 0 || ret[n - 1] != pairs[low].to)
                        ret[n++] = pairs[low].to;
        return n;
}

static void put_in_order(struct scan *s) {
        sort(s->holders, s->n_holders, sizeof(s->holders[0]), compare_holders);
        fold_holders(s);
        sort(s->pins, s->n_pins, sizeof(s->pins[0]), compare_pins);
        sort(s->attachments, s->n_attachments, sizeof(s->attachments[0]), compare_attachments);
}

static void put_objects_in_order(struct scan *s) {
        sort(s->progs, s->n_progs, sizeof(s->progs[0]), compare_prog);
        sort(s->maps, s->n_maps, sizeof(s->maps[0]), compare_map);
        sort(s->links, s->n_links, sizeof(s->links[0]), compare_link);
        sort(s->btfs, s->n_btfs, sizeof(s->btfs[0]), compare_btf);
}

/* In which order is looked. What users can make much of has a share of the time that is left, in
 * eighths, so that what is asked for beside it and comes after it is complete none the less; the
 * last one has all. What links are attached to has its name from those before; most of what anybody
 * can fill comes last. */
static const struct step {
        unsigned part, share;
        int (*look)(struct scan *s);
} steps[] = {
        {SCAN_CGROUPS, 3, scan_control_groups},
        {SCAN_NETWORKS, 3, scan_network},
        {SCAN_NETWORKS, 4, scan_sockmaps},
        {SCAN_ATTACHED, 6, scan_links},
        {SCAN_HOLDERS | SCAN_PERF, 4, scan_processes},
        {SCAN_PINS, 6, scan_file_systems},
        {SCAN_ATTACHED, 8, scan_perf_events},
};

static bool is_last(unsigned parts, size_t step) {
        for (size_t i = step + 1; i < ELEMENTSOF(steps); i++)
                if (parts & steps[i].part)
                        return false;
        return true;
}

static int look_around(struct scan *s, const struct scan_question *q) {
        int k = 0;

        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(steps); i++) {
                const uint64_t now = clock_now(), left = q->deadline - MIN(now, q->deadline);

                if (!(q->parts & steps[i].part))
                        continue;
                s->deadline = is_last(q->parts, i) ? q->deadline : now + left / 8 * steps[i].share;
                k = steps[i].look(s);
        }
        return k;
}

DEFINE_CLEANUP(struct scan *, scan_free);

int scan_new(struct scan **ret, const struct scan_question *q) {
        _cleanup_(scan_freep) struct scan *s = calloc(1, sizeof(*s));
        int k;

        if (!s)
                return -ENOMEM;
        s->question = q;
        s->parts = q->parts;
        s->started = clock_now();
        s->deadline = q->deadline;
        k = scan_objects(s);
        s->walked = clock_now();
        if (k < 0)
                return k;
        put_objects_in_order(s);
        k = relate_all(s);
        if (k < 0)
                return k;
        s->scratch = malloc(sizeof(*s->scratch));
        k = s->scratch ? symbols_new(&s->symbols) : -ENOMEM;
        if (k >= 0)
                k = kfuncs_new(&s->kfuncs, NULL);
        if (k >= 0)
                k = look_around(s, q);
        if (k < 0)
                return k;
        if (q->cancelled && atomic_load(q->cancelled))
                return -ECANCELED;
        put_in_order(s);
        let_go(s);
        *ret = TAKE_PTR(s);
        return 0;
}
