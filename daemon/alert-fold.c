/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alert-fold.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bytes.h"
#include "event.h"
#include "history-flat.h"
#include "rule.h"
#include "sha256.h"
#include "util.h"

enum {
        WAYS = 8, /* places that a cause may be in */
        KEY_BYTES = 16,
        SALT_BYTES = 16,
        KEPT_MAX = 4096, /* bytes of one event */
};

/* What makes events of one rule the same to whoever reads alerts. */
static const enum field cause_fields[] = {
        FIELD_EVENT,
        FIELD_RESULT,
        FIELD_PROG_TYPE,
        FIELD_PROCESS_EXECUTABLE,
        FIELD_USER_ID,
        FIELD_CONTAINER_ID,
        FIELD_LOADED_BY_EXECUTABLE,
};

/* What is told of the last of those that were only counted. */
static const enum field kept_fields[] = {
        FIELD_SEVERITY,      FIELD_MESSAGE,
        FIELD_RULE_NAME,     FIELD_RULE_DESCRIPTION,
        FIELD_RESULT,        FIELD_ERRNO,
        FIELD_PROCESS_PID,   FIELD_PROCESS_NAME,
        FIELD_PROCESS_START, FIELD_PROCESS_EXECUTABLE,
        FIELD_USER_ID,       FIELD_USER_NAME,
        FIELD_CGROUP_PATH,   FIELD_UNIT,
        FIELD_SESSION,       FIELD_CONTAINER_ID,
        FIELD_BPF_CMD,       FIELD_ATTRIBUTED,
        FIELD_PROG_ID,       FIELD_PROG_NAME,
        FIELD_PROG_TYPE,     FIELD_PROG_TAG,
        FIELD_MAP_ID,        FIELD_MAP_NAME,
        FIELD_MAP_TYPE,      FIELD_LINK_ID,
        FIELD_LINK_TYPE,     FIELD_ATTACH_VIA,
        FIELD_ATTACH_TYPE,   FIELD_ATTACH_TARGET,
};

struct cause {
        bool used;
        bool told;
        uint8_t key[KEY_BYTES];
        uint64_t since; /* its interval began; before it was told: to count */
        uint64_t interval;
        uint64_t count; /* since then; not that which was told */
        struct bytes last;
};

struct folds {
        uint8_t salt[SALT_BYTES]; /* nobody chooses who shares a key with whom */
        struct cause causes[FOLDS_MAX];
        struct event *kept;
        struct bytes due;
        uint64_t next;
        uint64_t forgotten;
};

DEFINE_CLEANUP(struct folds *, folds_free);

int folds_new(struct folds **ret) {
        _cleanup_(folds_freep) struct folds *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->next = UINT64_MAX;
        f->kept = malloc(sizeof(*f->kept));
        if (!f->kept)
                return -ENOMEM;
        if (getrandom(f->salt, sizeof(f->salt), 0) != (ssize_t) sizeof(f->salt))
                return -errno;
        *ret = TAKE_PTR(f);
        return 0;
}

struct folds *folds_free(struct folds *f) {
        if (!f)
                return NULL;

        for (size_t i = 0; i < FOLDS_MAX; i++)
                bytes_done(&f->causes[i].last);
        bytes_done(&f->due);
        free(f->kept);
        free(f);
        return NULL;
}

/* Causes --------------------------------------------------------------------------------------- */

static void add_value(struct sha256_ctx *c, const struct value *v) {
        if (v && v->type == TYPE_STRING)
                sha256_update(c, strlen(v->string), (const uint8_t *) v->string);
        else if (v && v->type == TYPE_U32)
                sha256_update(c, sizeof(v->u32), (const uint8_t *) &v->u32);
        /* Strings have no NUL of their own; what is absent is none. */
        sha256_update(c, 1, (const uint8_t *) (v ? "\0" : "\1"));
}

static void make_key(const struct folds *f, const struct rule *rule, const struct event *e,
                     uint8_t ret[static KEY_BYTES]) {
        uint8_t digest[SHA256_DIGEST_SIZE];
        struct sha256_ctx c;

        sha256_init(&c);
        sha256_update(&c, sizeof(f->salt), f->salt);
        sha256_update(&c, strlen(rule->name) + 1, (const uint8_t *) rule->name);
        for (size_t i = 0; i < ELEMENTSOF(cause_fields); i++)
                add_value(&c, event_get(e, cause_fields[i]));
        sha256_end(&c, digest);
        memcpy(ret, digest, KEY_BYTES);
}

static bool is_over(const struct cause *c, uint64_t now) {
        return now - c->since >= c->interval;
}

/* Whether nothing is lost with it. */
static bool is_idle(const struct cause *c, uint64_t now) {
        return !c->used || (is_over(c, now) && (!c->told || c->count == 0));
}

static struct cause *set_of(struct folds *f, const uint8_t key[static KEY_BYTES]) {
        uint64_t at;

        memcpy(&at, key, sizeof(at));
        return &f->causes[at % (FOLDS_MAX / WAYS) * WAYS];
}

/* NULL: it is not there. */
static struct cause *find(struct folds *f, const uint8_t key[static KEY_BYTES]) {
        struct cause *set = set_of(f, key);

        for (struct cause *c = set; c < set + WAYS; c++)
                if (c->used && memcmp(c->key, key, KEY_BYTES) == 0)
                        return c;
        return NULL;
}

/* The cause of this key, or the place for it: an idle one, else that which began first; rather one
 * that has nothing to tell. */
static struct cause *find_or_place(struct folds *f, const uint8_t key[static KEY_BYTES],
                                   uint64_t now) {
        struct cause *set = set_of(f, key), *best = find(f, key);

        if (best)
                return best;
        for (struct cause *c = set; c < set + WAYS; c++) {
                if (is_idle(c, now)) {
                        best = c;
                        break;
                }
                bool tells = c->told && c->count > 0;
                bool best_tells = best && best->told && best->count > 0;
                if (!best || tells < best_tells || (tells == best_tells && c->since < best->since))
                        best = c;
        }
        if (best->used && best->told)
                f->forgotten += best->count;
        bytes_done(&best->last);
        *best = (struct cause){};
        memcpy(best->key, key, KEY_BYTES);
        return best;
}

static void begin(struct cause *c, uint64_t now, bool told, uint64_t interval) {
        c->used = true;
        c->told = told;
        c->since = now;
        c->interval = interval;
        c->count = 0;
}

enum fold folds_take(struct folds *f, const struct rule *rule, const struct event *e, uint64_t now,
                     uint64_t *ret_count) {
        uint8_t key[KEY_BYTES];
        struct cause *c;

        *ret_count = 1;
        if (rule->fold == 0 && rule->count <= 1)
                return FOLD_NEWS;

        make_key(f, rule, e, key);
        c = find_or_place(f, key, now);
        /* An interval that is over and has something to tell waits for folds_due(). */
        if (c->used && c->told && (!is_over(c, now) || c->count > 0)) {
                *ret_count = ++c->count;
                f->next = MIN(f->next, c->since + c->interval);
                return FOLD_MORE;
        }
        if (!c->used || c->told || is_over(c, now))
                begin(c, now, false, rule->within);
        *ret_count = ++c->count;
        if (c->count < rule->count)
                return FOLD_WAITS;
        begin(c, now, true, rule->fold);
        c->used = rule->fold > 0;
        return FOLD_NEWS;
}

/* What is told later ----------------------------------------------------------------------------
 */

void folds_keep(struct folds *f, const struct rule *rule, const struct event *e) {
        uint8_t key[KEY_BYTES];
        struct cause *c;

        make_key(f, rule, e, key);
        c = find(f, key);
        if (!c)
                return; /* another rule needed its place */
        event_reset(f->kept);
        for (size_t i = 0; i < ELEMENTSOF(kept_fields); i++) {
                enum field field = kept_fields[i];

                if (!event_has(e, field))
                        continue;
                f->kept->values[field] = e->values[field];
                f->kept->present[field / 64] |= UINT64_C(1) << (field % 64);
        }
        bytes_reset(&c->last);
        flat_put(&c->last, f->kept);
        /* Who has very long names is told of without them. */
        if (c->last.failed || c->last.n > KEPT_MAX)
                bytes_done(&c->last);
}

bool folds_due(struct folds *f, uint64_t now, struct event *e, uint64_t *ret_count,
               uint64_t *ret_interval) {
        uint64_t next = UINT64_MAX;

        event_reset(e);
        for (struct cause *c = f->causes; c < f->causes + FOLDS_MAX; c++) {
                if (!c->used || !c->told || c->count == 0)
                        continue;
                if (!is_over(c, now)) {
                        next = MIN(next, c->since + c->interval);
                        continue;
                }
                *ret_count = c->count;
                *ret_interval = now - c->since;
                bytes_done(&f->due);
                f->due = c->last;
                c->last = (struct bytes){};
                begin(c, now, true, c->interval);

                struct bytes_reader r = bytes_reader(f->due.data, f->due.n);
                if (f->due.n > 0 && flat_take(&r, e) < 0)
                        event_reset(e);
                return true; /* there may be more: next stays as it is */
        }
        f->next = next;
        return false;
}

uint64_t folds_next(const struct folds *f) {
        return f->next;
}

uint64_t folds_forgotten(const struct folds *f) {
        return f->forgotten;
}
