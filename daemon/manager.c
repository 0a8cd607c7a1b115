/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <string.h>
#include <sys/utsname.h>
#include <systemd/sd-bus.h>

#include "callers.h"
#include "errors.h"
#include "escape.h"
#include "event-bus.h"
#include "event.h"
#include "match-bus.h"
#include "match.h"
#include "probe.h"
#include "subscription.h"
#include "util.h"

enum {
        SHOWN_OPTION_BYTES = 64, /* of an option's name in an error */
};

struct manager {
        struct manager_context context;
        sd_bus_slot *object;
};

DEFINE_CLEANUP(struct match *, match_free);

static int refuse_option(const char *option, const char *method, const char *valid,
                         sd_bus_error *error) {
        char shown[3 * SHOWN_OPTION_BYTES + 1];

        utf8_sanitize(option, SHOWN_OPTION_BYTES, shown, sizeof(shown));
        return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                 "Unknown option \"%s\"; valid options of %s: %s", shown, method,
                                 valid);
}

/* Adds a field by its name. */
static int add_field(struct field_set *set, const char *name, sd_bus_error *error) {
        char shown[3 * SHOWN_OPTION_BYTES + 1];
        const char *nearest;
        int f = field_from_name(name);

        if (f >= 0) {
                field_set_add(set, (enum field) f);
                return 0;
        }
        utf8_sanitize(name, SHOWN_OPTION_BYTES, shown, sizeof(shown));
        nearest = field_nearest(name);
        return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                 "Unknown field \"%s\" in the option fields%s%s%s", shown,
                                 nearest ? "; did you mean \"" : "", nearest ?: "",
                                 nearest ? "\"?" : "");
}

/* Reads the value of the option fields, a variant with an `as`. */
static int read_fields(sd_bus_message *m, struct field_set *set, sd_bus_error *error) {
        const char *contents, *name;
        size_t n = 0;
        int r;

        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        if (strcmp(contents, "as") != 0)
                return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                         "The option fields is an array of strings (as), not %.16s",
                                         contents);

        r = sd_bus_message_enter_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &name)) > 0) {
                if (++n > _FIELD_MAX)
                        return sd_bus_error_set(error, BPFMON_ERROR_INVALID_OPTION,
                                                "The option fields has more names than there are "
                                                "fields");
                r = add_field(set, name, error);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r;
}

/* Reads the options of Subscribe: `ret_some` says whether `ret_only` counts. */
static int read_subscribe_options(sd_bus_message *m, struct field_set *ret_only, bool *ret_some,
                                  sd_bus_error *error) {
        const char *option;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read_basic(m, 's', &option);
                if (r < 0)
                        return r;
                if (strcmp(option, "fields") != 0)
                        return refuse_option(option, "Subscribe", "fields", error);
                r = read_fields(m, ret_only, error);
                if (r < 0)
                        return r;
                *ret_some = true;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

/* Reads the options of a call that has none yet. */
static int read_no_options(sd_bus_message *m, const char *method, sd_bus_error *error) {
        const char *option;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;

        r = sd_bus_message_enter_container(m, 'e', "sv");
        if (r < 0)
                return r;
        if (r == 0)
                return sd_bus_message_exit_container(m);

        r = sd_bus_message_read_basic(m, 's', &option);
        if (r < 0)
                return r;

        return refuse_option(option, method, "none", error);
}

/* Who sent the message: the bus says so, not the sender. */
static int sender_uid(sd_bus_message *m, uid_t *ret) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        int r;

        r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
        if (r < 0)
                return r;

        return sd_bus_creds_get_euid(creds, ret);
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct manager *manager = userdata;
        struct subscription_table *table = manager->context.subscriptions;
        const struct subscription_limits *limits = subscription_table_limits(table);
        _cleanup_(match_freep) struct match *match = NULL;
        struct field_set only = {};
        bool some = false;
        const char *path;
        uid_t uid;
        int r;

        r = match_read(m, &match, error);
        if (r < 0)
                return r;

        r = read_subscribe_options(m, &only, &some, error);
        if (r < 0)
                return r;

        r = sender_uid(m, &uid);
        if (r < 0)
                return r;

        r = subscription_new(table, sd_bus_message_get_sender(m), uid, match, some ? &only : NULL,
                             &path);
        if (r == -EDQUOT)
                return sd_bus_error_setf(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                         "User %u has %zu subscriptions already, the most that one "
                                         "user may have; close one first",
                                         (unsigned) uid, limits->per_user);
        if (r == -ENOSPC)
                return sd_bus_error_setf(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                         "There are %zu subscriptions already, the most that all "
                                         "users may have together",
                                         limits->total);
        if (r < 0)
                return r;

        TAKE_PTR(match);
        return sd_bus_reply_method_return(m, "o", path);
}

/* Replies with rows, each an a{sv}, as `list` hands them out. */
static int reply_rows(sd_bus_message *m,
                      int (*list)(const struct manager *manager, const struct match *match,
                                  sd_bus_message *reply),
                      const struct manager *manager, const struct match *match) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;

        r = list(manager, match, reply);
        if (r < 0)
                return r;

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;

        return sd_bus_send(NULL, reply, NULL);
}

static int append_row(const struct event *row, void *userdata) {
        return event_append(row, NULL, userdata);
}

static int list_probes(const struct manager *manager, _unused_ const struct match *match,
                       sd_bus_message *reply) {
        return probe_set_list(manager->context.probes, append_row, reply);
}

static int method_list_probes(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        return reply_rows(m, list_probes, userdata, NULL);
}

static int list_callers(const struct manager *manager, const struct match *match,
                        sd_bus_message *reply) {
        return callers_list(manager->context.callers, match, append_row, reply);
}

static int method_list_callers(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct manager *manager = userdata;
        _cleanup_(match_freep) struct match *match = NULL;
        int r;

        r = match_read(m, &match, error);
        if (r < 0)
                return r;

        r = read_no_options(m, "ListCallers", error);
        if (r < 0)
                return r;

        probe_set_drain(manager->context.probes);
        return reply_rows(m, list_callers, manager, match);
}

struct probe_counts {
        uint32_t attached;
        uint32_t failed;
};

static int count_probe(const struct event *row, void *userdata) {
        static const char *const working[] = {"attached", "waiting", "degraded"};
        const char *state = event_string(row, FIELD_PROBE_STATE);
        struct probe_counts *counts = userdata;

        for (size_t i = 0; state && i < ELEMENTSOF(working); i++)
                counts->attached += strcmp(state, working[i]) == 0;
        counts->failed += state && strcmp(state, "failed") == 0;
        return 0;
}

/* Bytes of memory in use; 0 where /proc is missing. */
static uint64_t memory_rss(void) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
        unsigned long pages = 0;

        if (!f || fscanf(f, "%*u %lu", &pages) != 1)
                return 0;

        return (uint64_t) pages * sysconf(_SC_PAGESIZE);
}

/* One entry of GetStatus: `type` is its D-Bus type, and says which value counts. */
struct status {
        const char *name;
        char type;
        uint64_t number;
        const char *string;
};

static int append_status(sd_bus_message *reply, const struct status *status) {
        switch (status->type) {
        case 's':
                return sd_bus_message_append(reply, "{sv}", status->name, "s", status->string);
        case 't':
                return sd_bus_message_append(reply, "{sv}", status->name, "t", status->number);
        case 'u':
                return sd_bus_message_append(reply, "{sv}", status->name, "u",
                                             (uint32_t) status->number);
        case 'b':
                return sd_bus_message_append(reply, "{sv}", status->name, "b",
                                             (int) status->number);
        default:
                return -EINVAL;
        }
}

static int append_statuses(sd_bus_message *reply, const struct status *statuses, size_t n) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_status(reply, &statuses[i]);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(reply);
}

static int method_get_status(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const struct manager_context *c = &((struct manager *) userdata)->context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct probe_counts probes = {};
        struct utsname system = {};
        char host[3 * sizeof(system.nodename) + 1];
        int r;

        probe_set_drain(c->probes);
        r = probe_set_list(c->probes, count_probe, &probes);
        if (r < 0)
                return r;

        if (uname(&system) < 0)
                return -errno;
        utf8_sanitize(system.nodename, sizeof(system.nodename), host, sizeof(host));

        const struct status statuses[] = {
                {"version", 's', .string = BPFMON_VERSION},
                {"since", 't', c->since},
                {"host", 's', .string = host},
                {"kernel", 's', .string = system.release},
                {"degraded", 'b', probe_set_degraded(c->probes)},
                {"probes.attached", 'u', probes.attached},
                {"probes.failed", 'u', probes.failed},
                {"events.seen", 't', *c->events_seen},
                {"events.lost", 't', *c->events_lost},
                {"records.bad", 't', *c->bad_records},
                {"subscriptions", 'u', subscription_table_count(c->subscriptions)},
                {"subscriptions.max", 'u', subscription_table_limits(c->subscriptions)->total},
                {"window.lost", 't', subscription_table_window_lost(c->subscriptions)},
                {"memory.rss", 't', memory_rss()},
        };

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;

        r = append_statuses(reply, statuses, ELEMENTSOF(statuses));
        if (r < 0)
                return r;

        return sd_bus_send(NULL, reply, NULL);
}

#define DEFINE_PROPERTY(name, type, value)                                                        \
        static int property_##name(_unused_ sd_bus *bus, _unused_ const char *path,               \
                                   _unused_ const char *interface, _unused_ const char *property, \
                                   sd_bus_message *reply, void *userdata,                         \
                                   _unused_ sd_bus_error *error) {                                \
                const struct manager_context *c = &((struct manager *) userdata)->context;        \
                                                                                                  \
                (void) c;                                                                         \
                return sd_bus_message_append(reply, type, value);                                 \
        }                                                                                         \
        struct _semicolon_

DEFINE_PROPERTY(version, "s", BPFMON_VERSION);
DEFINE_PROPERTY(since, "t", c->since);
DEFINE_PROPERTY(events_seen, "t", *c->events_seen);
DEFINE_PROPERTY(events_lost, "t", *c->events_lost);
DEFINE_PROPERTY(subscribers, "u", (uint32_t) subscription_table_count(c->subscriptions));
DEFINE_PROPERTY(degraded, "b", (int) probe_set_degraded(c->probes));

/* Without SD_BUS_VTABLE_UNPRIVILEGED sd-bus itself refuses callers without CAP_SYS_ADMIN: a second
 * line behind the bus policy. */
static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("o", subscription), method_subscribe, 0),
        SD_BUS_METHOD_WITH_ARGS("ListProbes", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", probes),
                                method_list_probes, 0),
        SD_BUS_METHOD_WITH_ARGS("ListCallers", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", callers), method_list_callers, 0),
        SD_BUS_METHOD_WITH_ARGS("GetStatus", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status),
                                method_get_status, 0),
        SD_BUS_PROPERTY("Version", "s", property_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Since", "t", property_since, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("EventsSeen", "t", property_events_seen, 0, 0),
        SD_BUS_PROPERTY("EventsLost", "t", property_events_lost, 0, 0),
        SD_BUS_PROPERTY("Subscribers", "u", property_subscribers, 0, 0),
        SD_BUS_PROPERTY("Degraded", "b", property_degraded, 0, 0),
        SD_BUS_VTABLE_END,
};

DEFINE_CLEANUP(struct manager *, manager_free);

int manager_new(struct manager **ret, sd_bus *bus, const struct manager_context *context) {
        _cleanup_(manager_freep) struct manager *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;

        m->context = *context;
        r = sd_bus_add_object_vtable(bus, &m->object, BPFMON_OBJECT_PATH, BPFMON_MANAGER_INTERFACE,
                                     manager_vtable, m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

struct manager *manager_free(struct manager *m) {
        if (!m)
                return NULL;

        sd_bus_slot_unref(m->object);
        free(m);
        return NULL;
}
