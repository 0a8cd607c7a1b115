/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "authority.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "clock.h"
#include "errors.h"
#include "limit.h"
#include "peer.h"
#include "util.h"

enum {
        TEMPORARY_MAX = 16, /* passwords that still count and whose age is remembered */
};

/* What a call needs: a scope, or */
enum { RIGHT_MANAGE = _SCOPE_MAX, _RIGHT_MAX };

/* What each lets do, in words. */
static const char *const deeds[_RIGHT_MAX] = {
        [SCOPE_OWN] = "see what your own processes do",
        [SCOPE_ALERTS] = "see alerts",
        [SCOPE_ALL] = "see what all users do",
        [RIGHT_MANAGE] = "change how is watched",
};

/* The polkit action that gives it. */
static const char *action_of(unsigned right) {
        return right == RIGHT_MANAGE ? "org.bpfmon1.manage" : scope_action((enum scope) right);
}

/* A call that is kept. The reference to its message makes that pointer its own: no other message
 * can be taken for it, whatever its sender writes into it. */
struct waiting {
        struct authority *authority;
        struct waiting *next;
        sd_bus_message *message;
        uid_t uid;
        unsigned right;
        struct peer *sender;
        struct polkit_question *question;
        bool interactive;    /* polkit may ask for a password */
        bool answered;       /* the message is on its way to its handler again */
        uint64_t generation; /* of polkit's rules, when it was asked */
        struct polkit_answer answer;
        sd_event_source *leftover; /* runs when nobody has come for the answer */
};

struct temporary {
        char id[POLKIT_ID_MAX];
        uint64_t since;
};

struct authority {
        sd_bus *bus;
        struct polkit *polkit;
        struct grants *grants;
        struct limits *limits;
        struct waiting *first;
        struct temporary temporary[TEMPORARY_MAX];
        size_t last_temporary;
        /* Whose user the bus told last: a bus never gives a unique name twice. */
        char sender[GRANT_NAME_MAX];
        uid_t sender_uid;
};

/* Also takes it off the list. */
static struct waiting *waiting_free(struct waiting *w) {
        if (!w)
                return NULL;

        for (struct waiting **i = &w->authority->first; *i; i = &(*i)->next)
                if (*i == w) {
                        *i = w->next;
                        break;
                }
        polkit_question_free(w->question);
        sd_event_source_disable_unref(w->leftover);
        peer_free(w->sender);
        sd_bus_message_unref(w->message);
        free(w);
        return NULL;
}

DEFINE_CLEANUP(struct waiting *, waiting_free);

struct authority *authority_free(struct authority *a) {
        if (!a)
                return NULL;

        while (a->first)
                waiting_free(a->first);
        grants_free(a->grants);
        polkit_free(a->polkit);
        free(a);
        return NULL;
}

DEFINE_CLEANUP(struct authority *, authority_free);

int authority_new(struct authority **ret, sd_bus *bus, struct limits *limits) {
        _cleanup_(authority_freep) struct authority *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;

        a->bus = bus;
        a->limits = limits;
        r = polkit_new(&a->polkit, bus, &polkit_timeouts_default);
        if (r >= 0)
                r = grants_new(&a->grants, bus, a->polkit);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(a);
        return 0;
}

struct grants *authority_grants(const struct authority *a) {
        return a->grants;
}

size_t authority_pending(const struct authority *a) {
        size_t n = 0;

        for (const struct waiting *w = a->first; w; w = w->next)
                n++;
        return n;
}

static struct waiting *find_answered(const struct authority *a, const sd_bus_message *m) {
        for (struct waiting *w = a->first; w; w = w->next)
                if (w->message == m && w->answered)
                        return w;

        return NULL;
}

int authority_sender(struct authority *a, sd_bus_message *m, uid_t *ret, sd_bus_error *error) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        const char *sender = sd_bus_message_get_sender(m);
        const struct waiting *w = find_answered(a, m);
        uid_t uid;
        int r = sender && sender[0] && strlen(sender) < GRANT_NAME_MAX ? 0 : -ENXIO;

        if (w || (r >= 0 && strcmp(sender, a->sender) == 0)) {
                *ret = w ? w->uid : a->sender_uid;
                return 0;
        }
        if (r >= 0)
                r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &uid);
        if (r < 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        "The bus does not know who called");

        strcpy(a->sender, sender);
        a->sender_uid = uid;
        *ret = uid;
        return 0;
}

/* Since when a password counts that came with this id: as far as we know, since we first heard of
 * it. */
static uint64_t temporary_since(struct authority *a, const char *id, uint64_t now) {
        struct temporary *t;

        for (size_t i = 0; i < TEMPORARY_MAX; i++)
                if (strcmp(a->temporary[i].id, id) == 0)
                        return a->temporary[i].since;

        t = &a->temporary[a->last_temporary++ % TEMPORARY_MAX];
        strcpy(t->id, id);
        t->since = now;
        return now;
}

/* A permission that lasts (`ret` is not NULL) is one to see. */
static void permit(struct permission *ret, const char *sender, uid_t uid, unsigned right) {
        if (!ret)
                return;

        *ret = (struct permission){
                .viewer = {uid, (enum scope) right},
                .action = action_of(right),
                .since = clock_now() / 1000,
        };
        strcpy(ret->sender, sender); /* authority_sender() has measured it */
}

static int refuse(const struct waiting *w, sd_bus_error *error) {
        const struct polkit_answer *answer = &w->answer;
        const char *deed = deeds[w->right], *action = action_of(w->right);

        w->authority->limits->denied++;
        if (answer->failure)
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "Cannot find out whether you may %s: %s", deed,
                                         answer->failure);
        if (answer->dismissed)
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "A password is needed to %s, and was not given (%s)", deed,
                                         action);
        if (answer->challenge)
                return sd_bus_error_setf(
                        error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                        "A password is needed to %s%s (%s)", deed,
                        w->interactive ? ", and nobody is there to ask for it" : "", action);
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED, "You may not %s (%s)", deed,
                                 action);
}

/* The message is here for the second time, with its answer. */
static int decide(struct waiting *w, struct permission *ret, sd_bus_error *error) {
        const struct polkit_answer *answer = &w->answer;

        if (!answer->authorized)
                return refuse(w, error);

        permit(ret, sd_bus_message_get_sender(w->message), w->uid, w->right);
        if (ret) {
                ret->by_password = w->interactive || answer->temporary[0];
                ret->temporary = answer->temporary[0];
                ret->generation = w->generation;
                if (ret->temporary)
                        ret->since = temporary_since(w->authority, answer->temporary, ret->since);
        }
        return 1;
}

/* The handler that the message went to did not come for the answer: the object is gone. */
static int on_leftover(_unused_ sd_event_source *source, void *userdata) {
        waiting_free(userdata);
        return 0;
}

/* Sends the message to its handler again. The source runs when nothing else is to be done, the
 * queue of messages read being empty. */
static int dispatch_again(struct waiting *w) {
        sd_event *loop = sd_bus_get_event(w->authority->bus);
        int r;

        if (!loop)
                return -ENOTCONN;
        r = sd_event_add_defer(loop, &w->leftover, on_leftover, w);
        if (r >= 0)
                r = sd_event_source_set_priority(w->leftover, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_bus_message_rewind(w->message, true);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(w->authority->bus, w->message);
        return r;
}

static void on_answer(const struct polkit_answer *answer, void *userdata);

static int ask(struct waiting *w) {
        w->generation = grants_generation(w->authority->grants);
        return polkit_ask(&w->question, w->authority->polkit, sd_bus_message_get_sender(w->message),
                          action_of(w->right), w->interactive, on_answer, w);
}

/* A password is asked for where the first answer says that one would help: so we know whether it
 * took one, and a dialog that nobody needs is not waited for. */
static bool ask_for_password(struct waiting *w, const struct polkit_answer *answer) {
        if (w->interactive || !answer->challenge ||
            sd_bus_message_get_allow_interactive_authorization(w->message) <= 0)
                return false;

        w->interactive = true;
        return ask(w) >= 0;
}

static void on_answer(const struct polkit_answer *answer, void *userdata) {
        struct waiting *w = userdata;
        int r;

        w->question = polkit_question_free(w->question);
        if (ask_for_password(w, answer))
                return;

        w->answer = *answer;
        w->answered = true;
        r = dispatch_again(w);
        if (r < 0) {
                (void) sd_bus_reply_method_errno(w->message, r, NULL);
                waiting_free(w);
        }
}

/* Where the bus does not tell, polkit's answer ends it, or that none comes. */
static void on_sender_left(int error, void *userdata) {
        if (error >= 0)
                waiting_free(userdata);
}

static int check_limits(const struct authority *a, uid_t uid, sd_bus_error *error) {
        size_t total = 0, of_user = 0;

        for (const struct waiting *w = a->first; w; w = w->next) {
                total++;
                of_user += w->uid == uid;
        }
        if (of_user >= a->limits->max[LIMIT_PENDING_AUTHORIZATIONS])
                return limits_refuse(a->limits, LIMIT_PENDING_AUTHORIZATIONS, error);
        if (total >= AUTHORITY_PENDING)
                return sd_bus_error_setf(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                         "At most %d calls of all users together may wait for "
                                         "authorization; try again later",
                                         AUTHORITY_PENDING);
        return 0;
}

/* Keeps the message and asks. */
static int keep(struct authority *a, sd_bus_message *m, uid_t uid, unsigned right) {
        _cleanup_(waiting_freep) struct waiting *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;

        w->authority = a;
        w->message = sd_bus_message_ref(m);
        w->uid = uid;
        w->right = right;
        r = peer_new(&w->sender, a->bus, sd_bus_message_get_sender(m), on_sender_left, w);
        if (r >= 0)
                r = ask(w);
        if (r < 0)
                return r;

        w->next = a->first;
        a->first = TAKE_PTR(w);
        return 0;
}

static int check(struct authority *a, sd_bus_message *m, unsigned right, struct permission *ret,
                 sd_bus_error *error) {
        _cleanup_(waiting_freep) struct waiting *w = find_answered(a, m);
        uid_t uid;
        int r;

        r = authority_sender(a, m, &uid, error);
        if (r < 0) {
                a->limits->denied++;
                return r;
        }

        if (uid == 0) {
                permit(ret, sd_bus_message_get_sender(m), uid, right);
                return 1;
        }
        if (w && w->uid == uid && w->right == right)
                return decide(w, ret, error);

        r = check_limits(a, uid, error);
        if (r < 0)
                return r;
        r = keep(a, m, uid, right);
        if (r < 0) {
                a->limits->denied++;
                return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "Cannot find out whether you may %s: polkit cannot be "
                                         "asked (%s)",
                                         deeds[right], strerror(-r));
        }
        return 0;
}

int authority_check(struct authority *a, sd_bus_message *m, enum scope scope,
                    struct permission *ret, sd_bus_error *error) {
        return check(a, m, scope, ret, error);
}

int authority_check_manage(struct authority *a, sd_bus_message *m, sd_bus_error *error) {
        return check(a, m, RIGHT_MANAGE, NULL, error);
}
