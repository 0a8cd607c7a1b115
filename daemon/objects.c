/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "event.h"
#include "intern.h"
#include "message.h"
#include "objects.h"
#include "record.h"
#include "tamper.h"
#include "util.h"

enum {
        BUCKETS = 8192,      /* a power of two */
        GONE_MAX = 4096,     /* more than go before a monitor tells of them, too */
        LOADER_BYTES = 4096, /* all that is remembered of one; who has longer names loses some */
};

/* Who loads, in bytes that are kept once: what follows are the strings, a NUL after each. */
struct loader {
        uint32_t pid;
        uint32_t user;
        uint8_t has_pid, has_user;
        char texts[];
};

static const enum field loader_texts[][2] = {
        {FIELD_PROCESS_NAME, FIELD_LOADED_BY_NAME},
        {FIELD_PROCESS_EXECUTABLE, FIELD_LOADED_BY_EXECUTABLE},
        {FIELD_PROCESS_BUILD_ID, FIELD_LOADED_BY_BUILD_ID},
        {FIELD_UNIT, FIELD_LOADED_BY_UNIT},
        {FIELD_CONTAINER_ID, FIELD_LOADED_BY_CONTAINER_ID},
};

struct object {
        struct object *next;          /* of the same bucket */
        struct object *older, *newer; /* by when it was brought; not of our own */
        uint64_t time;                /* when it was brought, µs; 0: not known */
        const struct loader *loader;  /* NULL: nothing is known */
        const char *name, *type, *tag;
        uint32_t id;
        uint8_t kind;
        bool existed;
        bool own;
};

struct objects {
        struct object *buckets[BUCKETS];
        struct object *oldest, *newest;
        size_t n;
        uint32_t gone[GONE_MAX]; /* programs that went last, each where its id leads */
        uint32_t self;
        struct intern *intern; /* names, types, tags and loaders */
        struct tampers *tampers;
};

/* Where an event has what it says of an object, those first that it is about first. */
static const struct aspect {
        enum object_kind kind;
        enum field id, name, type, tag; /* _FIELD_MAX: none */
} aspects[] = {
        {OBJECT_LINK, FIELD_LINK_ID, _FIELD_MAX, FIELD_LINK_TYPE, _FIELD_MAX},
        {OBJECT_PROG, FIELD_PROG_ID, FIELD_PROG_NAME, FIELD_PROG_TYPE, FIELD_PROG_TAG},
        {OBJECT_MAP, FIELD_MAP_ID, FIELD_MAP_NAME, FIELD_MAP_TYPE, _FIELD_MAX},
        {OBJECT_BTF, FIELD_BTF_ID, FIELD_BTF_NAME, _FIELD_MAX, _FIELD_MAX},
};

/* The events in which objects come and go. */
static const struct {
        const char *event;
        enum object_kind kind;
        bool goes;
} turns[] = {
        {"prog-load", OBJECT_PROG, false},   {"map-create", OBJECT_MAP, false},
        {"link-create", OBJECT_LINK, false}, {"btf-load", OBJECT_BTF, false},
        {"attach", OBJECT_LINK, false}, /* by RAW_TRACEPOINT_OPEN: it makes a link */
        {"prog-unload", OBJECT_PROG, true},  {"map-free", OBJECT_MAP, true},
        {"link-free", OBJECT_LINK, true},    {"btf-free", OBJECT_BTF, true},
};

/* The table ------------------------------------------------------------------------------------ */

static struct object **bucket(struct objects *o, uint32_t kind, uint32_t id) {
        return &o->buckets[(id * 4 + kind) & (BUCKETS - 1)];
}

static struct object *find(struct objects *o, uint32_t kind, uint32_t id) {
        struct object *x = *bucket(o, kind, id);

        while (x && (x->kind != kind || x->id != id))
                x = x->next;
        return x;
}

static void forget(struct objects *o, struct object *x) {
        struct object **at = bucket(o, x->kind, x->id);

        while (*at != x)
                at = &(*at)->next;
        *at = x->next;
        if (!x->own) {
                *(x->older ? &x->older->newer : &o->oldest) = x->newer;
                *(x->newer ? &x->newer->older : &o->newest) = x->older;
                o->n--;
        }
        intern_release(o->intern, x->loader);
        intern_release(o->intern, x->name);
        intern_release(o->intern, x->type);
        intern_release(o->intern, x->tag);
        free(x);
}

/* Replaces one of the same id: that must have gone unseen. */
static struct object *make(struct objects *o, uint32_t kind, uint32_t id, bool own) {
        struct object *x = find(o, kind, id);

        if (x)
                forget(o, x);
        x = calloc(1, sizeof(*x));
        if (!x)
                return NULL;
        x->kind = (uint8_t) kind;
        x->id = id;
        x->own = own;
        x->next = *bucket(o, kind, id);
        *bucket(o, kind, id) = x;
        if (own)
                return x;

        x->older = o->newest;
        *(o->newest ? &o->newest->newer : &o->oldest) = x;
        o->newest = x;
        if (++o->n > OBJECTS_MAX)
                forget(o, o->oldest);
        return x;
}

DEFINE_CLEANUP(struct objects *, objects_free);

int objects_new(struct objects **ret) {
        _cleanup_(objects_freep) struct objects *o = calloc(1, sizeof(*o));
        int k;

        if (!o)
                return -ENOMEM;
        k = intern_new(&o->intern);
        if (k >= 0)
                k = tampers_new(&o->tampers);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(o);
        return 0;
}

struct objects *objects_free(struct objects *o) {
        if (!o)
                return NULL;
        for (size_t i = 0; i < BUCKETS; i++)
                while (o->buckets[i])
                        forget(o, o->buckets[i]);
        tampers_free(o->tampers);
        intern_free(o->intern);
        free(o);
        return NULL;
}

void objects_set_self(struct objects *o, uint32_t pid) {
        o->self = pid;
}

int objects_set_own(struct objects *o, uint32_t kind, uint32_t id, bool gone) {
        struct object *x = find(o, kind, id);

        if (!gone)
                return make(o, kind, id, true) ? 0 : -ENOMEM;
        if (x && x->own)
                forget(o, x);
        return 0;
}

bool objects_is_own(struct objects *o, uint32_t kind, uint32_t id) {
        const struct object *x = find(o, kind, id);

        return x && x->own;
}

size_t objects_count(const struct objects *o) {
        return o->n;
}

/* Who loads ------------------------------------------------------------------------------------ */

static const struct loader *hold_loader(struct objects *o, const struct event *e) {
        const struct value *pid = event_get(e, FIELD_PROCESS_PID);
        const struct value *user = event_get(e, FIELD_USER_ID);
        union {
                struct loader loader;
                char bytes[LOADER_BYTES];
        } u = {};
        size_t used = offsetof(struct loader, texts), n;
        const char *text;

        u.loader.has_pid = !!pid;
        u.loader.pid = pid ? pid->u32 : 0;
        u.loader.has_user = !!user;
        u.loader.user = user ? user->u32 : 0;
        for (size_t i = 0; i < ELEMENTSOF(loader_texts); i++) {
                text = event_string(e, loader_texts[i][0]) ?: "";
                /* A NUL for each that is still to come. */
                n = strnlen(text, sizeof(u) - used - (ELEMENTSOF(loader_texts) - i));
                memcpy(u.bytes + used, text, n);
                used += n + 1;
        }
        return intern_hold(o->intern, &u, used);
}

static const struct loader *hold_user(struct objects *o, uint32_t user) {
        static const char no_texts[ELEMENTSOF(loader_texts)];
        union {
                struct loader loader;
                char bytes[sizeof(struct loader) + sizeof(no_texts)];
        } u = {.loader = {.has_user = 1, .user = user}};

        return intern_hold(o->intern, &u, offsetof(struct loader, texts) + sizeof(no_texts));
}

static void describe_loader(struct event *e, const struct object *x) {
        const struct loader *l = x->loader;
        const char *text;

        if (x->existed)
                event_set_bool(e, FIELD_EXISTED, true);
        if (x->time != 0)
                event_set_u64(e, FIELD_LOADED_BY_TIME, x->time);
        if (!l)
                return;
        if (l->has_pid)
                event_set_u32(e, FIELD_LOADED_BY_PID, l->pid);
        if (l->has_user)
                event_set_u32(e, FIELD_LOADED_BY_USER_ID, l->user);
        text = l->texts;
        for (size_t i = 0; i < ELEMENTSOF(loader_texts); i++, text += strlen(text) + 1)
                if (text[0])
                        event_set_string(e, loader_texts[i][1], text);
}

void objects_set_loader(struct event *e, const struct event *came) {
        const struct value *pid = event_get(came, FIELD_PROCESS_PID);
        const struct value *user = event_get(came, FIELD_USER_ID);
        const struct value *time = event_get(came, FIELD_TIME);
        const char *text;

        if (pid)
                event_set_u32(e, FIELD_LOADED_BY_PID, pid->u32);
        if (user)
                event_set_u32(e, FIELD_LOADED_BY_USER_ID, user->u32);
        if (time)
                event_set_u64(e, FIELD_LOADED_BY_TIME, time->u64);
        for (size_t i = 0; i < ELEMENTSOF(loader_texts); i++) {
                text = event_string(came, loader_texts[i][0]);
                if (text)
                        event_set_string(e, loader_texts[i][1], text);
        }
}

/* Coming and going ----------------------------------------------------------------------------- */

static const char *string(const struct event *e, enum field f) {
        return f == _FIELD_MAX ? NULL : event_string(e, f);
}

static uint64_t time_of(const struct event *e) {
        const struct value *time = event_get(e, FIELD_TIME);

        return time ? time->u64 : 0;
}

static void comes(struct objects *o, const struct event *e, const struct aspect *a, uint32_t id) {
        struct object *x = make(o, a->kind, id, false);

        if (!x)
                return;
        x->time = time_of(e);
        x->loader = hold_loader(o, e);
        x->name = intern_string(o->intern, string(e, a->name));
        x->type = intern_string(o->intern, string(e, a->type));
        x->tag = intern_string(o->intern, string(e, a->tag));
}

int objects_add(struct objects *o, const struct existing *x) {
        struct object *y;

        if (find(o, x->kind, x->id))
                return 0;
        y = make(o, x->kind, x->id, false);
        if (!y)
                return -ENOMEM;
        y->existed = true;
        y->time = x->time;
        y->loader = x->has_user ? hold_user(o, x->user) : NULL;
        y->name = x->name && x->name[0] ? intern_string(o->intern, x->name) : NULL;
        y->type = intern_string(o->intern, x->type);
        y->tag = intern_string(o->intern, x->tag);
        return 0;
}

static void fill(struct event *e, enum field f, const char *text) {
        if (f != _FIELD_MAX && !event_has(e, f))
                event_set_string(e, f, text);
}

/* The kernel has forgotten most of it already: what is remembered takes its place. */
static void goes(struct objects *o, struct event *e, const struct aspect *a, struct object *x) {
        uint64_t now = time_of(e);

        fill(e, a->name, x->name);
        fill(e, a->type, x->type);
        fill(e, a->tag, x->tag);
        if (x->time != 0 && now >= x->time)
                event_set_u64(e, FIELD_LIFETIME, (now - x->time) * 1000);
        describe_loader(e, x);
        forget(o, x);
}

/* Whether it was told already that this program is gone: a hook and a monitor tell of the same one.
 * The kernel gives out an id again when it has given out all others. */
static bool told_gone(struct objects *o, enum object_kind kind, uint32_t id) {
        uint32_t *slot = &o->gone[id % GONE_MAX];
        bool told = *slot == id;

        if (kind != OBJECT_PROG)
                return false;
        *slot = id;
        return told;
}

/* We only held it for a moment, to look at it: it does not go in our name. */
static void disown(struct event *e) {
        for (int f = FIELD_PROCESS_PID; f <= FIELD_NAMESPACE_USER; f++)
                event_clear(e, (enum field) f);
        event_set_bool(e, FIELD_ATTRIBUTED, false);
}

/* The object of ours that the event is about, or that a program uses. */
static const struct object *own_object(struct objects *o, const struct event *e) {
        const struct value *maps = event_get(e, FIELD_PROG_MAPS), *id;
        const struct object *x;

        for (size_t i = 0; i < ELEMENTSOF(aspects); i++) {
                id = event_get(e, aspects[i].id);
                x = id ? find(o, aspects[i].kind, id->u32) : NULL;
                if (x && x->own)
                        return x;
        }
        for (size_t i = 0; maps && i < maps->u32s.n; i++) {
                x = find(o, OBJECT_MAP, maps->u32s.items[i]);
                if (x && x->own)
                        return x;
        }
        return NULL;
}

static const struct aspect *main_aspect(const struct event *e, uint32_t *ret_id) {
        const struct value *id;

        for (size_t i = 0; i < ELEMENTSOF(aspects); i++) {
                id = event_get(e, aspects[i].id);
                if (id) {
                        *ret_id = id->u32;
                        return &aspects[i];
                }
        }
        return NULL;
}

enum turn { TURN_NONE, TURN_COMES, TURN_GOES };

static enum turn turn_of(const struct event *e, const struct aspect *a) {
        const char *event = event_string(e, FIELD_EVENT), *result = event_string(e, FIELD_RESULT);

        for (size_t i = 0; event && i < ELEMENTSOF(turns); i++)
                if (turns[i].kind == a->kind && strcmp(turns[i].event, event) == 0) {
                        if (turns[i].goes)
                                return TURN_GOES;
                        return result && strcmp(result, "ok") == 0 ? TURN_COMES : TURN_NONE;
                }
        return TURN_NONE;
}

/* What is told of a link that comes is whose program it attaches. */
static void describe_attached(struct objects *o, struct event *e, const struct aspect *a) {
        const struct value *id = event_get(e, FIELD_PROG_ID);
        const struct object *x;

        if (a->kind != OBJECT_LINK || !id)
                return;
        x = find(o, OBJECT_PROG, id->u32);
        if (x)
                describe_loader(e, x);
}

static bool is_ourselves(const struct objects *o, const struct event *e) {
        const struct value *pid = event_get(e, FIELD_PROCESS_PID);

        return pid && o->self != 0 && pid->u32 == o->self;
}

bool objects_follow(struct objects *o, struct event *e, bool strict) {
        bool ourselves = is_ourselves(o, e);
        const struct aspect *a;
        struct object *x;
        uint32_t id;

        if (ourselves && own_object(o, e))
                return false;
        a = main_aspect(e, &id);
        if (!a)
                return !ourselves;
        x = find(o, a->kind, id);
        if (x && x->own && !event_has(e, FIELD_PROCESS_PID))
                return false;
        if (x && x->own && tamper_is_one(e))
                return tamper_tell(o->tampers, e, x->kind, x->id);

        switch (turn_of(e, a)) {
        case TURN_COMES:
                comes(o, e, a, id);
                describe_attached(o, e, a);
                return !ourselves;
        case TURN_GOES:
                if (told_gone(o, a->kind, id) && !x)
                        return false;
                if (x && strict && x->existed) {
                        forget(o, x); /* nobody observed had to do with it */
                        return false;
                }
                if (!x)
                        return !ourselves && !strict;
                if (ourselves)
                        disown(e);
                goes(o, e, a, x);
                message_set(e, action_free_info(a->kind));
                return true;
        default:
                if (x && !x->own)
                        describe_loader(e, x);
                return !ourselves;
        }
}

/* What is asked of it ---------------------------------------------------------------------------
 */

bool objects_describe(struct objects *o, uint32_t kind, uint32_t id, struct event *row) {
        const struct object *x = find(o, kind, id);

        if (!x)
                return false;
        if (x->own) {
                event_set_bool(row, FIELD_OWN, true);
                event_set_static(row, FIELD_LOADED_BY_NAME, "bpfmond");
                event_set_u32(row, FIELD_LOADED_BY_USER_ID, geteuid());
        } else {
                describe_loader(row, x);
        }
        return true;
}

bool objects_knows(struct objects *o, uint32_t kind, uint32_t id) {
        return find(o, kind, id);
}

void objects_forget(struct objects *o, uint32_t kind, uint32_t id) {
        struct object *x = find(o, kind, id);

        if (x && !x->own)
                forget(o, x);
}

void objects_each(struct objects *o, void (*each)(uint32_t kind, uint32_t id, void *userdata),
                  void *userdata) {
        for (size_t i = 0; i < BUCKETS; i++)
                for (const struct object *x = o->buckets[i]; x; x = x->next)
                        each(x->kind, x->id, userdata);
}

bool objects_owner(struct objects *o, uint32_t kind, uint32_t id, uint32_t *ret) {
        const struct object *x = find(o, kind, id);

        if (!x || x->own || !x->loader || !x->loader->has_user)
                return false;
        *ret = x->loader->user;
        return true;
}

size_t objects_existed(const struct objects *o, uint32_t kind, uint32_t after, uint32_t *ret,
                       size_t max) {
        size_t n = 0, i;

        /* Inserts into what there is, in order. */
        for (const struct object *x = o->oldest; x; x = x->newer) {
                if (!x->existed || x->kind != kind || x->id <= after ||
                    (n == max && x->id >= ret[n - 1]))
                        continue;
                n = MIN(n + 1, max);
                for (i = n - 1; i > 0 && ret[i - 1] > x->id; i--)
                        ret[i] = ret[i - 1];
                ret[i] = x->id;
        }
        return n;
}

void objects_adopt(struct objects *o, const struct event *e) {
        const struct aspect *a;
        struct object *x;
        uint32_t id;

        a = main_aspect(e, &id);
        x = a && turn_of(e, a) == TURN_COMES ? find(o, a->kind, id) : NULL;
        if (!x || x->own || !x->existed)
                return;
        /* The same number, but another program. */
        if (x->tag && string(e, a->tag) && strcmp(x->tag, string(e, a->tag)) != 0)
                return;
        intern_release(o->intern, x->loader);
        x->loader = hold_loader(o, e);
        x->time = time_of(e);
        x->existed = false;
}

bool objects_tamper(struct objects *o, struct event *e, bool touches) {
        const struct object *own = own_object(o, e), *x;
        const struct aspect *a;
        uint32_t id;

        if ((!own && !touches) || is_ourselves(o, e) || !event_has(e, FIELD_PROCESS_PID) ||
            !tamper_is_one(e))
                return false;
        a = main_aspect(e, &id);
        x = a ? find(o, a->kind, id) : NULL;
        if (x && x->own)
                return false; /* told as such already */
        return tamper_tell(o->tampers, e, own ? own->kind : OBJECT_NONE, own ? own->id : 0);
}
