/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes.h"

#include <errno.h>
#include <inttypes.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "bus-json.h"
#include "event.h"
#include "text.h"
#include "util.h"
#include "value.h"

/* What can change, in the order in which it is shown. */
static const struct sort {
        const char *name; /* as objects_fetch() has it; of others: how keys begin */
        enum field id;    /* FIELD_SEQ: they have none */
        const char *key;  /* template of value.h: which one it is */
        const char *comes[2], *goes[2];
} sorts[] = {
        {"prog", FIELD_PROG_ID, "{prog.id}", {"prog-load"}, {"prog-unload"}},
        {"map", FIELD_MAP_ID, "{map.id}", {"map-create"}, {"map-free"}},
        {"link", FIELD_LINK_ID, "{link.id}", {"link-create", "attach"}, {"link-free"}},
        {"attachment",
         FIELD_SEQ,
         "<{prog.id}|{filter.sha256}>< {attach.type}>< {attach.target}>< {attach.namespace.net}>",
         {"attach", "socket-filter-attach"},
         {"detach", "socket-filter-detach"}},
        {"pin", FIELD_SEQ, "{pin.path}", {"pin"}, {"unpin"}},
};

/* One thing that came or went. */
struct change {
        char *key;
        const struct sort *sort;
        struct json_object *came, *went; /* the last time; NULL: not in between */
        bool first_came;
        bool dropped; /* is told no more */
        size_t order;
};

struct changes {
        struct change *items;
        size_t n, dropped;
        struct json_object *index; /* key -> place among them */
        char boot[40];             /* of the events at hand */
        struct changes_summary summary;
};

int changes_new(struct changes **ret) {
        struct changes *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->index = json_object_new_object();
        if (!c->index) {
                free(c);
                return -ENOMEM;
        }
        *ret = c;
        return 0;
}

static void drop(struct changes *c, struct change *x) {
        json_object_object_del(c->index, x->key);
        json_object_put(x->came);
        json_object_put(x->went);
        free(x->key);
        *x = (struct change){.dropped = true};
}

struct changes *changes_free(struct changes *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n; i++)
                if (!c->items[i].dropped)
                        drop(c, &c->items[i]);
        free(c->items);
        json_object_put(c->index);
        free(c);
        return NULL;
}

void changes_fields(struct field_set *ret) {
        static const enum field fields[] = {
                FIELD_SEQ,
                FIELD_TIME,
                FIELD_TIME_AFTER,
                FIELD_EVENT,
                FIELD_RESULT,
                FIELD_BOOT_ID,
                FIELD_ATTRIBUTED,
                FIELD_PROCESS_PID,
                FIELD_PROCESS_NAME,
                FIELD_PROCESS_EXECUTABLE,
                FIELD_USER_ID,
                FIELD_UNIT,
                FIELD_CONTAINER_ID,
                FIELD_LOADED_BY_PID,
                FIELD_LOADED_BY_NAME,
                FIELD_LOADED_BY_UNIT,
                FIELD_LOADED_BY_CONTAINER_ID,
                FIELD_LOADED_BY_USER_ID,
                FIELD_LOADED_BY_TIME,
                FIELD_LIFETIME,
                FIELD_EXISTED,
                FIELD_OWN,
                FIELD_PROG_ID,
                FIELD_PROG_NAME,
                FIELD_PROG_TYPE,
                FIELD_PROG_TAG,
                FIELD_PROG_LOAD_TIME,
                FIELD_MAP_ID,
                FIELD_MAP_NAME,
                FIELD_MAP_TYPE,
                FIELD_LINK_ID,
                FIELD_LINK_TYPE,
                FIELD_ATTACH_VIA,
                FIELD_ATTACH_TYPE,
                FIELD_ATTACH_TARGET,
                FIELD_ATTACH_NAMESPACE,
                FIELD_FILTER_SHA256,
                FIELD_PIN_PATH,
                FIELD_LOST_COUNT,
        };

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                field_set_add(ret, fields[i]);
}

/* Finding ---------------------------------------------------------------------------------------
 */

static struct change *find(struct changes *c, const char *key) {
        struct json_object *at;

        return json_object_object_get_ex(c->index, key, &at) ? &c->items[json_object_get_uint64(at)]
                                                             : NULL;
}

static struct change *add(struct changes *c, const char *key, const struct sort *sort) {
        struct change *x;

        /* The array doubles whenever its length is a power of two. */
        if ((c->n & (c->n - 1)) == 0) {
                struct change *items = reallocarray(c->items, c->n ? c->n * 2 : 1, sizeof(*items));
                if (!items)
                        return NULL;
                c->items = items;
        }
        x = &c->items[c->n];
        *x = (struct change){.key = strdup(key), .sort = sort, .order = c->n};
        struct json_object *at = json_object_new_uint64(c->n);
        if (!x->key || !at || json_object_object_add(c->index, key, at) < 0) {
                json_object_put(at);
                free(x->key);
                return NULL;
        }
        c->n++;
        return x;
}

static bool is_one_of(const char *event, const char *const events[2]) {
        return (events[0] && strcmp(event, events[0]) == 0) ||
               (events[1] && strcmp(event, events[1]) == 0);
}

/* Which sort of change an event is, and whether something comes. An attachment that makes a link is
 * told as that. */
static const struct sort *sort_of(struct json_object *e, bool *ret_comes) {
        const char *event = row_string(e, FIELD_EVENT);

        for (size_t i = 0; event && i < ELEMENTSOF(sorts); i++) {
                const struct sort *s = &sorts[i];

                if (s->id != FIELD_SEQ && !row_get(e, s->id))
                        continue;
                *ret_comes = is_one_of(event, s->comes);
                if (*ret_comes || is_one_of(event, s->goes))
                        return s;
        }
        return NULL;
}

static bool make_key(struct text *t, const struct sort *s, struct json_object *row) {
        text_printf(t, "%s ", s->name);
        const size_t before = t->n;
        row_add(t, row, s->key);
        return t->n > before && !t->failed;
}

/* Events ----------------------------------------------------------------------------------------
 */

static void keep(struct json_object **place, struct json_object *row) {
        json_object_put(*place);
        *place = json_object_get(row);
}

/* The machine was started anew: nothing of before is there any more. */
static void boot(struct changes *c, const char *id, uint64_t time) {
        if (c->boot[0]) {
                for (size_t i = 0; i < c->n; i++)
                        if (!c->items[i].dropped) {
                                c->summary.passing += !!c->items[i].came;
                                drop(c, &c->items[i]);
                        }
                c->summary.boots++;
                c->summary.booted = time;
        }
        snprintf(c->boot, sizeof(c->boot), "%s", id);
}

int changes_follow(struct changes *c, struct json_object *e) {
        const char *event = row_string(e, FIELD_EVENT), *id = row_string(e, FIELD_BOOT_ID);
        const char *result = row_string(e, FIELD_RESULT);
        _cleanup_text_ struct text key = {};
        const struct sort *sort;
        struct change *x;
        bool comes;

        if (id && strcmp(id, c->boot) != 0)
                boot(c, id, row_number(e, FIELD_TIME));
        if (event && strcmp(event, "lost") == 0) {
                c->summary.lost = true;
                c->summary.n_lost += row_number(e, FIELD_LOST_COUNT);
                return 0;
        }
        sort = sort_of(e, &comes);
        if (!sort || (result && strcmp(result, "ok") != 0) || !make_key(&key, sort, e))
                return key.failed ? -ENOMEM : 0;

        x = find(c, text_string(&key));
        if (!x) {
                x = add(c, text_string(&key), sort);
                if (!x)
                        return -ENOMEM;
                x->first_came = comes;
        }
        keep(comes ? &x->came : &x->went, e);
        if (comes || !x->first_came)
                return 0;
        /* Ids are not given out again for a long time, and what else comes again is new. */
        c->summary.passing++;
        drop(c, x);
        return 0;
}

/* Objects ---------------------------------------------------------------------------------------
 */

/* The ids of rows, as an object. */
static struct json_object *index_rows(struct json_object *rows, enum field id) {
        struct json_object *index = json_object_new_object();
        const size_t n = json_object_array_length(rows);

        for (size_t i = 0; index && i < n; i++) {
                char key[24];

                snprintf(key, sizeof(key), "%" PRIu64,
                         row_number(json_object_array_get_idx(rows, i), id));
                json_object_object_add(index, key, NULL);
        }
        return index;
}

static bool is_there(struct json_object *index, struct json_object *row, enum field id) {
        char key[24];

        snprintf(key, sizeof(key), "%" PRIu64, row_number(row, id));
        return json_object_object_get_ex(index, key, NULL);
}

/* What came and is not there any more has gone unseen; so has what was attached of a program that
 * is not there. */
static void drop_gone(struct changes *c, const struct sort *s, struct json_object *index) {
        for (size_t i = 0; i < c->n; i++) {
                struct change *x = &c->items[i];
                const bool same = !x->dropped && x->sort == s;
                const bool of_prog = !x->dropped && s->id == FIELD_PROG_ID && x->came &&
                                     strcmp(x->sort->name, "attachment") == 0 &&
                                     row_get(x->came, FIELD_PROG_ID);

                if (!(same || of_prog) || !x->came || is_there(index, x->came, s->id))
                        continue;
                c->summary.passing++;
                drop(c, x);
        }
}

static int add_unseen(struct changes *c, const struct sort *s, struct json_object *row) {
        _cleanup_text_ struct text key = {};
        struct change *x;

        if (!make_key(&key, s, row))
                return key.failed ? -ENOMEM : 0;
        if (find(c, text_string(&key)))
                return 0;
        x = add(c, text_string(&key), s);
        if (!x)
                return -ENOMEM;
        x->first_came = true;
        keep(&x->came, row);
        return 0;
}

int changes_compare(struct changes *c, const char *kind, struct json_object *rows, uint64_t since) {
        const struct sort *s = sorts;
        const size_t n = json_object_array_length(rows);
        _cleanup_json_ struct json_object *index = NULL;
        int r = 0;

        while (strcmp(s->name, kind) != 0)
                s++;
        index = index_rows(rows, s->id);
        if (!index)
                return -ENOMEM;
        drop_gone(c, s, index);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const uint64_t time = row_number(row, FIELD_LOADED_BY_TIME)
                                              ?: row_number(row, FIELD_PROG_LOAD_TIME);

                if (time >= since && !json_object_get_boolean(row_get(row, FIELD_OWN)))
                        r = add_unseen(c, s, row);
        }
        return r;
}

/* Rows ------------------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b) {
        const struct change *x = a, *y = b;

        if (x->dropped || y->dropped)
                return (int) x->dropped - (int) y->dropped;
        if (x->sort != y->sort)
                return x->sort < y->sort ? -1 : 1;
        return (x->order > y->order) - (x->order < y->order);
}

int changes_rows(struct changes *c, struct json_object **ret, struct changes_summary *ret_summary) {
        _cleanup_json_ struct json_object *rows = json_object_new_array();

        if (!rows)
                return -ENOMEM;
        if (c->n > 1)
                qsort(c->items, c->n, sizeof(c->items[0]), compare);
        for (size_t i = 0; i < c->n && !c->items[i].dropped; i++) {
                const struct change *x = &c->items[i];
                const char *change = x->first_came ? "added" : x->came ? "replaced" : "removed";
                struct json_object *row = x->came ?: x->went;

                json_object_object_add(row, field_info(FIELD_CHANGE)->name,
                                       json_object_new_string(change));
                if (json_object_array_add(rows, json_object_get(row)) < 0)
                        return -ENOMEM;
                c->summary.added += x->first_came;
                c->summary.removed += !x->came;
                c->summary.replaced += !x->first_came && x->came;
        }
        *ret = TAKE_PTR(rows);
        *ret_summary = c->summary;
        return 0;
}
