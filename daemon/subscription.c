/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subscription.h"

#include <inttypes.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "delivery.h"
#include "errors.h"
#include "event.h"
#include "limit.h"
#include "log.h"
#include "match-bus.h"
#include "match.h"
#include "peer.h"
#include "reader.h"
#include "util.h"

/* The window is what may be on its way while a reader is not scheduled: at 50,000 events/s of 640
 * bytes, 8 MiB are a quarter of a second. A larger one buys nothing in the long run.
 *
 * dbus-daemon sets the others by what it allows a connection, which is ours. 128 calls may wait for
 * a reply (max_replies_per_connection): each subscription's ping, and our
 * questions to polkit (see configuration.c). 127 MiB may
 * wait for readers (max_incoming_bytes); beyond that it stops reading what we send, to anyone. So
 * the own of all and what is shared stay below: readers that are stopped can use up what is shared,
 * and the others still have their own. */
const struct subscription_limits subscription_limits_default = {
        .batch_events = 64,
        .window_bytes = 8 * 1024 * 1024,
        .own_bytes = 512 * 1024,
        .shared_bytes = 60 * 1024 * 1024,
};

enum {
        RETRY_USEC = 1000000, /* from a ping that was turned back to the next */
        OWN_BYTES_ALL = 60 * 1024 * 1024,
};

struct subscription {
        struct reader reader; /* the first member: see from_reader() */
        struct subscription_table *table;
        char path[sizeof(BPFMON_SUBSCRIPTION_PREFIX) + 24];
        struct delivery delivery;
        struct peer *owner;
};

struct subscription_table {
        sd_bus *bus;
        struct readers *readers;
        struct limits *limits;
        struct subscription_limits window;
        uint64_t last_id;
        struct delivery_context context;
        sd_bus_slot *objects, *nodes;
        sd_event_source *post;  /* runs while something is held back */
        sd_event_source *retry; /* runs once after a ping was turned back */
        bool held;
};

static struct subscription *from_reader(struct reader *r) {
        return (struct subscription *) r;
}

/* Unique name of the peer that gets the signals. */
static const char *owner_of(const struct subscription *s) {
        return s->reader.grant.permission.sender;
}

static void take_event(struct reader *r, const struct event *event) {
        delivery_event(&from_reader(r)->delivery, event);
}

static void take_lost(struct reader *r, _unused_ const struct event *partial, uint64_t count) {
        delivery_lost(&from_reader(r)->delivery, count);
}

static void flush(struct reader *r) {
        delivery_flush(&from_reader(r)->delivery);
}

static bool holds(const struct reader *r) {
        const struct delivery *d = &((const struct subscription *) r)->delivery;

        return d->batch || d->lost > 0;
}

static void take_revoked(struct reader *r, const char *reason);

static const struct reader_kind kind = {take_event, take_lost, flush, holds, take_revoked};

/* The next subscription among the readers, from this one on. */
static struct subscription *find_kind(struct reader *r) {
        while (r && r->kind != &kind)
                r = r->next;
        return from_reader(r);
}

static struct subscription *first_subscription(const struct subscription_table *t) {
        return find_kind(t->readers->first);
}

static struct subscription *next_subscription(const struct subscription *s) {
        return find_kind(s->reader.next);
}

static struct subscription *subscription_free(struct subscription *s) {
        if (!s)
                return NULL;

        reader_remove(&s->reader);
        delivery_done(&s->delivery);
        peer_free(s->owner);
        free(s);
        return NULL;
}

DEFINE_CLEANUP(struct subscription *, subscription_free);

/* Tells the owner why nothing more comes. */
static int send_closed(struct subscription *s, const char *reason) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_signal(s->table->bus, &m, s->path, BPFMON_SUBSCRIPTION_INTERFACE,
                                      "Closed");
        if (r >= 0)
                r = sd_bus_message_set_destination(m, owner_of(s));
        if (r >= 0)
                r = sd_bus_message_append(m, "s", reason);
        return r < 0 ? r : sd_bus_send(s->table->bus, m, NULL);
}

static void take_revoked(struct reader *r, const char *reason) {
        struct subscription *s = from_reader(r);
        int k = send_closed(s, reason);

        if (k < 0)
                log_warning("Cannot tell %s that its subscription ends: %s", owner_of(s),
                            strerror(-k));
        subscription_free(s);
}

static void on_owner_left(int error, void *userdata) {
        struct subscription *s = userdata;

        if (error < 0) /* it might be there for ever */
                take_revoked(&s->reader, "The bus does not tell bpfmond when you leave");
        else
                subscription_free(s);
}

/* Strangers may know the path, but not touch what is behind it. */
static int check_owner(const struct subscription *s, sd_bus_message *m, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(m);

        if (sender && strcmp(sender, owner_of(s)) == 0)
                return 0;

        return limits_deny(s->table->limits, "This subscription belongs to another client", error);
}

static int method_update(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct subscription *s = userdata;
        struct match *match;
        int r;

        r = check_owner(s, m, error);
        if (r < 0)
                return r;

        r = match_read(m, s->table->limits, &match, error);
        if (r < 0)
                return r;

        r = match_check_fields(&s->reader.grant.permission.viewer, match, s->table->limits, error);
        if (r < 0) {
                match_free(match);
                return r;
        }

        reader_set_match(&s->reader, match);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_close(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct subscription *s = userdata;
        int r;

        r = check_owner(s, m, error);
        if (r < 0)
                return r;

        subscription_free(s);
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable subscription_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Update", SD_BUS_ARGS("as", matches), SD_BUS_NO_RESULT,
                                method_update, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Close", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_close,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Events", SD_BUS_ARGS("t", first_seq, "t", lost, "aa{sv}", events),
                                0),
        SD_BUS_SIGNAL_WITH_ARGS("Closed", SD_BUS_ARGS("s", reason), 0),
        SD_BUS_VTABLE_END,
};

static int find_object(_unused_ sd_bus *bus, const char *path, _unused_ const char *interface,
                       void *userdata, void **ret, _unused_ sd_bus_error *error) {
        struct subscription_table *t = userdata;

        for (struct subscription *s = first_subscription(t); s; s = next_subscription(s))
                if (strcmp(s->path, path) == 0) {
                        *ret = s;
                        return 1;
                }

        return 0;
}

static int list_objects(_unused_ sd_bus *bus, _unused_ const char *prefix, void *userdata,
                        char ***ret, _unused_ sd_bus_error *error) {
        struct subscription_table *t = userdata;
        char **paths = calloc(subscription_table_count(t) + 1, sizeof(*paths));
        size_t n = 0;

        if (!paths)
                return -ENOMEM;

        for (struct subscription *s = first_subscription(t); s; s = next_subscription(s))
                if (!(paths[n++] = strdup(s->path))) {
                        while (n > 0)
                                free(paths[--n]);
                        free(paths);
                        return -ENOMEM;
                }

        *ret = paths;
        return 0;
}

static void flush_all(struct subscription_table *t) {
        t->held = false;
        for (struct subscription *s = first_subscription(t); s; s = next_subscription(s))
                delivery_flush(&s->delivery);

        if (!t->held && t->post)
                (void) sd_event_source_set_enabled(t->post, SD_EVENT_OFF);
}

static int on_post(_unused_ sd_event_source *source, void *userdata) {
        flush_all(userdata);
        return 0;
}

/* The write queue drains inside the event loop, which tells nobody; a post source runs after each
 * of its turns. */
static void on_held(void *userdata) {
        struct subscription_table *t = userdata;
        sd_event *loop = sd_bus_get_event(t->bus);
        int r = 0;

        if (t->held || !loop)
                return;

        if (!t->post)
                r = sd_event_add_post(loop, &t->post, on_post, t);
        if (r >= 0)
                r = sd_event_source_set_enabled(t->post, SD_EVENT_ON);
        if (r < 0)
                log_warning("Cannot wait for the bus: %s", strerror(-r));
        t->held = r >= 0;
}

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        flush_all(userdata);
        return 0;
}

static void on_refused(void *userdata) {
        struct subscription_table *t = userdata;
        sd_event *loop = sd_bus_get_event(t->bus);
        int r = 0;

        if (!loop)
                return;
        if (!t->retry)
                r = sd_event_add_time_relative(loop, &t->retry, CLOCK_MONOTONIC, RETRY_USEC, 0,
                                               on_retry, t);
        else if (sd_event_source_set_time_relative(t->retry, RETRY_USEC) >= 0)
                r = sd_event_source_set_enabled(t->retry, SD_EVENT_ONESHOT);
        if (r < 0)
                log_warning("Cannot wait for a reader: %s", strerror(-r));
}

DEFINE_CLEANUP(struct subscription_table *, subscription_table_free);

int subscription_table_new(struct subscription_table **ret, sd_bus *bus, struct readers *readers,
                           struct limits *limits) {
        _cleanup_(subscription_table_freep) struct subscription_table *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;

        t->bus = sd_bus_ref(bus);
        t->readers = readers;
        t->limits = limits;
        t->window = subscription_limits_default;
        subscription_table_limits_changed(t);
        t->context = (struct delivery_context){
                .bus = bus,
                .limits = &t->window,
                .held = on_held,
                .refused = on_refused,
                .userdata = t,
        };

        r = sd_bus_add_fallback_vtable(bus, &t->objects, BPFMON_SUBSCRIPTION_PREFIX,
                                       BPFMON_SUBSCRIPTION_INTERFACE, subscription_vtable,
                                       find_object, t);
        if (r < 0)
                return r;

        r = sd_bus_add_node_enumerator(bus, &t->nodes, BPFMON_SUBSCRIPTION_PREFIX, list_objects, t);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

struct subscription_table *subscription_table_free(struct subscription_table *t) {
        if (!t)
                return NULL;

        for (struct subscription *s; (s = first_subscription(t));)
                subscription_free(s);
        sd_bus_slot_unref(t->objects);
        sd_bus_slot_unref(t->nodes);
        sd_event_source_disable_unref(t->post);
        sd_event_source_disable_unref(t->retry);
        sd_bus_unref(t->bus);
        free(t);
        return NULL;
}

size_t subscription_table_count(const struct subscription_table *t) {
        return readers_count(t->readers, &kind);
}

/* How much is a subscription's own depends on how many there may be. */
void subscription_table_limits_changed(struct subscription_table *t) {
        t->window.window_bytes = t->limits->max[LIMIT_WINDOW_BYTES];
        t->window.own_bytes = MIN(subscription_limits_default.own_bytes,
                                  OWN_BYTES_ALL / t->limits->max[LIMIT_SUBSCRIPTIONS]);
        t->context.borrowed = 0;
        for (struct subscription *s = first_subscription(t); s; s = next_subscription(s))
                t->context.borrowed += delivery_borrowed(&s->delivery);
}

uint64_t subscription_table_window_lost(const struct subscription_table *t) {
        return t->context.dropped;
}

int subscription_new(struct subscription_table *t, const struct permission *permission,
                     struct match *match, const struct field_set *only, uint64_t interval,
                     const char **ret_path) {
        _cleanup_(subscription_freep) struct subscription *s = NULL;
        int r;

        if (readers_count(t->readers, &kind) >= t->limits->max[LIMIT_SUBSCRIPTIONS])
                return -ENOSPC;
        if (readers_count_of(t->readers, &kind, permission->viewer.uid) >=
            t->limits->max[LIMIT_SUBSCRIPTIONS_PER_USER])
                return -EDQUOT;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->table = t;
        reader_init(&s->reader, &kind, permission, only);
        s->reader.interval = interval;
        r = peer_new(&s->owner, t->bus, owner_of(s), on_owner_left, s);
        if (r < 0)
                return r;

        snprintf(s->path, sizeof(s->path), BPFMON_SUBSCRIPTION_PREFIX "/%" PRIu64, ++t->last_id);
        delivery_init(&s->delivery, &t->context, owner_of(s), s->path, &s->reader.only);
        reader_set_match(&s->reader, match);
        readers_add(t->readers, &s->reader);
        *ret_path = TAKE_PTR(s)->path;
        return 0;
}
