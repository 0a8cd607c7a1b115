/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-list.h"

#include <errno.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

#include "access.h"
#include "connection-table.h"
#include "connections.h"
#include "event-bus.h"
#include "event.h"
#include "limit.h"
#include "match.h"
#include "options.h"
#include "timer.h"
#include "trim.h"
#include "util.h"

enum {
        SLICE_ROWS = 256, /* made before other things have their turn */
};

/* One call. */
struct list {
        struct connection_lists *lists;
        struct list *next;
        sd_bus_message *message, *reply;
        sd_event_source *slice;
        struct connection_cursor cursor;
        struct viewer viewer;
        struct match *match;
        struct options options;
        uint64_t rows, bytes;
};

struct connection_lists {
        struct connections *connections;
        struct limits *limits;
        struct list *first;
        sd_event_source *trim;
};

static struct list *list_free(struct list *l) {
        struct list **link;

        if (!l)
                return NULL;
        for (link = &l->lists->first; *link && *link != l; link = &(*link)->next)
                ;
        if (*link)
                *link = l->next;
        connection_cursor_close(&l->cursor);
        sd_event_source_disable_unref(l->slice);
        match_free(l->match);
        sd_bus_message_unref(l->reply);
        sd_bus_message_unref(l->message);
        free(l);
        return NULL;
}

DEFINE_CLEANUP(struct list *, list_free);

int connection_lists_new(struct connection_lists **ret, struct connections *connections,
                         struct limits *limits) {
        struct connection_lists *lists = calloc(1, sizeof(*lists));

        if (!lists)
                return -ENOMEM;
        lists->connections = connections;
        lists->limits = limits;
        *ret = lists;
        return 0;
}

static void reply_error(struct list *l, int r, sd_bus_error *error) {
        if (error && sd_bus_error_is_set(error))
                (void) sd_bus_reply_method_error(l->message, error);
        else
                (void) sd_bus_reply_method_errnof(l->message, r, "Connections can't be listed: %m");
        list_free(l);
}

struct connection_lists *connection_lists_free(struct connection_lists *lists) {
        if (!lists)
                return NULL;
        while (lists->first)
                reply_error(lists->first, -ECANCELED, NULL);
        sd_event_source_disable_unref(lists->trim);
        free(lists);
        return NULL;
}

/* The reply is complete. */
static void finish(struct list *l) {
        sd_event *loop = sd_bus_get_event(sd_bus_message_get_bus(l->message));
        int r = sd_bus_message_close_container(l->reply);

        if (r >= 0)
                r = sd_bus_send(NULL, l->reply, NULL);
        trim_later(&l->lists->trim, loop, l->bytes);
        if (r < 0)
                reply_error(l, r, NULL);
        else
                list_free(l);
}

/* A match sees what the viewer sees. */
static int add_row(struct list *l, struct connection_pair *p, sd_bus_error *error) {
        struct limits *limits = l->lists->limits;
        const bool some = l->options.given & OPTION_BIT(OPTION_FIELDS);
        struct event *e = connections_describe(l->lists->connections, p, NULL);
        struct field_set hidden;
        int r;

        if (connection_pair_waits(p) || !viewer_looks(&l->viewer, e, &hidden) ||
            !match_test(l->match, e))
                return 0;
        r = event_append(e, some ? &l->options.fields : NULL, l->reply);
        if (r < 0)
                return r;
        l->rows++;
        l->bytes += (uint64_t) r;
        if (l->rows > limits->max[LIMIT_QUERY_ROWS])
                return limits_refuse(limits, LIMIT_QUERY_ROWS, error);
        if (l->bytes > limits->max[LIMIT_MESSAGE_BYTES])
                return limits_refuse(limits, LIMIT_MESSAGE_BYTES, error);
        return 0;
}

static int on_slice(sd_event_source *source, uint64_t usec, void *userdata);

static int wait_for_turn(struct list *l) {
        sd_event *loop = sd_bus_get_event(sd_bus_message_get_bus(l->message));

        return turn_wait(&l->slice, loop, on_slice, l);
}

static int on_slice(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct list *l = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        struct connection_pair *p;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < SLICE_ROWS; i++) {
                p = connection_cursor_next(&l->cursor);
                if (!p) {
                        finish(l);
                        return 0;
                }
                r = add_row(l, p, &error);
        }
        if (r >= 0)
                r = wait_for_turn(l);
        if (r < 0)
                reply_error(l, r, &error);
        return 0;
}

static size_t lists_of(const struct connection_lists *lists, uid_t uid) {
        size_t n = 0;

        for (const struct list *l = lists->first; l; l = l->next)
                n += l->viewer.uid == uid;
        return n;
}

/* Owns the match from the beginning. */
static int list_new(struct list **ret, struct connection_lists *lists, sd_bus_message *call,
                    struct match *match, const struct viewer *viewer) {
        struct list *l = calloc(1, sizeof(*l));

        if (!l) {
                match_free(match);
                return -ENOMEM;
        }
        l->lists = lists;
        l->message = sd_bus_message_ref(call);
        l->match = match;
        l->viewer = *viewer;
        *ret = l;
        return 0;
}

int connection_list(struct connection_lists *lists, sd_bus_message *call, struct match *match,
                    const struct options *options, const struct viewer *viewer,
                    sd_bus_error *error) {
        _cleanup_(list_freep) struct list *l = NULL;
        int r = list_new(&l, lists, call, match, viewer);

        if (r < 0)
                return r;
        if (lists_of(lists, viewer->uid) >= lists->limits->max[LIMIT_CONNECTION_LISTS_PER_USER])
                return limits_refuse(lists->limits, LIMIT_CONNECTION_LISTS_PER_USER, error);
        l->options = *options;
        r = connections_look(lists->connections);
        if (r >= 0)
                r = sd_bus_message_new_method_return(call, &l->reply);
        if (r >= 0)
                r = sd_bus_message_open_container(l->reply, 'a', "a{sv}");
        if (r >= 0)
                r = wait_for_turn(l);
        if (r < 0)
                return r;
        connections_open(lists->connections, &l->cursor);
        l->next = lists->first;
        lists->first = l;
        TAKE_PTR(l);
        return 1;
}
