/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "util.h"

enum {
        FOLD_USEC = 100000, /* changes that come within that time are one */
};

/* For how long polkit takes a password as given: expiration_seconds in its
 * src/polkitbackend/polkitbackendinteractiveauthority.c; less what its timer, which counts whole
 * seconds, and the way of its answer to us may take. */
#define PASSWORD_COUNTS_USEC UINT64_C(298000000)

struct grants {
        sd_bus *bus;
        struct polkit *polkit;
        struct grant *first;
        size_t asking;
        uint64_t generation; /* how often polkit told of a change */
        sd_bus_slot *changed;
        sd_event_source *fold; /* runs a while after the first of several changes */
};

static void ask_due(struct grants *all);

static int on_fold(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        ask_due(userdata);
        return 0;
}

static void ask_soon(struct grants *all) {
        sd_event *loop = sd_bus_get_event(all->bus);
        int enabled = SD_EVENT_OFF, r = 0;

        if (!all->fold)
                r = loop ? sd_event_add_time_relative(loop, &all->fold, CLOCK_MONOTONIC, FOLD_USEC,
                                                      0, on_fold, all)
                         : -ENOTCONN;
        else if (sd_event_source_get_enabled(all->fold, &enabled) >= 0 && !enabled) {
                r = sd_event_source_set_time_relative(all->fold, FOLD_USEC);
                if (r >= 0)
                        r = sd_event_source_set_enabled(all->fold, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                log_warning("Cannot ask polkit again: %s", strerror(-r));
}

static int on_changed(_unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        struct grants *all = userdata;

        all->generation++;
        if (all->first)
                ask_soon(all);
        return 0;
}

/* Why the permission is gone, in words; NULL: it is not. */
static const char *judge(struct permission *p, const struct polkit_answer *answer) {
        if (answer->failure)
                return answer->failure;
        if (answer->authorized) {
                if (!answer->temporary[0])
                        p->by_password = false; /* the rules let it, by now */
                return NULL;
        }
        if (!answer->challenge)
                return "polkit's rules do not allow it any more";
        if (!p->by_password)
                return "polkit asks for a password by now";
        /* A password counts once, or for a while. That it counts no more by itself takes nothing
         * away; it does if that comes early. */
        if (p->temporary && clock_now() / 1000 < p->since + PASSWORD_COUNTS_USEC)
                return "the permission that came with a password was taken back";
        return NULL;
}

static void take_away(struct grant *g, const char *reason) {
        grant_done(g);
        g->revoked(reason, g->userdata); /* may free it */
}

static void on_answer(const struct polkit_answer *answer, void *userdata) {
        struct grant *g = userdata;
        struct grants *all = g->grants;
        const char *reason = judge(&g->permission, answer);

        g->question = polkit_question_free(g->question);
        all->asking--;
        if (reason)
                take_away(g, reason);
        ask_due(all);
}

static struct grant *find_due(const struct grants *all) {
        for (struct grant *g = all->first; g; g = g->next)
                if (!g->question && g->permission.generation < all->generation)
                        return g;

        return NULL;
}

/* Asks again for those that were given before the last change, a few at a time. */
static void ask_due(struct grants *all) {
        struct grant *g;
        int r;

        while (all->asking < GRANTS_ASKING_MAX && (g = find_due(all))) {
                g->permission.generation = all->generation;
                r = polkit_ask(&g->question, all->polkit, g->permission.sender,
                               g->permission.action, false, on_answer, g);
                if (r >= 0)
                        all->asking++;
                else
                        take_away(g, "polkit cannot be asked");
        }
}

void grant_watch(struct grant *g, struct grants *grants, const struct permission *permission,
                 void (*revoked)(const char *reason, void *userdata), void *userdata) {
        *g = (struct grant){.permission = *permission, .revoked = revoked, .userdata = userdata};
        if (permission->viewer.uid == 0)
                return;

        g->grants = grants;
        g->next = grants->first;
        grants->first = g;
        if (permission->generation < grants->generation)
                ask_soon(grants);
}

void grant_done(struct grant *g) {
        struct grants *all = TAKE_PTR(g->grants);

        if (!all)
                return;
        for (struct grant **i = &all->first; *i; i = &(*i)->next)
                if (*i == g) {
                        *i = g->next;
                        break;
                }
        if (g->question) {
                g->question = polkit_question_free(g->question);
                all->asking--;
                if (find_due(all))
                        ask_soon(all);
        }
}

DEFINE_CLEANUP(struct grants *, grants_free);

int grants_new(struct grants **ret, sd_bus *bus, struct polkit *polkit) {
        _cleanup_(grants_freep) struct grants *all = calloc(1, sizeof(*all));
        int r;

        if (!all)
                return -ENOMEM;

        all->bus = sd_bus_ref(bus);
        all->polkit = polkit;
        r = sd_bus_match_signal_async(bus, &all->changed, "org.freedesktop.PolicyKit1",
                                      "/org/freedesktop/PolicyKit1/Authority",
                                      "org.freedesktop.PolicyKit1.Authority", "Changed", on_changed,
                                      NULL, all);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(all);
        return 0;
}

struct grants *grants_free(struct grants *all) {
        if (!all)
                return NULL;

        while (all->first)
                grant_done(all->first);
        sd_bus_slot_unref(all->changed);
        sd_event_source_disable_unref(all->fold);
        sd_bus_unref(all->bus);
        free(all);
        return NULL;
}

uint64_t grants_generation(const struct grants *all) {
        return all->generation;
}
