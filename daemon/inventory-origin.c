/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory-origin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-id128.h>

#include "access.h"
#include "bytes.h"
#include "event.h"
#include "history-flat.h"
#include "history-query.h"
#include "match.h"
#include "objects.h"
#include "util.h"

enum {
        IDS_MAX = 64,  /* of one question: so many alternatives become SQL */
        EXTRA_MAX = 5, /* terms beside them */
        TERM_SIZE = 64,
        ROWS_MAX = 4096, /* ids are not given out again for a long time: one would be enough */
};

/* In which events objects come, and what these tell that nobody else does. */
static const struct coming {
        enum field id;
        const char *events[2];
        enum field extra[8]; /* the list ends with 0, which is FIELD_SEQ */
} comings[_OBJECT_MAX] = {
        [OBJECT_PROG] = {FIELD_PROG_ID,
                         {"prog-load"},
                         {FIELD_PROG_HELPERS, FIELD_PROG_KFUNCS, FIELD_PROG_SHA256,
                          FIELD_PROG_LICENSE, FIELD_PROG_ATTACH_TYPE, FIELD_PROG_INSTRUCTIONS,
                          FIELD_PROG_VERIFIED_INSTRUCTIONS}},
        [OBJECT_MAP] = {FIELD_MAP_ID, {"map-create"}, {}},
        [OBJECT_LINK] = {FIELD_LINK_ID,
                         {"link-create", "attach"},
                         {FIELD_ATTACH_VIA, FIELD_ATTACH_FLAGS, FIELD_ATTACH_ADDRESS,
                          FIELD_ATTACH_TARGET, FIELD_ATTACH_TARGETS, FIELD_ATTACH_TYPE,
                          FIELD_ATTACH_NAMESPACE}},
        [OBJECT_BTF] = {FIELD_BTF_ID, {"btf-load"}, {}},
};

/* The match for the events of this boot in which one of these came. */
static int make_match(struct match **ret, const struct coming *c, const uint32_t *ids, size_t n) {
        char texts[IDS_MAX + EXTRA_MAX][TERM_SIZE];
        const char *terms[IDS_MAX + EXTRA_MAX];
        sd_id128_t boot;
        size_t used = 0;
        int r = sd_id128_get_boot(&boot);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                snprintf(texts[used++], TERM_SIZE, "%s=%" PRIu32, field_info(c->id)->name, ids[i]);
        for (size_t i = 0; i < ELEMENTSOF(c->events); i++)
                if (c->events[i])
                        snprintf(texts[used++], TERM_SIZE, "event=%s", c->events[i]);
        snprintf(texts[used++], TERM_SIZE, "result=ok");
        snprintf(texts[used++], TERM_SIZE, "boot.id=" SD_ID128_FORMAT_STR,
                 SD_ID128_FORMAT_VAL(boot));
        for (size_t i = 0; i < used; i++)
                terms[i] = texts[i];
        return match_new(ret, terms, used, NULL);
}

DEFINE_CLEANUP(struct match *, match_free);

static int ask(struct query **ret, struct queries *queries, enum object_kind kind,
               const uint32_t *ids, size_t n, const struct viewer *viewer, bool last,
               const struct query_handlers *handlers, void *userdata) {
        _cleanup_(match_freep) struct match *match = NULL;
        int r = make_match(&match, &comings[kind], ids, n);
        const struct history_question question = {
                .match = match,
                .viewer = *viewer,
                .until = UINT64_MAX,
                .limit = last ? 1 : ROWS_MAX,
                .reverse = last,
        };

        if (r >= 0)
                r = query_new(ret, queries, &question, handlers, userdata);
        if (r >= 0)
                TAKE_PTR(match);
        return r;
}

/* One object ----------------------------------------------------------------------------------- */

struct origin {
        struct query *query; /* NULL: it is answered */
        struct bytes event;  /* of history-flat.h */
        void (*done)(const struct event *past, void *userdata);
        void *userdata;
};

static int on_event(const struct event *e, void *userdata) {
        struct origin *o = userdata;

        flat_put(&o->event, e);
        return o->event.failed ? -ENOMEM : 0;
}

static void on_done(_unused_ int r, _unused_ const struct history_answer *answer, void *userdata) {
        struct origin *o = userdata;
        struct bytes_reader reader = bytes_reader(o->event.data, o->event.n);
        _cleanup_free_ struct event *past = malloc(sizeof(*past));
        /* Its strings stay in there: whoever is told may free the origin. */
        _cleanup_free_ uint8_t *bytes = o->event.data;

        o->query = NULL;
        o->event = (struct bytes){};
        if (past)
                event_reset(past);
        if (!past || bytes_left(&reader) == 0 || flat_take(&reader, past) < 0)
                o->done(NULL, o->userdata);
        else
                o->done(past, o->userdata);
}

int origin_ask(struct origin **ret, struct queries *queries, enum object_kind kind, uint32_t id,
               const struct viewer *viewer, void (*done)(const struct event *past, void *userdata),
               void *userdata) {
        static const struct query_handlers handlers = {on_event, on_done};
        struct origin *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;
        o->done = done;
        o->userdata = userdata;
        *ret = o;
        if (!queries || ask(&o->query, queries, kind, &id, 1, viewer, true, &handlers, o) < 0)
                done(NULL, userdata);
        return 0;
}

struct origin *origin_free(struct origin *o) {
        if (!o)
                return NULL;
        if (o->query)
                query_cancel(o->query);
        bytes_done(&o->event);
        free(o);
        return NULL;
}

void origin_add(const struct event *past, enum object_kind kind, struct event *row) {
        for (size_t i = 0; past && i < ELEMENTSOF(comings[kind].extra); i++) {
                const enum field f = comings[kind].extra[i];
                if (f && !event_has(row, f))
                        event_copy(row, past, f);
        }
}

/* All that existed ----------------------------------------------------------------------------- */

struct origins {
        struct queries *queries;
        struct objects *objects;
        struct query *query;
        enum object_kind kind;
        uint32_t after; /* ids up to this one have been asked for */
        void (*done)(void *userdata);
        void *userdata;
};

static void go_on(struct origins *o);

static int on_past_event(const struct event *e, void *userdata) {
        struct origins *o = userdata;

        objects_adopt(o->objects, e);
        return 0;
}

static void on_batch(_unused_ int r, _unused_ const struct history_answer *answer, void *userdata) {
        struct origins *o = userdata;

        o->query = NULL;
        go_on(o);
}

/* Asks for the next ones. Returns false where there are no more. */
static bool ask_next(struct origins *o) {
        static const struct query_handlers handlers = {on_past_event, on_batch};
        const struct viewer all = {.scope = SCOPE_ALL};
        uint32_t ids[IDS_MAX];

        for (; o->queries && o->kind <= OBJECT_BTF; o->kind++, o->after = 0) {
                const size_t n = comings[o->kind].id ? objects_existed(o->objects, o->kind,
                                                                       o->after, ids, IDS_MAX)
                                                     : 0;
                if (n == 0)
                        continue;
                o->after = ids[n - 1];
                if (ask(&o->query, o->queries, o->kind, ids, n, &all, false, &handlers, o) < 0)
                        return false;
                return true;
        }
        return false;
}

static void go_on(struct origins *o) {
        if (!ask_next(o))
                o->done(o->userdata);
}

int origins_new(struct origins **ret, struct queries *queries, struct objects *objects,
                void (*done)(void *userdata), void *userdata) {
        struct origins *o = calloc(1, sizeof(*o));

        if (!o)
                return -ENOMEM;
        o->queries = queries;
        o->objects = objects;
        o->kind = OBJECT_PROG;
        o->done = done;
        o->userdata = userdata;
        *ret = o;
        return ask_next(o) ? 1 : 0;
}

struct origins *origins_free(struct origins *o) {
        if (!o)
                return NULL;
        if (o->query)
                query_cancel(o->query);
        free(o);
        return NULL;
}
