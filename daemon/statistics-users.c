/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "statistics-users.h"

#include <string.h>

#include "errors.h"
#include "peer.h"
#include "statistics.h"
#include "util.h"

struct user {
        struct statistics_users *users;
        struct user *next;
        struct peer *peer;
};

struct statistics_users {
        struct statistics *statistics;
        sd_bus *bus;
        struct user *first;
};

static void user_free(struct user *user) {
        for (struct user **i = &user->users->first; *i; i = &(*i)->next)
                if (*i == user) {
                        *i = user->next;
                        break;
                }
        peer_free(user->peer);
        free(user);
}

DEFINE_CLEANUP(struct user *, user_free);

static void let_go(struct user *user) {
        struct statistics_users *u = user->users;

        user_free(user);
        if (!u->first)
                statistics_stop(u->statistics);
}

/* Whose leaving is not told of cannot be one of them for ever. */
static void on_left(_unused_ int error, void *userdata) {
        let_go(userdata);
}

static struct user *find(const struct statistics_users *u, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        for (struct user *i = u->first; i; i = i->next)
                if (sender && strcmp(peer_name(i->peer), sender) == 0)
                        return i;
        return NULL;
}

int statistics_users_new(struct statistics_users **ret, sd_bus *bus,
                         struct statistics *statistics) {
        struct statistics_users *u = calloc(1, sizeof(*u));

        if (!u)
                return -ENOMEM;
        u->statistics = statistics;
        u->bus = bus;
        *ret = u;
        return 0;
}

struct statistics_users *statistics_users_free(struct statistics_users *u) {
        if (!u)
                return NULL;
        while (u->first)
                user_free(u->first);
        statistics_stop(u->statistics);
        free(u);
        return NULL;
}

int statistics_users_add(struct statistics_users *u, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(user_freep) struct user *user = NULL;
        int r;

        if (find(u, m))
                return 0;
        if (statistics_users_count(u) >= STATISTICS_USERS_MAX)
                return sd_bus_error_setf(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                         "At most %d connections may have run times counted",
                                         STATISTICS_USERS_MAX);
        user = calloc(1, sizeof(*user));
        if (!user)
                return -ENOMEM;
        user->users = u;
        r = peer_new(&user->peer, u->bus, sd_bus_message_get_sender(m), on_left, user);
        if (r < 0)
                return r;
        r = statistics_start(u->statistics);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "The kernel does not count run times: %s",
                                               strerror(-r));
        user->next = u->first;
        u->first = TAKE_PTR(user);
        return 0;
}

bool statistics_users_remove(struct statistics_users *u, sd_bus_message *m) {
        struct user *user = find(u, m);

        if (user)
                let_go(user);
        return user;
}

size_t statistics_users_count(const struct statistics_users *u) {
        size_t n = 0;

        for (const struct user *i = u->first; i; i = i->next)
                n++;
        return n;
}
