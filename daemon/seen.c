/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "seen.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "sha256.h"
#include "util.h"

enum {
        SLOTS_MIN = 256, /* powers of two */
        SLOTS_MAX = 2 * SEEN_MAX,
};

/* include/linux/proc_ns.h: PROC_USER_INIT_INO */
static const uint32_t USER_NAMESPACE_INITIAL = 0xeffffffd;

static const uint64_t AGAIN_USEC = UINT64_C(86400) * 1000000;

/* Open addressing; a key of zeroes is an empty slot. */
struct seen {
        struct seen_pair *slots;
        size_t size, n;
};

DEFINE_CLEANUP(struct seen *, seen_free);

static int resize(struct seen *s, size_t size);

int seen_new(struct seen **ret) {
        _cleanup_(seen_freep) struct seen *s = calloc(1, sizeof(*s));
        int k = s ? resize(s, SLOTS_MIN) : -ENOMEM;

        if (k < 0)
                return k;
        *ret = TAKE_PTR(s);
        return 0;
}

struct seen *seen_free(struct seen *s) {
        if (!s)
                return NULL;

        free(s->slots);
        free(s);
        return NULL;
}

/* The table ------------------------------------------------------------------------------------ */

static bool is_empty(const struct seen_pair *p) {
        return p->key[0] == 0 && p->key[1] == 0;
}

/* Where the pair is, or would be. */
static struct seen_pair *find(const struct seen *s, const uint64_t key[static 2]) {
        size_t i = key[0] & (s->size - 1);

        while (!is_empty(&s->slots[i]) && memcmp(s->slots[i].key, key, sizeof(s->slots[i].key)))
                i = (i + 1) & (s->size - 1);
        return &s->slots[i];
}

/* Puts those seen since `oldest` into a table of this size. */
static int rebuild(struct seen *s, size_t size, uint64_t oldest) {
        struct seen next = {calloc(size, sizeof(next.slots[0])), size, 0};

        if (!next.slots)
                return -ENOMEM;
        for (size_t i = 0; i < s->size; i++) {
                const struct seen_pair *p = &s->slots[i];

                if (is_empty(p) || p->last < oldest)
                        continue;
                *find(&next, p->key) = *p;
                next.n++;
        }
        free(s->slots);
        *s = next;
        return 0;
}

static int resize(struct seen *s, size_t size) {
        return rebuild(s, size, 0);
}

static int compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* Forgets the quarter that was unseen for longest. */
static int shrink(struct seen *s) {
        _cleanup_free_ uint64_t *times = malloc(s->n * sizeof(times[0]));
        size_t n = 0;

        if (!times)
                return -ENOMEM;
        for (size_t i = 0; i < s->size; i++)
                if (!is_empty(&s->slots[i]))
                        times[n++] = s->slots[i].last;
        qsort(times, n, sizeof(times[0]), compare);
        return rebuild(s, s->size, times[n / 4] + 1);
}

static int make_room(struct seen *s) {
        if (s->n >= SEEN_MAX)
                return shrink(s);
        return s->n >= s->size / 2 ? resize(s, s->size * 2) : 0;
}

void seen_add(struct seen *s, const struct seen_pair *pair) {
        struct seen_pair *at = find(s, pair->key);

        if (is_empty(pair))
                return;
        if (!is_empty(at)) {
                at->last = MAX(at->last, pair->last);
                return;
        }
        if (make_room(s) < 0)
                return;
        *find(s, pair->key) = *pair;
        s->n++;
}

void seen_each(const struct seen *s, void (*pair)(const struct seen_pair *p, void *userdata),
               void *userdata) {
        for (size_t i = 0; i < s->size; i++)
                if (!is_empty(&s->slots[i]))
                        pair(&s->slots[i], userdata);
}

size_t seen_count(const struct seen *s) {
        return s->n;
}

/* Events --------------------------------------------------------------------------------------- */

static void add_text(struct sha256_ctx *c, const char *text) {
        sha256_update(c, strlen(text) + 1, (const uint8_t *) text);
}

static void add_number(struct sha256_ctx *c, const struct value *v) {
        const uint64_t number = v ? v->u64 : 0;

        sha256_update(c, sizeof(number), (const uint8_t *) &number);
}

/* Whether its path says all: see above. */
static bool known_by_path(const struct event *e) {
        const struct value *protected = event_get(e, FIELD_PROCESS_EXECUTABLE_PROTECTED);
        const struct value *namespace = event_get(e, FIELD_NAMESPACE_USER);

        return protected && protected->boolean && namespace &&
               namespace->u32 == USER_NAMESPACE_INITIAL && !event_has(e, FIELD_CONTAINER_ID);
}

static bool is(const struct event *e, enum field f, const char *text) {
        const char *value = event_string(e, f);

        return value && strcmp(value, text) == 0;
}

static bool make_pair(const struct event *e, struct seen_pair *ret) {
        const char *executable = event_string(e, FIELD_PROCESS_EXECUTABLE);
        const char *event = event_string(e, FIELD_EVENT);
        const struct value *time = event_get(e, FIELD_TIME);
        uint8_t digest[SHA256_DIGEST_SIZE];
        struct sha256_ctx c;

        if (!executable || !event || !is(e, FIELD_CLASS, "install") || !is(e, FIELD_RESULT, "ok"))
                return false;

        sha256_init(&c);
        add_text(&c, "bpfmon pair 1");
        add_text(&c, event);
        add_text(&c, event_string(e, FIELD_PROG_TYPE) ?: "");
        add_text(&c, executable);
        if (!known_by_path(e)) {
                add_text(&c, "file");
                add_number(&c, event_get(e, FIELD_PROCESS_EXECUTABLE_INODE));
                add_number(&c, event_get(e, FIELD_PROCESS_EXECUTABLE_CHANGED));
        }
        sha256_end(&c, digest);
        memcpy(ret->key, digest, sizeof(ret->key));
        ret->last = time ? time->u64 : 0;
        return true;
}

enum seen_news seen_event(struct seen *s, const struct event *e, struct seen_pair *ret) {
        struct seen_pair *known;

        if (!make_pair(e, ret))
                return SEEN_KNOWN;
        known = find(s, ret->key);
        if (is_empty(known)) {
                seen_add(s, ret);
                return SEEN_FIRST;
        }
        if (ret->last < known->last + AGAIN_USEC)
                return SEEN_KNOWN;
        known->last = ret->last;
        return SEEN_AGAIN;
}
