/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-history.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "absence.h"
#include "agreement.h"
#include "alerts.h"
#include "clock.h"
#include "daemon-private.h"
#include "event.h"
#include "handover.h"
#include "history-query.h"
#include "history.h"
#include "inventory-origin.h"
#include "inventory.h"
#include "log.h"
#include "pipeline.h"
#include "usage.h"
#include "util.h"

enum {
        /* How often the numbers of calls go into the history; an idle machine is not woken for it
         * alone. */
        USAGE_USEC = 60000000,
        USAGE_ACCURACY_USEC = 10000000,
        END_USEC = 2000000, /* that the end waits for the history to be written */
        /* Who asks what is in the kernel waits so long for what the history knows of it. */
        ORIGINS_USEC = 5000000,
        ABSENCE_EVENTS = 1 << 18, /* that are read to find what went unseen */
};

static void keep_usage_row(const struct event *e, void *userdata) {
        struct daemon *d = userdata;

        history_offer(d->history, e);
}

void daemon_history_keep_usage(struct daemon *d) {
        int k = d->usage ? usage_list(d->usage, clock_usec(CLOCK_REALTIME), keep_usage_row, d) : 0;

        if (k < 0)
                log_warning("Cannot keep how often bpf() was called: %s", strerror(-k));
}

static int on_minute(sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        int k;

        daemon_history_keep_usage(userdata);
        k = sd_event_source_set_time_relative(s, USAGE_USEC);
        return k < 0 ? k : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_history(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t events,
                      void *userdata) {
        struct daemon *d = userdata;

        history_report(d->history);
        alerts_take_seen(d->alerts);
        return 0;
}

int daemon_history_setup(struct daemon *d) {
        const char *directory = getenv("STATE_DIRECTORY");
        char path[PATH_MAX];
        const struct history_options options = {
                .path = path,
                .max_size = d->configuration.now.history_size,
                .max_age = d->configuration.now.history_age,
        };
        int k;

        if (!directory)
                return 0;
        snprintf(path, sizeof(path), "%.*s/history.db", (int) strcspn(directory, ":"), directory);
        k = history_new(&d->history, &options);
        if (k >= 0)
                k = queries_new(&d->queries, d->history, d->loop, &query_limits_default);
        if (k >= 0)
                k = sd_event_add_io(d->loop, &d->history_source, history_fd(d->history), EPOLLIN,
                                    on_history, d);
        if (k < 0)
                log_error("Cannot start the history: %s", strerror(-k));
        else
                d->stored = history_last_seq(d->history);
        return k;
}

static void skip_usage_row(_unused_ const struct event *e, _unused_ void *userdata) {
}

static int setup_usage(struct daemon *d) {
        int k;

        if (!d->history)
                return 0;
        k = usage_new(&d->usage, d->callers);
        /* What the kernel side has counted up to now, the daemon before us has kept. */
        if (k >= 0 && handover_adopts(d->handover))
                k = usage_list(d->usage, clock_usec(CLOCK_REALTIME), skip_usage_row, d);
        return k < 0 ? k
                     : sd_event_add_time_relative(d->loop, &d->minute, CLOCK_MONOTONIC, USAGE_USEC,
                                                  USAGE_ACCURACY_USEC, on_minute, d);
}

static void end_origins(struct daemon *d) {
        d->origins = origins_free(d->origins);
        d->origins_timeout = sd_event_source_disable_unref(d->origins_timeout);
        inventory_hold(d->inventory, false);
}

static void on_origins(void *userdata) {
        end_origins(userdata);
}

static int on_origins_timeout(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct daemon *d = userdata;

        /* It goes on, but nobody waits for it any more. */
        inventory_hold(d->inventory, false);
        return 0;
}

/* Who asks for what is there before it is known who brought it waits a little. */
static int begin_origins(struct daemon *d) {
        int k = origins_new(&d->origins, d->queries, d->objects, on_origins, d);

        if (k <= 0) {
                d->origins = origins_free(d->origins);
                return k;
        }
        inventory_hold(d->inventory, true);
        return sd_event_add_time_relative(d->loop, &d->origins_timeout, CLOCK_MONOTONIC,
                                          ORIGINS_USEC, 0, on_origins_timeout, d);
}

static void on_absent(void *userdata) {
        pipeline_tell(userdata);
}

/* What is missing is told to every reader, whatever it asks for. */
static void on_absences(bool all, void *userdata) {
        struct daemon *d = userdata;

        d->absence = absence_free(d->absence);
        if (all)
                return;
        d->events_seen = handover_number(d->handover);
        event_set_u64(d->event, FIELD_SEQ, d->events_seen);
        readers_tell(&d->readers, d->event);
        history_offer(d->history, d->event);
}

/* Where the kernel side was not taken over, what went meanwhile has gone unseen. */
static int begin_absence(struct daemon *d) {
        const struct absence_context context = {
                .queries = d->queries,
                .objects = d->objects,
                .kinds = agreement_goings(d->probes),
                .from = d->history ? history_last_time(d->history) : 0,
                .until = clock_usec(CLOCK_REALTIME),
                .events_max = ABSENCE_EVENTS,
                .event = d->event,
                .gone = on_absent,
                .done = on_absences,
                .userdata = d,
        };

        if (!d->queries || handover_adopts(d->handover))
                return 0;
        return absence_new(&d->absence, &context);
}

int daemon_history_begin(struct daemon *d) {
        int k = setup_usage(d);

        if (k >= 0)
                k = begin_origins(d);
        return k < 0 ? k : begin_absence(d);
}

void daemon_history_end(struct daemon *d) {
        if (!d->history || !d->alerts)
                return;
        history_wait(d->history, history_mark(d->history), END_USEC);
        alerts_take_seen(d->alerts);
}
