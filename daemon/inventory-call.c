/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory-call.h"

#include <inttypes.h>
#include <systemd/sd-event.h>

#include "access.h"
#include "errors.h"
#include "event-bus.h"
#include "event.h"
#include "inventory-origin.h"
#include "inventory-scan.h"
#include "inventory.h"
#include "limit.h"
#include "match.h"
#include "options.h"
#include "peer.h"
#include "timer.h"
#include "trim.h"
#include "util.h"

enum {
        SLICE_ROWS = 256, /* made before other things have their turn */
};

struct call {
        struct inventory_calls *calls;
        struct call *next;
        sd_bus_message *message, *reply;
        struct peer *sender;
        struct look *look;
        struct origin *origin; /* of one object, while the history is asked */
        sd_event_source *slice;
        enum object_kind kind;
        uint32_t id; /* of the one that is asked for; 0: a list */
        struct viewer viewer;
        struct match *match;
        struct options options;
        struct row_sources sources;
        size_t at; /* the next object */
        uint64_t rows, bytes;
};

struct inventory_calls {
        struct inventory_context context;
        struct call *first;
        struct event *event;
        sd_event_source *trim;
};

/* Kinds by name, for those who ask for one that is not there. */
static const char *const kind_words[_OBJECT_MAX] = {
        [OBJECT_PROG] = "program",
        [OBJECT_MAP] = "map",
        [OBJECT_LINK] = "link",
        [OBJECT_BTF] = "BTF",
};

static struct call *call_free(struct call *c) {
        struct call **link;

        if (!c)
                return NULL;
        for (link = &c->calls->first; *link && *link != c; link = &(*link)->next)
                ;
        if (*link)
                *link = c->next;
        sd_event_source_disable_unref(c->slice);
        origin_free(c->origin);
        look_free(c->look);
        match_free(c->match);
        peer_free(c->sender);
        sd_bus_message_unref(c->reply);
        sd_bus_message_unref(c->message);
        free(c);
        return NULL;
}

DEFINE_CLEANUP(struct call *, call_free);

/* Replies -------------------------------------------------------------------------------------- */

static void reply_error(struct call *c, int r, sd_bus_error *error) {
        if (error && sd_bus_error_is_set(error))
                (void) sd_bus_reply_method_error(c->message, error);
        else if (r == -ENOENT)
                (void) sd_bus_reply_method_errorf(c->message, BPFMON_ERROR_NO_OBJECT,
                                                  "There is no %s with the id %" PRIu32,
                                                  kind_words[c->kind], c->id);
        else
                (void) sd_bus_reply_method_errnof(c->message, r,
                                                  "What is in the kernel can't be read: %m");
        call_free(c);
}

/* Whether the kernel's list of them was not read to its end. */
static bool is_cut(const struct call *c) {
        static const unsigned lists[_OBJECT_MAX] = {
                [OBJECT_PROG] = SCAN_PROGS,
                [OBJECT_MAP] = SCAN_MAPS,
                [OBJECT_LINK] = SCAN_LINKS,
                [OBJECT_BTF] = SCAN_BTF,
        };

        return scan_incomplete(c->sources.scan, lists[c->kind]) != 0;
}

/* The reply is complete. What is missing in it, each row says; where there is none, the error does.
 */
static void finish(struct call *c) {
        int r = c->id ? 0 : sd_bus_message_close_container(c->reply);

        if (r >= 0 && !c->id && c->rows == 0 && is_cut(c))
                r = -ETIME;
        if (r >= 0)
                r = sd_bus_send(NULL, c->reply, NULL);
        trim_later(&c->calls->trim, sd_bus_get_event(sd_bus_message_get_bus(c->message)), c->bytes);
        if (r < 0)
                reply_error(c, r, NULL);
        else
                call_free(c);
}

/* Lists ---------------------------------------------------------------------------------------- */

static const struct field_set *fields_of(const struct call *c) {
        return c->options.given & OPTION_BIT(OPTION_FIELDS) ? &c->options.fields : NULL;
}

/* Makes one row. Returns 1, 0 when the reply has no room for it, or a negative errno. */
static int add_row(struct call *c, sd_bus_error *error) {
        struct limits *limits = c->calls->context.limits;
        const bool some = c->options.given & OPTION_BIT(OPTION_LIMIT);
        const uint64_t most = some ? MIN((uint64_t) c->options.limit, limits->max[LIMIT_QUERY_ROWS])
                                   : limits->max[LIMIT_QUERY_ROWS];
        struct event *e = c->calls->event;
        struct field_set hidden;
        int r;

        row_fill(&c->sources, &c->viewer, c->kind, c->at, e);
        /* What it does not see, a match cannot ask about. */
        if (!viewer_looks(&c->viewer, e, &hidden) || !match_test(c->match, e))
                return 1;
        if (c->rows >= most)
                return some ? 0 : limits_refuse(limits, LIMIT_QUERY_ROWS, error);
        r = event_append(e, fields_of(c), c->reply);
        if (r < 0)
                return r;
        c->rows++;
        c->bytes += (uint64_t) r;
        if (c->bytes > limits->max[LIMIT_MESSAGE_BYTES] && !some)
                return limits_refuse(limits, LIMIT_MESSAGE_BYTES, error);
        /* The next one may be as large as this one, or somewhat larger. */
        return c->bytes + 2 * (uint64_t) r < limits->max[LIMIT_MESSAGE_BYTES] || !some;
}

static int on_slice(sd_event_source *source, uint64_t usec, void *userdata);

static int wait_for_turn(struct call *c) {
        sd_event *loop = sd_bus_get_event(sd_bus_message_get_bus(c->message));

        return turn_wait(&c->slice, loop, on_slice, c);
}

static int on_slice(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct call *c = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const size_t n = row_count(c->sources.scan, c->kind);
        bool more;
        int r = 1;

        for (size_t i = 0; r > 0 && i < SLICE_ROWS && c->at < n; i++) {
                r = add_row(c, &error);
                c->at++;
        }
        more = r > 0 && c->at < n;
        if (more)
                r = wait_for_turn(c);
        if (r < 0)
                reply_error(c, r, &error);
        else if (!more)
                finish(c);
        return 0;
}

/* Objects come in the order of their ids. */
static size_t first_after(const struct scan *s, enum object_kind kind, uint32_t id) {
        size_t low = 0, high = row_count(s, kind);

        while (low < high) {
                const size_t middle = low + (high - low) / 2;
                if (row_id(s, kind, middle) <= id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int begin_list(struct call *c) {
        int r = sd_bus_message_open_container(c->reply, 'a', "a{sv}");

        c->at = first_after(c->sources.scan, c->kind, c->options.after);
        return r < 0 ? r : wait_for_turn(c);
}

/* One object ----------------------------------------------------------------------------------- */

/* The history has been asked. `past` is the event in which the object came, NULL where it has
 * none. */
static void on_origin(const struct event *past, void *userdata) {
        struct call *c = userdata;
        struct event *e = c->calls->event;
        struct field_set hidden;
        int r = -ENOENT;

        row_fill(&c->sources, &c->viewer, c->kind, c->at, e);
        origin_add(past, c->kind, e);
        if (viewer_looks(&c->viewer, e, &hidden))
                r = event_append(e, NULL, c->reply);
        if (r < 0)
                reply_error(c, r, NULL);
        else
                finish(c);
}

static int begin_one(struct call *c) {
        c->at = first_after(c->sources.scan, c->kind, c->id - 1);
        if (c->at >= row_count(c->sources.scan, c->kind) ||
            row_id(c->sources.scan, c->kind, c->at) != c->id)
                return is_cut(c) ? -ETIME : -ENOENT;
        return origin_ask(&c->origin, c->calls->context.queries, c->kind, c->id, &c->viewer,
                          on_origin, c);
}

/* Calls ---------------------------------------------------------------------------------------- */

static void on_looked(int r, struct scan *scan, void *userdata) {
        struct call *c = userdata;

        c->sources = c->calls->context.sources;
        c->sources.scan = scan;
        if (r >= 0)
                r = c->id ? begin_one(c) : begin_list(c);
        if (r < 0)
                reply_error(c, r, NULL);
}

/* Nobody waits for it any more. Where the bus does not tell, it ends when it is answered. */
static void on_sender_left(int error, void *userdata) {
        if (error >= 0)
                call_free(userdata);
}

static int call_new(struct call **ret, struct inventory_calls *calls, sd_bus_message *m,
                    enum object_kind kind, const struct viewer *viewer) {
        _cleanup_(call_freep) struct call *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->calls = calls;
        c->next = calls->first;
        calls->first = c;
        c->message = sd_bus_message_ref(m);
        c->kind = kind;
        c->viewer = *viewer;
        r = peer_new(&c->sender, sd_bus_message_get_bus(m), sd_bus_message_get_sender(m),
                     on_sender_left, c);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &c->reply);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

/* Has somebody look. The call is gone when that fails. */
static int begin(struct call *c, unsigned parts, sd_bus_error *error) {
        _cleanup_(call_freep) struct call *owned = c;
        int r = inventory_look(&c->look, c->calls->context.inventory, c->viewer.uid, parts,
                               c->kind == OBJECT_LINK ? c->id : 0, on_looked, c);

        if (r == -EDQUOT || r == -ENOSPC)
                return sd_bus_error_set(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                        "Too many lists are being made; wait for an answer");
        if (r < 0)
                return r;
        TAKE_PTR(owned);
        return 1;
}

/* What takes a look at something else than the object itself. */
static const struct {
        enum field field;
        unsigned parts;
} sources[] = {
        {FIELD_HOLDERS, SCAN_HOLDERS},      {FIELD_PIN_PATHS, SCAN_PINS},
        {FIELD_ATTACHMENTS, SCAN_ATTACHED}, {FIELD_ATTACH_TARGET, SCAN_ATTACHED},
        {FIELD_MEMORY, SCAN_MEMORY},        {FIELD_MAP_FROZEN, SCAN_MEMORY},
};

/* Of these a match asks about all; who only wants them is told of what else is wanted. */
static const enum field summaries[] = {FIELD_INCOMPLETE, FIELD_INCOMPLETE_REASONS};

static bool add_field(enum field f, const void *userdata) {
        field_set_add((struct field_set *) userdata, f);
        return false;
}

static bool is_summary(enum field f, _unused_ const void *userdata) {
        for (size_t i = 0; i < ELEMENTSOF(summaries); i++)
                if (f == summaries[i])
                        return true;
        return false;
}

static unsigned parts_for(const struct match *match, const struct options *options) {
        struct field_set wanted = options->fields;
        unsigned parts = 0;

        if (!(options->given & OPTION_BIT(OPTION_FIELDS)) ||
            match_find(match, is_summary, NULL) >= 0)
                return SCAN_ALL;
        (void) match_find(match, add_field, &wanted);
        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                if (field_set_has(&wanted, sources[i].field))
                        parts |= sources[i].parts;
        return parts;
}

int inventory_list(struct inventory_calls *calls, sd_bus_message *call, enum object_kind kind,
                   struct match *match, const struct options *options, const struct viewer *viewer,
                   sd_bus_error *error) {
        struct call *c;
        int r = call_new(&c, calls, call, kind, viewer);

        if (r < 0) {
                match_free(match);
                return r;
        }
        /* All before it begins: where no thread can be made, the answer is there at once. */
        c->options = *options;
        c->match = match;
        return begin(c, parts_for(match, options), error);
}

int inventory_get(struct inventory_calls *calls, sd_bus_message *call, enum object_kind kind,
                  uint32_t id, const struct viewer *viewer, sd_bus_error *error) {
        struct call *c;
        int r;

        if (id == 0)
                return sd_bus_error_set(error, BPFMON_ERROR_NO_OBJECT, "No object has the id 0");
        r = call_new(&c, calls, call, kind, viewer);
        if (r < 0)
                return r;
        c->id = id;
        return begin(c, SCAN_ALL, error);
}

int inventory_calls_new(struct inventory_calls **ret, const struct inventory_context *context) {
        struct inventory_calls *calls = calloc(1, sizeof(*calls));

        if (!calls)
                return -ENOMEM;
        calls->context = *context;
        calls->event = malloc(sizeof(*calls->event));
        if (!calls->event) {
                free(calls);
                return -ENOMEM;
        }
        *ret = calls;
        return 0;
}

struct inventory_calls *inventory_calls_free(struct inventory_calls *calls) {
        if (!calls)
                return NULL;
        while (calls->first)
                reply_error(calls->first, -ECANCELED, NULL);
        sd_event_source_disable_unref(calls->trim);
        free(calls->event);
        free(calls);
        return NULL;
}
