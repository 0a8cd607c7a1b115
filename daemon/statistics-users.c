/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "statistics-users.h"

#include <string.h>

#include "errors.h"
#include "statistics.h"
#include "util.h"

struct statistics_users {
        struct statistics *statistics;
        sd_bus_track *track;
};

static int on_nobody(_unused_ sd_bus_track *track, void *userdata) {
        struct statistics_users *u = userdata;

        statistics_stop(u->statistics);
        return 1; /* 0 would have us called again at once */
}

int statistics_users_new(struct statistics_users **ret, sd_bus *bus,
                         struct statistics *statistics) {
        struct statistics_users *u = calloc(1, sizeof(*u));
        int r;

        if (!u)
                return -ENOMEM;
        u->statistics = statistics;
        r = sd_bus_track_new(bus, &u->track, on_nobody, u);
        if (r < 0) {
                free(u);
                return r;
        }
        *ret = u;
        return 0;
}

struct statistics_users *statistics_users_free(struct statistics_users *u) {
        if (!u)
                return NULL;
        sd_bus_track_unref(u->track);
        statistics_stop(u->statistics);
        free(u);
        return NULL;
}

int statistics_users_add(struct statistics_users *u, sd_bus_message *m, sd_bus_error *error) {
        int r;

        if (sd_bus_track_count(u->track) >= STATISTICS_USERS_MAX &&
            !sd_bus_track_contains(u->track, sd_bus_message_get_sender(m)))
                return sd_bus_error_setf(error, BPFMON_ERROR_LIMIT_EXCEEDED,
                                         "At most %d connections may have run times counted",
                                         STATISTICS_USERS_MAX);
        r = statistics_start(u->statistics);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "The kernel does not count run times: %s",
                                               strerror(-r));
        r = sd_bus_track_add_sender(u->track, m);
        if (r < 0 && sd_bus_track_count(u->track) == 0)
                statistics_stop(u->statistics);
        return MIN(r, 0);
}

bool statistics_users_remove(struct statistics_users *u, sd_bus_message *m) {
        const int r = sd_bus_track_remove_sender(u->track, m);

        if (sd_bus_track_count(u->track) == 0)
                statistics_stop(u->statistics);
        return r > 0;
}

size_t statistics_users_count(const struct statistics_users *u) {
        return sd_bus_track_count(u->track);
}
