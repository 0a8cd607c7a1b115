/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "util.h"

/* One part. */
struct piece {
        uint8_t *data;
        size_t size, total;
        bool broken; /* a piece is missing in the middle */
};

/* All parts of a call or action. */
struct slot {
        uint64_t thread, entered;
        uint64_t used; /* when it came first; 0: free */
        struct piece pieces[_PART_MAX];
};

struct parts {
        struct slot slots[PARTS_ACTIONS_MAX];
        uint64_t clock;
        size_t bytes;
};

int parts_new(struct parts **ret) {
        struct parts *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        *ret = p;
        return 0;
}

static void slot_clear(struct parts *p, struct slot *s) {
        for (size_t i = 0; i < _PART_MAX; i++) {
                p->bytes -= s->pieces[i].size;
                free(s->pieces[i].data);
        }
        *s = (struct slot){};
}

struct parts *parts_free(struct parts *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < PARTS_ACTIONS_MAX; i++)
                slot_clear(p, &p->slots[i]);
        free(p);
        return NULL;
}

static const struct slot *find(const struct parts *p, uint64_t thread, uint64_t entered) {
        for (size_t i = 0; i < PARTS_ACTIONS_MAX; i++)
                if (p->slots[i].used && p->slots[i].thread == thread &&
                    p->slots[i].entered == entered)
                        return &p->slots[i];
        return NULL;
}

/* The slot that came first, of those that are in use and not `keep`. */
static struct slot *oldest(struct parts *p, const struct slot *keep) {
        struct slot *best = NULL;

        for (size_t i = 0; i < PARTS_ACTIONS_MAX; i++)
                if (p->slots[i].used && &p->slots[i] != keep &&
                    (!best || p->slots[i].used < best->used))
                        best = &p->slots[i];
        return best;
}

static struct slot *take_slot(struct parts *p, uint64_t thread, uint64_t entered) {
        struct slot *s = (struct slot *) find(p, thread, entered);

        if (s)
                return s;
        for (size_t i = 0; i < PARTS_ACTIONS_MAX && !s; i++)
                if (!p->slots[i].used)
                        s = &p->slots[i];
        if (!s) {
                s = oldest(p, NULL);
                slot_clear(p, s);
        }
        *s = (struct slot){.thread = thread, .entered = entered, .used = ++p->clock};
        return s;
}

/* Bytes that are allocated for so many: powers of two, so that each is seldom moved. */
static size_t room(size_t size) {
        size_t n = 8;

        while (n < size)
                n *= 2;
        return n;
}

/* Appends `size` bytes of `total`. */
static int append(struct parts *p, struct slot *s, struct piece *piece, const void *bytes,
                  size_t size, size_t total) {
        struct slot *victim;
        uint8_t *data;

        while (p->bytes + size > PARTS_BYTES_MAX && (victim = oldest(p, s)))
                slot_clear(p, victim);
        if (p->bytes + size > PARTS_BYTES_MAX) {
                piece->broken = true;
                return 0;
        }
        if (!piece->data || room(piece->size + size) > room(piece->size)) {
                data = realloc(piece->data, room(piece->size + size));
                if (!data)
                        return -ENOMEM;
                piece->data = data;
        }
        memcpy(piece->data + piece->size, bytes, size);
        piece->size += size;
        piece->total = total;
        p->bytes += size;
        return 0;
}

int parts_add(struct parts *p, const void *data, size_t size) {
        const struct record_part *r = data;
        struct piece *piece;
        struct slot *s;

        if (size < sizeof(*r) || r->part == 0 || r->part >= _PART_MAX ||
            r->size > size - sizeof(*r) || r->size > r->total || r->offset > r->total - r->size)
                return -EBADMSG;
        s = take_slot(p, r->thread, r->entered);
        piece = &s->pieces[r->part];
        if (piece->broken || r->offset != piece->size) {
                piece->broken = true;
                return 0;
        }
        return append(p, s, piece, r->data, r->size, r->total);
}

int parts_put(struct parts *p, uint64_t thread, uint64_t entered, enum part_kind kind,
              const void *data, size_t size) {
        struct slot *s = take_slot(p, thread, entered);
        struct piece *piece = &s->pieces[kind];

        p->bytes -= piece->size;
        piece->size = 0;
        piece->broken = false;
        return append(p, s, piece, data, size, size);
}

bool parts_get(const struct parts *p, uint64_t thread, uint64_t entered, enum part_kind kind,
               struct part *ret) {
        const struct slot *s = find(p, thread, entered);
        const struct piece *piece = s ? &s->pieces[kind] : NULL;

        if (!piece || !piece->data)
                return false;
        *ret = (struct part){
                .data = piece->data,
                .size = piece->size,
                .total = piece->total,
                .whole = !piece->broken && piece->size == piece->total,
        };
        return true;
}

void parts_drop(struct parts *p, uint64_t thread, uint64_t entered) {
        struct slot *s = (struct slot *) find(p, thread, entered);

        if (s)
                slot_clear(p, s);
}
