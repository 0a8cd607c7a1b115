/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "absence.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "action.h"
#include "attr.h"
#include "bytes.h"
#include "event.h"
#include "hash.h"
#include "history-flat.h"
#include "history-query.h"
#include "log.h"
#include "match.h"
#include "message.h"
#include "objects.h"
#include "util.h"

enum {
        PAGE_ROWS = 4096,      /* of one question */
        GONE_MAX = 4096,       /* that are told one by one */
        ENTRIES_MIN = 1 << 10, /* a power of two */
        TERM_SIZE = 64,
        SLACK_USEC = 600000000, /* that the clock may have been set forward since the start */
};

/* In which events objects come and go. A road without bpf_link_create() makes a link, too. */
static const struct {
        enum object_kind kind;
        enum field id;
        const char *comes[2], *goes;
        int (*open)(uint32_t id);
} kinds[] = {
        {OBJECT_LINK, FIELD_LINK_ID, {"link-create", "attach"}, "link-free", bpf_link_get_fd_by_id},
        {OBJECT_PROG, FIELD_PROG_ID, {"prog-load"}, "prog-unload", bpf_prog_get_fd_by_id},
        {OBJECT_MAP, FIELD_MAP_ID, {"map-create"}, "map-free", bpf_map_get_fd_by_id},
};

/* What the event in which it came says of it, beside who brought it. */
static const enum field kept[] = {
        FIELD_PROG_ID,   FIELD_PROG_NAME,     FIELD_PROG_TYPE,   FIELD_PROG_TAG,
        FIELD_MAP_ID,    FIELD_MAP_NAME,      FIELD_MAP_TYPE,    FIELD_LINK_ID,
        FIELD_LINK_TYPE, FIELD_ATTACH_TARGET, FIELD_ATTACH_TYPE, FIELD_ATTACH_NAMESPACE,
};

/* Where ends of objects are not lost. Of what went before a daemon had its probes, it has asked the
 * kernel as we do. Of other places the class says whether connections were lost there. */
static const char *const harmless[] = {"connections", "start"};

static const char ours[] = "history"; /* the source of what we tell */

struct entry {
        uint64_t key; /* 0: free */
        uint64_t
                seen; /* when it was there, as the newest event has it that names it, µs; 0: none */
        bool settled; /* known to be there, or told to have gone */
};

struct absence {
        struct absence_context context;
        struct query *query;
        char cursor[HISTORY_CURSOR_MAX];
        uint64_t read;         /* events */
        struct entry *entries; /* an open hash */
        size_t n_entries, size_entries;
        uint64_t lost;      /* when it was last noticed that ends may have been lost; 0: never */
        struct bytes found; /* events in which they came, of history-flat.h: the newest first */
        size_t places[GONE_MAX];
        size_t n_found, more;
        int result;
};

/* A set of objects ------------------------------------------------------------------------------
 */

static uint64_t key(uint32_t kind, uint32_t id) {
        return (uint64_t) (kind + 1) << 32 | id;
}

static struct entry *place_of(struct entry *entries, size_t size, uint64_t wanted) {
        size_t i = hash_number(0, wanted);

        while (entries[i & (size - 1)].key != 0 && entries[i & (size - 1)].key != wanted)
                i++;
        return &entries[i & (size - 1)];
}

/* Finds or makes it; NULL: out of memory. Good until the next call. */
static struct entry *entry_of(struct absence *a, uint64_t wanted) {
        if ((a->n_entries + 1) * 2 > a->size_entries) {
                const size_t size = MAX(a->size_entries * 2, (size_t) ENTRIES_MIN);
                struct entry *entries = calloc(size, sizeof(entries[0]));

                if (!entries)
                        return NULL;
                for (size_t i = 0; i < a->size_entries; i++)
                        if (a->entries[i].key != 0)
                                *place_of(entries, size, a->entries[i].key) = a->entries[i];
                free(a->entries);
                a->entries = entries;
                a->size_entries = size;
        }
        struct entry *x = place_of(a->entries, a->size_entries, wanted);

        a->n_entries += x->key == 0;
        x->key = wanted;
        return x;
}

static int settle(struct absence *a, uint64_t wanted) {
        struct entry *x = entry_of(a, wanted);

        if (!x)
                return -ENOMEM;
        x->settled = true;
        return 0;
}

static void add_present(uint32_t kind, uint32_t id, void *userdata) {
        struct absence *a = userdata;

        if (a->result >= 0)
                a->result = settle(a, key(kind, id));
}

/* Telling ---------------------------------------------------------------------------------------
 */

/* Since when it may have gone: since the daemon before us stopped. Where that one may have missed
 * the end, and of a kind whose ends nobody sees, it is only known when it was last there. */
static uint64_t after(struct absence *a, size_t kind, const struct event *came) {
        const uint32_t id = event_get(came, kinds[kind].id)->u32;
        const struct entry *x = place_of(a->entries, a->size_entries, key(kinds[kind].kind, id));
        const bool watched = a->context.kinds & 1U << kinds[kind].kind;

        return watched && a->lost < x->seen ? MAX(a->context.from, x->seen) : x->seen;
}

static void describe(struct event *e, size_t kind, const struct event *came,
                     const struct absence_context *c, uint64_t from) {
        const char *message;

        event_reset(e);
        event_set_u64(e, FIELD_TIME, c->until);
        event_set_u64(e, FIELD_TIME_AFTER, MIN(from, c->until));
        event_set_static(e, FIELD_EVENT, kinds[kind].goes);
        event_set_static(e, FIELD_CLASS, "remove");
        event_set_static(e, FIELD_RESULT, "ok");
        event_set_static(e, FIELD_SOURCE, ours);
        event_set_bool(e, FIELD_ATTRIBUTED, false);
        for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                event_copy(e, came, kept[i]);
        objects_set_loader(e, came);
        message_set(e, action_free_info(kinds[kind].kind));
        message = event_string(e, FIELD_MESSAGE);
        if (message) {
                _cleanup_free_ char *copy = strdup(message);

                event_set_printf(e, FIELD_MESSAGE, "%s, while bpfmond did not see it",
                                 copy ?: "An object went");
        }
}

/* What is not told went before `until`: nothing that comes later can be of it. */
static void describe_gap(struct event *e, uint64_t until) {
        event_reset(e);
        event_set_u64(e, FIELD_TIME, until);
        event_set_static(e, FIELD_EVENT, "lost");
        event_set_static(e, FIELD_CLASS, "self");
        event_set_static(e, FIELD_SEVERITY, "warning");
        event_set_static(e, FIELD_SOURCE, ours);
        event_set_static(e, FIELD_LOST_WHERE, "restart");
        event_set_static(e, FIELD_MESSAGE, "Not all that went while bpfmond did not run is told");
}

static size_t kind_of(const struct event *e, bool *ret_comes) {
        const char *event = event_string(e, FIELD_EVENT);
        size_t i = 0;

        for (; event && i < ELEMENTSOF(kinds); i++) {
                if (!event_has(e, kinds[i].id))
                        continue;
                *ret_comes = strcmp(event, kinds[i].comes[0]) == 0 ||
                             (kinds[i].comes[1] && strcmp(event, kinds[i].comes[1]) == 0);
                if (*ret_comes || strcmp(event, kinds[i].goes) == 0)
                        return i;
        }
        return ELEMENTSOF(kinds);
}

static void tell_all(struct absence *a) {
        _cleanup_free_ struct event *came = malloc(sizeof(*came));

        for (size_t i = a->n_found; came && i > 0; i--) {
                struct bytes_reader r = bytes_reader(a->found.data + a->places[i - 1],
                                                     a->found.n - a->places[i - 1]);
                bool comes;

                event_reset(came);
                if (flat_take(&r, came) < 0)
                        continue;
                const size_t kind = kind_of(came, &comes);
                if (kind == ELEMENTSOF(kinds))
                        continue;
                describe(a->context.event, kind, came, &a->context, after(a, kind, came));
                a->context.gone(a->context.userdata);
        }
        if (a->more > 0)
                log_warning("%zu more objects went unseen; they are not told one by one", a->more);
}

/* Asking ----------------------------------------------------------------------------------------
 */

static bool is_there(size_t kind, uint32_t id) {
        const int fd = kinds[kind].open(id);

        if (fd >= 0)
                close(fd);
        return fd != -ENOENT;
}

static void on_lost(struct absence *a, const struct event *e, uint64_t time) {
        const char *where = event_string(e, FIELD_LOST_WHERE);
        const char *class = event_string(e, FIELD_CLASS);

        if (class && strcmp(class, "traffic") == 0)
                return;
        for (size_t i = 0; where && i < ELEMENTSOF(harmless); i++)
                if (strcmp(where, harmless[i]) == 0)
                        return;
        a->lost = MAX(a->lost, time);
}

static int see_one(struct absence *a, enum object_kind kind, uint32_t id, uint64_t time) {
        struct entry *x = entry_of(a, key(kind, id));

        if (!x)
                return -ENOMEM;
        x->seen = MAX(x->seen, time);
        return 0;
}

/* Whatever a successful call was about was there. What another one of us told was not seen then. */
static int see(struct absence *a, const struct event *e, uint64_t time) {
        const struct value *maps = event_get(e, FIELD_PROG_MAPS), *id;
        const char *source = event_string(e, FIELD_SOURCE);
        int r = 0;

        if (source && strcmp(source, ours) == 0)
                return 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(kinds); i++) {
                id = event_get(e, kinds[i].id);
                if (id)
                        r = see_one(a, kinds[i].kind, id->u32, time);
        }
        for (size_t i = 0; r >= 0 && maps && i < maps->u32s.n; i++)
                r = see_one(a, OBJECT_MAP, maps->u32s.items[i], time);
        return r;
}

/* The newest first: what has gone is known before it came. */
static int on_event(const struct event *e, void *userdata) {
        struct absence *a = userdata;
        const struct value *stamp = event_get(e, FIELD_TIME);
        const uint64_t time = stamp ? stamp->u64 : 0;
        const char *event = event_string(e, FIELD_EVENT);
        const char *result = event_string(e, FIELD_RESULT);
        bool comes;
        int r;

        if (event && strcmp(event, "lost") == 0) {
                if (time <= a->context.until)
                        on_lost(a, e, time);
                return 0;
        }
        const size_t kind = kind_of(e, &comes);

        if (kind == ELEMENTSOF(kinds) || (comes && result && strcmp(result, "ok") != 0) ||
            (comes && time > a->context.until))
                return 0;
        r = see(a, e, time);
        if (r < 0)
                return r;
        const uint32_t id = event_get(e, kinds[kind].id)->u32;
        const uint64_t k = key(kinds[kind].kind, id);
        const struct entry *known = entry_of(a, k);

        if (!known)
                return -ENOMEM;
        if (known->settled)
                return 0;
        if (comes && !is_there(kind, id)) {
                if (a->n_found == GONE_MAX) {
                        a->more++;
                } else {
                        a->places[a->n_found++] = a->found.n;
                        flat_put(&a->found, e);
                }
        }
        return a->found.failed ? -ENOMEM : settle(a, k);
}

static int ask(struct absence *a);

static void on_done(int r, const struct history_answer *answer, void *userdata) {
        struct absence *a = userdata;
        const bool rest = r >= 0 && answer->more && answer->cursor[0];

        a->query = NULL;
        a->read += r >= 0 ? answer->n : 0;
        if (rest && a->read < a->context.events_max) {
                memcpy(a->cursor, answer->cursor, sizeof(a->cursor));
                r = ask(a);
                if (r >= 0)
                        return;
        }
        /* Of an answer that broke off it is not known what went in the rest. */
        if (r < 0)
                log_warning("Cannot tell all that went unseen: %s", strerror(-r));
        else if (rest)
                log_warning("Cannot tell all that went unseen: the history has too many events");
        tell_all(a);
        const bool all = (r >= 0 || r == -ENODATA) && !rest && a->more == 0;

        if (!all)
                describe_gap(a->context.event, a->context.until);
        a->context.done(all, a->context.userdata);
}

/* The events of this boot in which objects come and go, and what was lost of them. */
static int make_match(struct match **ret) {
        char texts[ELEMENTSOF(kinds) * 3 + 2][TERM_SIZE];
        const char *terms[ELEMENTSOF(texts)];
        sd_id128_t boot;
        size_t n = 0;
        int r = sd_id128_get_boot(&boot);

        if (r < 0)
                return r;
        snprintf(texts[n++], TERM_SIZE, "boot.id=" SD_ID128_FORMAT_STR, SD_ID128_FORMAT_VAL(boot));
        snprintf(texts[n++], TERM_SIZE, "event=lost");
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                const char *const events[] = {kinds[i].comes[0], kinds[i].comes[1], kinds[i].goes};

                for (size_t j = 0; j < ELEMENTSOF(events); j++)
                        if (events[j])
                                snprintf(texts[n++], TERM_SIZE, "event=%s", events[j]);
        }
        for (size_t i = 0; i < n; i++)
                terms[i] = texts[i];
        return match_new(ret, terms, n, NULL);
}

/* When the machine was started, about: what is older need not be read. */
static uint64_t boot_time(const struct absence *a) {
        struct timespec up;

        clock_gettime(CLOCK_BOOTTIME, &up);
        const uint64_t usec = (uint64_t) up.tv_sec * 1000000 + SLACK_USEC;
        return a->context.until > usec ? a->context.until - usec : 0;
}

static int ask(struct absence *a) {
        static const struct query_handlers handlers = {on_event, on_done};
        struct history_question question = {
                .since = boot_time(a),
                .viewer = {.scope = SCOPE_ALL},
                .until = UINT64_MAX,
                .limit = MIN(a->context.events_max - a->read, (uint64_t) PAGE_ROWS),
                .reverse = true,
                .cursor = a->cursor[0] ? a->cursor : NULL,
        };
        struct match *match = NULL;
        int r = make_match(&match);

        question.match = match;
        if (r >= 0)
                r = query_new(&a->query, a->context.queries, &question, &handlers, a);
        if (r < 0)
                match_free(match);
        return r;
}

DEFINE_CLEANUP(struct absence *, absence_free);

int absence_new(struct absence **ret, const struct absence_context *context) {
        _cleanup_(absence_freep) struct absence *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->context = *context;
        r = settle(a, key(OBJECT_PROG, 0));
        if (r >= 0) {
                objects_each(context->objects, add_present, a);
                r = a->result;
        }
        if (r >= 0)
                r = ask(a);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

struct absence *absence_free(struct absence *a) {
        if (!a)
                return NULL;

        if (a->query)
                query_cancel(a->query);
        bytes_done(&a->found);
        free(a->entries);
        free(a);
        return NULL;
}
