/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "query-call.h"

#include "errors.h"
#include "event-bus.h"
#include "event.h"
#include "history-query.h"
#include "limit.h"
#include "match.h"
#include "options.h"
#include "peer.h"
#include "util.h"

enum {
        REPLY_SPARE = 4096, /* bytes of a reply that are no rows */
};

struct call {
        sd_bus_message *call, *reply;
        struct peer *sender;
        struct query *query;
        struct field_set fields;
        bool all_fields;
};

static struct call *call_free(struct call *c) {
        if (!c)
                return NULL;

        peer_free(c->sender);
        sd_bus_message_unref(c->reply);
        sd_bus_message_unref(c->call);
        free(c);
        return NULL;
}

DEFINE_CLEANUP(struct call *, call_free);

static int on_row(const struct event *e, void *userdata) {
        struct call *c = userdata;
        int r = event_append(e, c->all_fields ? NULL : &c->fields, c->reply);

        return MIN(r, 0);
}

static int reply_error(struct call *c, int r) {
        static const struct {
                int error;
                const char *name, *text;
        } errors[] = {
                {-EINVAL, BPFMON_ERROR_INVALID_OPTION,
                 "The cursor is none of this history; begin without one"},
                {-ENODATA, BPFMON_ERROR_NO_HISTORY,
                 "There is no history yet, or its file can't be opened; see bpfmond's log"},
                {-ETIMEDOUT, SD_BUS_ERROR_TIMEOUT,
                 "The query took too long; narrow it with since, until or a match on a field that "
                 "is indexed, such as process.pid or prog.id"},
        };

        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (errors[i].error == r)
                        return sd_bus_reply_method_errorf(c->call, errors[i].name, "%s",
                                                          errors[i].text);
        return sd_bus_reply_method_errnof(c->call, r, "The history can't be read: %m");
}

static int reply_rows(struct call *c, const struct history_answer *answer) {
        int r = sd_bus_message_close_container(c->reply);

        if (r >= 0)
                r = sd_bus_message_append_basic(c->reply, 's', answer->cursor);
        return r < 0 ? r : sd_bus_send(NULL, c->reply, NULL);
}

static void on_done(int r, const struct history_answer *answer, void *userdata) {
        struct call *c = userdata;

        if (r >= 0)
                r = reply_rows(c, answer);
        if (r < 0)
                (void) reply_error(c, r);
        call_free(c);
}

/* Nobody waits for it any more. Where the bus does not tell, it ends when it is answered. */
static void on_sender_left(int error, void *userdata) {
        struct call *c = userdata;

        if (error < 0)
                return;
        query_cancel(c->query);
        call_free(c);
}

static int call_new(struct call **ret, sd_bus_message *m, const struct options *options) {
        _cleanup_(call_freep) struct call *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->call = sd_bus_message_ref(m);
        c->all_fields = !(options->given & OPTION_BIT(OPTION_FIELDS));
        c->fields = options->fields;
        r = peer_new(&c->sender, sd_bus_message_get_bus(m), sd_bus_message_get_sender(m),
                     on_sender_left, c);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &c->reply);
        if (r >= 0)
                r = sd_bus_message_open_container(c->reply, 'a', "a{sv}");
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

int query_call(struct queries *queries, const struct limits *limits, sd_bus_message *call,
               struct match *match, const struct options *options, const struct viewer *viewer,
               sd_bus_error *error) {
        static const struct query_handlers handlers = {on_row, on_done};
        const uint64_t most = limits->max[LIMIT_QUERY_ROWS];
        const unsigned given = options->given;
        const struct history_question question = {
                .match = match,
                .viewer = *viewer,
                .since = options->since,
                .until = given & OPTION_BIT(OPTION_UNTIL) ? options->until : UINT64_MAX,
                .limit = given & OPTION_BIT(OPTION_LIMIT) ? MIN((uint64_t) options->limit, most)
                                                          : most,
                .bytes = limits->max[LIMIT_MESSAGE_BYTES] - REPLY_SPARE,
                .reverse = options->reverse,
                .cursor = options->cursor && options->cursor[0] ? options->cursor : NULL,
        };
        _cleanup_(call_freep) struct call *c = NULL;
        int r = queries ? call_new(&c, call, options) : -ENODATA;

        if (r == -ENODATA)
                return sd_bus_error_set(error, BPFMON_ERROR_NO_HISTORY,
                                        "bpfmond keeps no history here: it has no state directory");
        if (r >= 0)
                r = query_new(&c->query, queries, &question, &handlers, c);
        if (r == -EDQUOT || r == -ENOSPC)
                return sd_bus_error_set(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                        "Too many queries are being answered; wait for an answer");
        if (r < 0)
                return r;

        TAKE_PTR(c);
        return 1;
}
