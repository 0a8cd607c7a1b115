/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-samples.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "connection-table.h"
#include "connections.h"
#include "event.h"
#include "log.h"
#include "reader.h"
#include "timer.h"
#include "util.h"

enum {
        SLICE_PAIRS = 256, /* looked at before other things have their turn */
        ACCURACY_USEC = 20000,
        /* Rounds take no more than this part of the time, however often readers want to be told. */
        SHARE = 10,
};

struct connection_samples {
        sd_event *loop;
        const struct readers *readers;
        struct connections *connections;
        sd_event_source *tick, *slice;
        struct connection_cursor cursor; /* of the round at hand */
        bool round;
        uint64_t began, due; /* CLOCK_MONOTONIC, ns: readers that are due by then are told */
        uint64_t read;       /* the same: of what is told */
};

int connection_samples_new(struct connection_samples **ret, sd_event *loop,
                           const struct readers *readers, struct connections *connections) {
        struct connection_samples *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->loop = sd_event_ref(loop);
        s->readers = readers;
        s->connections = connections;
        *ret = s;
        return 0;
}

struct connection_samples *connection_samples_free(struct connection_samples *s) {
        if (!s)
                return NULL;
        connection_cursor_close(&s->cursor);
        sd_event_source_disable_unref(s->tick);
        sd_event_source_disable_unref(s->slice);
        sd_event_unref(s->loop);
        free(s);
        return NULL;
}

static uint64_t interval_of(const struct reader *r) {
        return (r->interval ?: SAMPLES_INTERVAL_USEC) * 1000;
}

/* When the next reader's time comes; UINT64_MAX: there is none. */
static uint64_t next_due(const struct connection_samples *s) {
        uint64_t due = UINT64_MAX;

        for (const struct reader *r = s->readers->first; r; r = r->next)
                if (r->samples)
                        due = MIN(due, r->due);
        return due;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct connection_samples *s) {
        uint64_t due = next_due(s), now = clock_now();

        if (s->round)
                return;
        if (due == UINT64_MAX)
                timer_stop(s->tick);
        else if (timer_set(&s->tick, s->loop, due > now ? (due - now) / 1000 : 0, ACCURACY_USEC,
                           on_tick, s) < 0)
                log_warning("Cannot wait for the next moment to tell how connections do");
}

/* Offers a connection to the readers whose time has come, if it has changed since theirs. */
static void offer(struct connection_samples *s, struct connection_pair *p) {
        uint64_t last = connection_pair_last(p);
        struct event *e = NULL;

        if (connection_pair_waits(p))
                return;
        for (struct reader *r = s->readers->first; r; r = r->next) {
                if (!r->samples || r->due > s->due || last < r->sampled)
                        continue;
                e = e ?: connections_describe(s->connections, p, "stats");
                reader_offer(r, e);
        }
}

static void end_round(struct connection_samples *s) {
        uint64_t now = clock_now(), pause = SHARE * (now - s->began);

        connection_cursor_close(&s->cursor);
        s->round = false;
        for (struct reader *r = s->readers->first; r; r = r->next)
                if (r->samples && r->due <= s->due) {
                        r->sampled = s->read;
                        r->due = MAX(s->began + interval_of(r), now + pause);
                }
        readers_flush(s->readers);
        arm(s);
}

static int on_slice(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct connection_samples *s = userdata;
        struct connection_pair *p;

        for (size_t i = 0; i < SLICE_PAIRS; i++) {
                p = connection_cursor_next(&s->cursor);
                if (!p) {
                        end_round(s);
                        return 0;
                }
                offer(s, p);
        }
        if (turn_wait(&s->slice, s->loop, on_slice, s) < 0)
                end_round(s);
        return 0;
}

static int on_tick(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct connection_samples *s = userdata;

        s->began = clock_now();
        s->due = s->began + (uint64_t) ACCURACY_USEC * 1000;
        if (!connections_refresh(s->connections, &s->read))
                return 0;
        connections_open(s->connections, &s->cursor);
        s->round = true;
        if (turn_wait(&s->slice, s->loop, on_slice, s) < 0)
                end_round(s);
        return 0;
}

void connection_samples_update(struct connection_samples *s) {
        for (struct reader *r = s->readers->first; r; r = r->next) {
                bool samples = connections_wanted(s->connections, r, "stats");

                if (samples && !r->samples) {
                        r->sampled = 0;
                        r->due = clock_now() + interval_of(r);
                }
                r->samples = samples;
        }
        arm(s);
}
