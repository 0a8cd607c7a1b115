/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "errors.h"
#include "value.h"

/* Somebody who comes back to the session gets the permission back, of which polkit tells. */
#define REFUSED_RETRY_USEC UINT64_C(300000000)
#define FAILED_RETRY_USEC  UINT64_C(30000000)

enum {
        SEEN_MAX = 256, /* events remembered by number and time */
};

struct source {
        sd_bus *bus;
        sd_event *loop;
        const char *scope;
        struct source_events events;
        void *userdata;
        sd_bus_slot *watch, *polkit, *question, *call;
        sd_event_source *retry;
        char *owner;     /* of the daemon's name; NULL: it is not there */
        bool subscribed; /* it has answered */
        bool refused;    /* it, or the one before, has said no */
        bool complained; /* of what keeps us from subscribing now */
        struct {
                uint64_t seq, time;
        } seen[SEEN_MAX];
        size_t n_seen;
};

static void subscribe(struct source *s);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct source *s = userdata;

        if (s->owner && !s->subscribed && !s->call)
                subscribe(s);
        return 0;
}

static void retry_in(struct source *s, uint64_t usec) {
        s->retry = sd_event_source_disable_unref(s->retry);
        (void) sd_event_add_time_relative(s->loop, &s->retry, CLOCK_MONOTONIC, usec, 0, on_retry,
                                          s);
}

static void fail(struct source *s, const sd_bus_error *error, int r) {
        s->refused = sd_bus_error_has_names(error, SD_BUS_ERROR_ACCESS_DENIED,
                                            SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) > 0;
        if (!s->complained)
                complain("bpfmond sends no alerts: %s; trying again", !error ? strerror(-r)
                                                                      : error->message
                                                                              ? error->message
                                                                              : error->name);
        s->complained = true;
        retry_in(s, s->refused ? REFUSED_RETRY_USEC : FAILED_RETRY_USEC);
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct source *s = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);

        s->call = sd_bus_slot_unref(s->call);
        if (error && bus_error_no_daemon(error))
                retry_in(s, FAILED_RETRY_USEC); /* the bus tells when it is back */
        else if (error)
                fail(s, error, 0);
        else {
                s->subscribed = true;
                if (s->complained)
                        complain("bpfmond sends alerts");
                s->complained = s->refused = false;
        }
        return 1;
}

static int ask(struct source *s) {
        /* The scope alerts has nothing else. */
        static char *matches[] = {"severity>=warning"};
        size_t n = strcmp(s->scope, "alerts") == 0 ? 0 : ELEMENTSOF(matches);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        int r = sd_bus_message_new_method_call(s->bus, &m, s->owner, BPFMON_OBJECT_PATH,
                                               BPFMON_MANAGER_INTERFACE, "Subscribe");
        if (r >= 0)
                r = bus_append_matches(m, matches, n, NULL, s->scope, 0);
        if (r >= 0) /* a session that begins is no time for passwords */
                r = sd_bus_message_set_allow_interactive_authorization(m, false);
        return r < 0 ? r : sd_bus_call_async(s->bus, &s->call, m, on_subscribed, s, 0);
}

static void subscribe(struct source *s) {
        s->call = sd_bus_slot_unref(s->call);
        s->subscribed = false;
        int r = ask(s);
        if (r < 0)
                fail(s, NULL, r);
}

static void set_owner(struct source *s, const char *owner) {
        if (s->owner && strcmp(s->owner, owner) == 0)
                return;

        s->call = sd_bus_slot_unref(s->call);
        s->retry = sd_event_source_disable_unref(s->retry);
        s->subscribed = false;
        free(s->owner);
        s->owner = owner[0] ? strdup(owner) : NULL;
        if (s->owner)
                subscribe(s);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct source *s = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) >= 0)
                set_owner(s, after);
        return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct source *s = userdata;
        const char *owner;

        s->question = sd_bus_slot_unref(s->question);
        if (sd_bus_message_is_method_error(m, NULL)) {
                if (!s->owner)
                        complain("bpfmond is not running; waiting for it");
        } else if (sd_bus_message_read(m, "s", &owner) >= 0) {
                set_owner(s, owner);
        }
        return 1;
}

/* Sessions that become active, and rules that change. */
static int on_polkit_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct source *s = userdata;

        if (s->refused && s->owner && !s->call)
                subscribe(s);
        return 0;
}

int source_new(struct source **ret, sd_bus *bus, sd_event *loop, const char *scope,
               const struct source_events *events, void *userdata) {
        _cleanup_(source_freep) struct source *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        *s = (struct source){.bus = bus,
                             .loop = sd_event_ref(loop),
                             .scope = scope,
                             .events = *events,
                             .userdata = userdata};
        int r = sd_bus_add_match_async(
                bus, &s->watch,
                "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
                "member='NameOwnerChanged',arg0='" BPFMON_BUS_NAME "'",
                on_owner_changed, NULL, s);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, &s->polkit, "org.freedesktop.PolicyKit1",
                                              "/org/freedesktop/PolicyKit1/Authority",
                                              "org.freedesktop.PolicyKit1.Authority", "Changed",
                                              on_polkit_changed, NULL, s);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, &s->question, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                             "GetNameOwner", on_owner, s, "s", BPFMON_BUS_NAME);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

struct source *source_free(struct source *s) {
        if (!s)
                return NULL;

        sd_bus_slot_unref(s->watch);
        sd_bus_slot_unref(s->polkit);
        sd_bus_slot_unref(s->question);
        sd_bus_slot_unref(s->call);
        sd_event_source_disable_unref(s->retry);
        sd_event_unref(s->loop);
        free(s->owner);
        free(s);
        return NULL;
}

/* Whether it came before: a daemon that takes over from another sends again what may not have
 * reached us. */
static bool came_before(struct source *s, uint64_t seq, uint64_t time) {
        size_t n = MIN(s->n_seen, (size_t) SEEN_MAX);

        if (seq == 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (s->seen[i].seq == seq && s->seen[i].time == time)
                        return true;

        s->seen[s->n_seen % SEEN_MAX].seq = seq;
        s->seen[s->n_seen % SEEN_MAX].time = time;
        s->n_seen++;
        return false;
}

/* The signal Events(t first_seq, t lost, aa{sv} events). */
static int read_events(struct source *s, sd_bus_message *m) {
        uint64_t first, lost;

        int r = sd_bus_message_read(m, "tt", &first, &lost);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "a{sv}");
        if (r < 0)
                return r;

        if (lost > 0)
                s->events.lost(lost, s->userdata);
        for (;;) {
                _cleanup_json_ struct json_object *row = NULL;

                r = bus_json_read_row(m, NULL, &row);
                if (r <= 0)
                        return r;
                if (!came_before(s, row_number(row, FIELD_SEQ), row_number(row, FIELD_TIME)))
                        s->events.alert(row, s->userdata);
        }
}

static void closed(struct source *s, sd_bus_message *m) {
        const char *reason;

        if (sd_bus_message_read(m, "s", &reason) < 0)
                reason = "it does not say why";
        complain("bpfmond sends no more alerts: %s; waiting until it may", reason);
        s->complained = s->refused = true;
        s->subscribed = false;
        retry_in(s, REFUSED_RETRY_USEC);
}

int source_message(struct source *s, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        if (!s->owner || !sender || strcmp(sender, s->owner) != 0)
                return 0;
        if (sd_bus_message_is_signal(m, BPFMON_SUBSCRIPTION_INTERFACE, "Events") > 0) {
                if (read_events(s, m) < 0)
                        complain("bpfmond sent events in a form unknown here; install one version "
                                 "of both");
                return 1;
        }
        if (sd_bus_message_is_signal(m, BPFMON_SUBSCRIPTION_INTERFACE, "Closed") > 0) {
                closed(s, m);
                return 1;
        }
        return 0;
}
