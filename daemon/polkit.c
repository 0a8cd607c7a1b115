/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "polkit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

/* CheckAuthorizationFlags of polkit's interface. */
#define POLKIT_ALLOW_USER_INTERACTION UINT32_C(1)

const struct polkit_timeouts polkit_timeouts_default = {
        .usec = UINT64_C(25) * 1000000,
        .interactive_usec = UINT64_C(300) * 1000000,
};

struct polkit {
        sd_bus *bus;
        struct polkit_timeouts timeouts;
        uint64_t last_id;
};

struct polkit_question {
        struct polkit *polkit;
        char id[32]; /* by which it can be cancelled */
        sd_bus_slot *call;
        polkit_answered answered;
        void *userdata;
};

int polkit_new(struct polkit **ret, sd_bus *bus, const struct polkit_timeouts *timeouts) {
        struct polkit *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;

        p->bus = sd_bus_ref(bus);
        p->timeouts = *timeouts;
        *ret = p;
        return 0;
}

struct polkit *polkit_free(struct polkit *p) {
        if (!p)
                return NULL;

        sd_bus_unref(p->bus);
        free(p);
        return NULL;
}

/* Asks nobody to start polkit just to tell it that. */
static void cancel(const struct polkit_question *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(q->polkit->bus, &m, POLKIT_NAME, POLKIT_PATH,
                                           POLKIT_INTERFACE, "CancelCheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", q->id);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, 0);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, 0);
        if (r >= 0)
                (void) sd_bus_send(q->polkit->bus, m, NULL);
}

struct polkit_question *polkit_question_free(struct polkit_question *q) {
        if (!q)
                return NULL;

        if (q->call) {
                cancel(q);
                sd_bus_slot_unref(q->call);
        }
        free(q);
        return NULL;
}

/* A detail of the answer. What we don't know, and what is too long, is left out. */
static void take_detail(struct polkit_answer *answer, const char *name, const char *value) {
        if (strcmp(name, "polkit.dismissed") == 0)
                answer->dismissed = true;
        else if (strcmp(name, "polkit.temporary_authorization_id") == 0 &&
                 strlen(value) < sizeof(answer->temporary))
                strcpy(answer->temporary, value);
}

/* (bba{ss}): authorized, challenge, details. */
static int read_answer(sd_bus_message *reply, struct polkit_answer *answer) {
        const char *name, *value;
        int authorized, challenge, r;

        if (!sd_bus_message_has_signature(reply, "(bba{ss})"))
                return -EBADMSG;
        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "{ss}");
        while (r >= 0 && (r = sd_bus_message_read(reply, "{ss}", &name, &value)) > 0)
                take_detail(answer, name, value);
        if (r < 0)
                return r;

        answer->authorized = authorized;
        answer->challenge = challenge && !authorized;
        return 0;
}

/* Whether polkit may still be at it. */
static bool no_reply(const sd_bus_error *error) {
        return sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT) > 0;
}

/* What an error of the call means, in words. */
static const char *describe_failure(const sd_bus_error *error) {
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                   SD_BUS_ERROR_NAME_HAS_NO_OWNER) > 0)
                return "polkit is not running";
        return no_reply(error) ? "polkit did not answer" : "polkit could not answer";
}

static int on_reply(sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        struct polkit_question *q = userdata;
        struct polkit_answer answer = {};

        if (sd_bus_message_is_method_error(reply, NULL)) {
                const sd_bus_error *failure = sd_bus_message_get_error(reply);

                answer.failure = describe_failure(failure);
                if (no_reply(failure))
                        cancel(q);
        } else if (read_answer(reply, &answer) < 0) {
                answer = (struct polkit_answer){.failure = "polkit's answer makes no sense"};
        }

        q->call = sd_bus_slot_unref(q->call);
        q->answered(&answer, q->userdata); /* may free it */
        return 1;
}

static int call(struct polkit_question *q, const char *subject, const char *action,
                bool interactive) {
        const struct polkit_timeouts *t = &q->polkit->timeouts;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(q->polkit->bus, &m, POLKIT_NAME, POLKIT_PATH,
                                           POLKIT_INTERFACE, "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", subject,
                                  action, 0, interactive ? POLKIT_ALLOW_USER_INTERACTION : 0,
                                  q->id);
        if (r < 0)
                return r;
        return sd_bus_call_async(q->polkit->bus, &q->call, m, on_reply, q,
                                 interactive ? t->interactive_usec : t->usec);
}

int polkit_ask(struct polkit_question **ret, struct polkit *p, const char *subject,
               const char *action, bool interactive, polkit_answered answered, void *userdata) {
        struct polkit_question *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;

        q->polkit = p;
        q->answered = answered;
        q->userdata = userdata;
        snprintf(q->id, sizeof(q->id), "bpfmond-%" PRIu64, ++p->last_id);
        r = call(q, subject, action, interactive);
        if (r < 0) {
                polkit_question_free(q);
                return r;
        }

        *ret = q;
        return 0;
}
