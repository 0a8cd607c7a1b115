/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "access.h"
#include "authority.h"
#include "callers.h"
#include "connection-list.h"
#include "counts.h"
#include "errors.h"
#include "event-bus.h"
#include "event.h"
#include "inventory-call.h"
#include "limit.h"
#include "match-bus.h"
#include "match.h"
#include "objects.h"
#include "options.h"
#include "probe.h"
#include "query-call.h"
#include "service.h"
#include "statistics-users.h"
#include "status.h"
#include "stream.h"
#include "subscription.h"
#include "util.h"

struct manager {
        struct manager_context context;
        sd_bus_slot *object;
};

/* What the caller of a method with matches and options asks for, once it may have it. */
struct request {
        struct match *match;
        struct options options;
        struct permission permission;
};

static void request_done(struct request *q) {
        match_free(q->match);
}

/* The fields asked for, or NULL: all. */
static const struct field_set *request_fields(const struct request *q) {
        return q->options.given & OPTION_BIT(OPTION_FIELDS) ? &q->options.fields : NULL;
}

/* Reads the arguments of a method that takes the option scope and those in `allowed`. `ret` is for
 * request_done(), whatever comes of it. Returns as authority_check() does. */
static int request_read(const struct manager *manager, sd_bus_message *m, unsigned allowed,
                        struct request *ret, sd_bus_error *error) {
        struct viewer viewer;
        int r;

        r = match_read(m, manager->context.limits, &ret->match, error);
        if (r < 0)
                return r;

        r = options_read(m, sd_bus_message_get_member(m), allowed | OPTION_BIT(OPTION_SCOPE),
                         &ret->options, error);
        if (r < 0)
                return r;

        r = authority_sender(manager->context.authority, m, &viewer.uid, error);
        if (r < 0)
                return r;

        viewer.scope = ret->options.given & OPTION_BIT(OPTION_SCOPE) ? ret->options.scope
                                                                     : scope_default(viewer.uid);
        r = match_check_fields(&viewer, ret->match, manager->context.limits, error);
        if (r < 0)
                return r;

        return authority_check(manager->context.authority, m, viewer.scope, &ret->permission,
                               error);
}

/* The same of a method that tells what there is: only events are alerts. */
static int request_read_rows(const struct manager *manager, sd_bus_message *m, unsigned allowed,
                             struct request *ret, sd_bus_error *error) {
        int r = request_read(manager, m, allowed, ret, error);

        if (r > 0 && ret->permission.viewer.scope == SCOPE_ALERTS)
                return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                         "Only events are alerts: the option scope of %s is own or "
                                         "all",
                                         sd_bus_message_get_member(m));
        return r;
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct manager *manager = userdata;
        struct limits *limits = manager->context.limits;
        _cleanup_(request_done) struct request q = {};
        const char *path;
        int r;

        r = request_read(manager, m, OPTION_BIT(OPTION_FIELDS) | OPTION_BIT(OPTION_INTERVAL), &q,
                         error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = subscription_new(manager->context.subscriptions, &q.permission, q.match,
                             request_fields(&q), q.options.interval, &path);
        if (r == -EDQUOT)
                return limits_refuse(limits, LIMIT_SUBSCRIPTIONS_PER_USER, error);
        if (r == -ENOSPC)
                return limits_refuse(limits, LIMIT_SUBSCRIPTIONS, error);
        if (r < 0)
                return r;

        TAKE_PTR(q.match);
        return sd_bus_reply_method_return(m, "o", path);
}

static int method_open_stream(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct manager *manager = userdata;
        struct limits *limits = manager->context.limits;
        _cleanup_(request_done) struct request q = {};
        _cleanup_close_ int fd = -1;
        int r;

        r = request_read(manager, m, OPTION_BIT(OPTION_FIELDS) | OPTION_BIT(OPTION_INTERVAL), &q,
                         error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = stream_new(manager->context.streams, &q.permission, q.match, request_fields(&q),
                       q.options.interval, &fd);
        if (r == -EDQUOT)
                return limits_refuse(limits, LIMIT_STREAMS_PER_USER, error);
        if (r == -ENOSPC)
                return limits_refuse(limits, LIMIT_STREAMS, error);
        if (r < 0)
                return r;

        TAKE_PTR(q.match);
        return sd_bus_reply_method_return(m, "h", fd);
}

static int method_query_events(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct manager *manager = userdata;
        _cleanup_(request_done) struct request q = {};
        int r;

        r = request_read(manager, m,
                         OPTION_BIT(OPTION_FIELDS) | OPTION_BIT(OPTION_SINCE) |
                                 OPTION_BIT(OPTION_UNTIL) | OPTION_BIT(OPTION_LIMIT) |
                                 OPTION_BIT(OPTION_REVERSE) | OPTION_BIT(OPTION_CURSOR),
                         &q, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        probe_set_drain(manager->context.probes);
        r = query_call(manager->context.queries, manager->context.limits, m, q.match, &q.options,
                       &q.permission.viewer, error);
        if (r >= 0)
                TAKE_PTR(q.match);
        return r;
}

/* Rows on their way into a reply. */
struct list {
        const struct request *request; /* NULL: the same for everyone */
        sd_bus_message *reply;
        struct limits *limits;
        sd_bus_error *error;
        uint64_t rows, bytes;
};

static int add_row(struct list *list, const struct event *row) {
        int r = event_append(row, NULL, list->reply);

        if (r < 0)
                return r;

        list->rows++;
        list->bytes += r;
        if (list->rows > list->limits->max[LIMIT_QUERY_ROWS])
                return limits_refuse(list->limits, LIMIT_QUERY_ROWS, list->error);
        if (list->bytes > list->limits->max[LIMIT_MESSAGE_BYTES])
                return limits_refuse(list->limits, LIMIT_MESSAGE_BYTES, list->error);

        return 0;
}

/* Replies with rows, each an a{sv}, as `fill` adds them. */
static int reply_rows(sd_bus_message *m,
                      int (*fill)(const struct manager *manager, struct list *list),
                      const struct manager *manager, const struct request *q, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct list list = {.request = q, .limits = manager->context.limits, .error = error};
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;

        list.reply = reply;
        r = fill(manager, &list);
        if (r < 0)
                return r;

        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;

        return sd_bus_send(NULL, reply, NULL);
}

static int append_row(const struct event *row, void *userdata) {
        return add_row(userdata, row);
}

/* The same rows for everyone. */
static int reply_to_all(sd_bus_message *m,
                        int (*fill)(const struct manager *manager, struct list *list),
                        const struct manager *manager, sd_bus_error *error) {
        int r = authority_check(manager->context.authority, m, SCOPE_OWN, NULL, error);

        if (r <= 0)
                return r < 0 ? r : 1;

        return reply_rows(m, fill, manager, NULL, error);
}

static int list_probes(const struct manager *manager, struct list *list) {
        return probe_set_list(manager->context.probes, append_row, list);
}

static int method_list_probes(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return reply_to_all(m, list_probes, userdata, error);
}

static int list_counts(const struct manager *manager, struct list *list) {
        probe_set_drain(manager->context.probes);
        return counts_list(manager->context.counts, append_row, list);
}

static int method_list_counts(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return reply_to_all(m, list_counts, userdata, error);
}

static int append_seen_row(struct event *row, void *userdata) {
        struct list *list = userdata;
        struct field_set hidden;
        int r;

        if (!viewer_looks(&list->request->permission.viewer, row, &hidden))
                return 0;

        r = add_row(list, row);
        event_show(row, &hidden);
        return r < 0 ? r : 1;
}

static int list_callers(const struct manager *manager, struct list *list) {
        return callers_list(manager->context.callers, list->request->match, append_seen_row, list);
}

static int method_list_callers(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct manager *manager = userdata;
        _cleanup_(request_done) struct request q = {};
        int r;

        r = request_read_rows(manager, m, 0, &q, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        probe_set_drain(manager->context.probes);
        return reply_rows(m, list_callers, manager, &q, error);
}

static int method_list_connections(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct manager *manager = userdata;
        _cleanup_(request_done) struct request q = {};
        int r;

        r = request_read_rows(manager, m, OPTION_BIT(OPTION_FIELDS), &q, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        probe_set_drain(manager->context.probes);
        return connection_list(manager->context.connection_lists, m, TAKE_PTR(q.match), &q.options,
                               &q.permission.viewer, error);
}

static int list_objects(sd_bus_message *m, struct manager *manager, enum object_kind kind,
                        sd_bus_error *error) {
        _cleanup_(request_done) struct request q = {};
        int r;

        r = request_read_rows(manager, m,
                              OPTION_BIT(OPTION_FIELDS) | OPTION_BIT(OPTION_LIMIT) |
                                      OPTION_BIT(OPTION_AFTER),
                              &q, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        return inventory_list(manager->context.inventory, m, kind, TAKE_PTR(q.match), &q.options,
                              &q.permission.viewer, error);
}

/* Whoever brought an object may see it; everything of everyone takes more. */
static int get_object(sd_bus_message *m, const struct manager *manager, enum object_kind kind,
                      sd_bus_error *error) {
        struct permission permission;
        uint32_t id, owner;
        uid_t uid;
        int r;

        r = sd_bus_message_read_basic(m, 'u', &id);
        if (r < 0)
                return r;
        r = authority_sender(manager->context.authority, m, &uid, error);
        if (r < 0)
                return r;

        enum scope scope = scope_default(uid);
        if (scope == SCOPE_OWN &&
            !(objects_owner(manager->context.objects, kind, id, &owner) && owner == uid))
                scope = SCOPE_ALL;
        r = authority_check(manager->context.authority, m, scope, &permission, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        return inventory_get(manager->context.inventory, m, kind, id, &permission.viewer, error);
}

#define DEFINE_OBJECTS(name, kind)                                                              \
        static int method_list_##name(sd_bus_message *m, void *userdata, sd_bus_error *error) { \
                return list_objects(m, userdata, kind, error);                                  \
        }                                                                                       \
        static int method_get_##name(sd_bus_message *m, void *userdata, sd_bus_error *error) {  \
                return get_object(m, userdata, kind, error);                                    \
        }                                                                                       \
        struct _semicolon_

DEFINE_OBJECTS(program, OBJECT_PROG);
DEFINE_OBJECTS(map, OBJECT_MAP);
DEFINE_OBJECTS(link, OBJECT_LINK);
DEFINE_OBJECTS(btf, OBJECT_BTF);

static int method_acquire_statistics(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const struct manager *manager = userdata;
        int r;

        /* It costs each run of each program a look at the clock. */
        r = authority_check(manager->context.authority, m, SCOPE_ALL, NULL, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = statistics_users_add(manager->context.statistics, m, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int method_release_statistics(sd_bus_message *m, void *userdata,
                                     _unused_ sd_bus_error *error) {
        const struct manager *manager = userdata;

        /* Who has none may let go of it. */
        (void) statistics_users_remove(manager->context.statistics, m);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_get_status(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const struct manager *manager = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = authority_check(manager->context.authority, m, SCOPE_OWN, NULL, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = status_append(reply, &manager->context);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const struct manager *manager = userdata;
        int r;

        r = authority_check_manage(manager->context.authority, m, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        manager->context.reload(manager->context.userdata);
        return sd_bus_reply_method_return(m, NULL);
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
DEFINE_PROPERTY(events_resumed, "t", c->events_resumed);
DEFINE_PROPERTY(events_lost, "t", *c->events_lost);
DEFINE_PROPERTY(subscribers, "u", (uint32_t) subscription_table_count(c->subscriptions));
DEFINE_PROPERTY(degraded, "b", (int) probe_set_degraded(c->probes));

static int property_services(_unused_ sd_bus *bus, _unused_ const char *path,
                             _unused_ const char *interface, _unused_ const char *property,
                             sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const struct manager *manager = userdata;
        const char *names[SERVICE_NAMES_MAX];
        const size_t n = service_names(manager->context.services, names, ELEMENTSOF(names));
        int r = sd_bus_message_open_container(reply, 'a', "s");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append(reply, "s", names[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* SD_BUS_VTABLE_UNPRIVILEGED: not sd-bus decides who may call, by capabilities, but each method. */
static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("o", subscription), method_subscribe,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenStream", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("h", stream), method_open_stream,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("QueryEvents", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", events, "s", cursor), method_query_events,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListProbes", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", probes),
                                method_list_probes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListCounts", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", counts),
                                method_list_counts, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListCallers", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", callers), method_list_callers,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListPrograms", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", programs), method_list_program,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListMaps", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", maps), method_list_map,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListLinks", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", links), method_list_link,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListBtf", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", btf), method_list_btf,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetProgram", SD_BUS_ARGS("u", id), SD_BUS_RESULT("a{sv}", program),
                                method_get_program, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetMap", SD_BUS_ARGS("u", id), SD_BUS_RESULT("a{sv}", map),
                                method_get_map, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetLink", SD_BUS_ARGS("u", id), SD_BUS_RESULT("a{sv}", link),
                                method_get_link, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetBtf", SD_BUS_ARGS("u", id), SD_BUS_RESULT("a{sv}", btf),
                                method_get_btf, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AcquireStatistics", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                                method_acquire_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ReleaseStatistics", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                                method_release_statistics, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListConnections", SD_BUS_ARGS("as", matches, "a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", connections), method_list_connections,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetStatus", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status),
                                method_get_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", property_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Since", "t", property_since, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("EventsSeen", "t", property_events_seen, 0, 0),
        SD_BUS_PROPERTY("EventsResumed", "t", property_events_resumed, 0,
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("EventsLost", "t", property_events_lost, 0, 0),
        SD_BUS_PROPERTY("Subscribers", "u", property_subscribers, 0, 0),
        SD_BUS_PROPERTY("Degraded", "b", property_degraded, 0, 0),
        SD_BUS_PROPERTY("Services", "as", property_services, 0, 0),
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
