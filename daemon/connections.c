/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connections.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "access.h"
#include "clock.h"
#include "connection-describe.h"
#include "connection-side.h"
#include "connection-table.h"
#include "event.h"
#include "hooks.h"
#include "log.h"
#include "match.h"
#include "process.h"
#include "reader.h"
#include "util.h"

enum {
        SEC_NS = 1000000000,
        /* Who lists connections over and over finds them measured meanwhile. */
        LINGER_USEC = 15000000,
        /* Sockets that closed without a word are looked for this often. */
        SWEEP_USEC = 5000000,
        SWEEP_LIST_NS = SEC_NS,
        /* What was read so shortly ago serves another reader, too. */
        FRESH_NS = 20000000,
        TICK_ACCURACY_USEC = 20000,
};

struct connections {
        sd_event *loop;
        struct connection_side *side;
        const struct readers *readers;
        struct connections_handlers handlers;
        struct connection_describer describer;
        struct connection_table *table; /* NULL: nothing is measured */
        struct event *event;
        sd_event_source *tick, *linger, *sweep;
        bool lingers;
        uint64_t read;    /* CLOCK_MONOTONIC, ns: when the table was brought up to date; 0: never */
        uint64_t swept;   /* the same, of a round over all sockets */
        uint64_t evicted; /* of this map, that was told */
        uint64_t evicted_all;
        uint32_t netns; /* our own */
};

static uint32_t own_netns(void) {
        struct stat st;

        return stat("/proc/self/ns/net", &st) < 0 ? 0 : (uint32_t) st.st_ino;
}

int connections_new(struct connections **ret, sd_event *loop, struct processes *processes,
                    const struct readers *readers, const struct service_rules *services,
                    struct event *event, const struct connections_handlers *handlers) {
        struct connections *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->loop = sd_event_ref(loop);
        c->readers = readers;
        c->event = event;
        c->handlers = *handlers;
        c->describer = (struct connection_describer){
                .processes = processes,
                .services = services,
                .monotonic.clock = CLOCK_MONOTONIC,
        };
        c->netns = own_netns();
        *ret = c;
        return 0;
}

void connections_begin(struct connections *c, struct connection_side *side) {
        c->side = side;
}

struct connections *connections_free(struct connections *c) {
        if (!c)
                return NULL;
        sd_event_source_disable_unref(c->tick);
        sd_event_source_disable_unref(c->linger);
        sd_event_source_disable_unref(c->sweep);
        connection_table_free(c->table);
        connection_describer_done(&c->describer);
        sd_event_unref(c->loop);
        free(c);
        return NULL;
}

/* Timers: each is made when it is used first. */
static int set_timer(struct connections *c, sd_event_source **source, uint64_t usec,
                     sd_event_time_handler_t handler) {
        int k;

        if (!*source)
                return sd_event_add_time_relative(c->loop, source, CLOCK_MONOTONIC, usec,
                                                  TICK_ACCURACY_USEC, handler, c);
        k = sd_event_source_set_time_relative(*source, usec);
        return k < 0 ? k : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}

static void stop_timer(sd_event_source *source) {
        if (source)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/* Events ----------------------------------------------------------------------------------------
 */

static uint64_t realtime(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void connections_partial(struct event *e, const char *kind) {
        event_reset(e);
        event_set_printf(e, FIELD_EVENT, "connection-%s", kind);
        event_set_static(e, FIELD_CLASS, "traffic");
}

/* Makes an event of a connection. */
static void describe(struct connections *c, const char *kind, struct connection_pair *p,
                     uint64_t now, uint64_t ended) {
        struct event *e = c->event;

        p->shown = true;
        connections_partial(e, kind);
        event_set_static(e, FIELD_SEVERITY, "info");
        connection_describe(&c->describer, e, p, now, ended);
        connection_describe_message(e);
}

/* `time`: when it happened, CLOCK_MONOTONIC ns. `source`: NULL: no hook saw it. */
static void tell(struct connections *c, const char *kind, struct connection_pair *p, uint64_t time,
                 bool ended, const char *source) {
        uint64_t now = clock_now();

        describe(c, kind, p, now, ended ? time : 0);
        event_set_u64(c->event, FIELD_TIME, clock_realtime(&c->describer.monotonic, now, time));
        event_set_static(c->event, FIELD_SOURCE, source);
        c->handlers.tell(c->event, c->handlers.userdata);
}

static bool is_whole(const struct connection_pair *p) {
        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (p->ends[i] && p->ends[i]->now.flags & CONNECTION_WHOLE)
                        return true;
        return false;
}

/* Whether the kernel side has told of an end other than `key`, and before it: that record told the
 * connection, to us or to the daemon before us. */
static bool was_told(const struct connection_pair *p, uint64_t key, uint64_t start) {
        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (p->ends[i] && p->ends[i]->key != key &&
                    p->ends[i]->now.flags & CONNECTION_TOLD && p->ends[i]->now.start <= start)
                        return true;
        return p->told;
}

static void tell_open(struct connections *c, struct connection_pair *p, uint64_t time,
                      const char *source) {
        p->told = true;
        tell(c, "open", p, time, false, source);
}

/* One that nobody ever used has not been told of before. */
static void tell_close(struct connections *c, struct connection_pair *p, uint64_t time,
                       const char *source) {
        if (is_whole(p) && !was_told(p, 0, UINT64_MAX))
                tell_open(c, p, time, source);
        tell(c, "close", p, time, true, source);
        connection_table_drop(c->table, p);
}

/* The last of a connection on this machine whose client has been told of: nobody used its server's
 * end. */
static bool is_leftover(const struct connection_pair *p, const struct connection *c) {
        const bool alone = !p->ends[0] || !p->ends[1];

        return alone && c->flags & CONNECTION_SERVER && !(c->flags & CONNECTION_TASK) &&
               connection_is_local(c);
}

void connections_record(struct connections *c, const struct record_connection *r) {
        bool closed = r->what == CONNECTION_CLOSES;
        const char *source = hook_name(r->source);
        struct connection_pair *p;
        int k;

        if (!c->table)
                return;
        k = connection_table_take(c->table, r->key, &r->connection, closed, &p);
        if (k < 0)
                log_warning("Out of memory: a connection is not told");
        if (!p)
                return;
        if (!closed && !was_told(p, r->key, r->connection.start))
                tell_open(c, p, r->header.time, source);
        else if (!closed)
                return;
        else if (connection_pair_closed(p) && is_leftover(p, &r->connection))
                connection_table_drop(c->table, p);
        else if (connection_pair_closed(p))
                tell_close(c, p, r->header.time, source);
}

/* Bringing the table up to date -----------------------------------------------------------------
 */

static int take_read(uint64_t key, const struct connection *connection, void *userdata) {
        struct connections *c = userdata;
        struct connection_pair *p;

        return connection_table_take(c->table, key, connection, false, &p);
}

static void tell_evicted(struct connections *c, uint64_t evicted) {
        uint64_t more = evicted > c->evicted ? evicted - c->evicted : 0;

        if (more == 0)
                return;
        if (c->evicted_all == 0)
                log_warning("More connections than are measured at a time (ConnectionsMax= in "
                            "bpfmond.conf): those that were silent for longest are left out, and "
                            "counted");
        c->evicted = evicted;
        c->evicted_all += more;
        c->handlers.lost(more, c->handlers.userdata);
}

static void read_side(struct connections *c) {
        uint64_t evicted = 0;
        int k;

        connection_table_begin(c->table);
        k = connection_side_read(c->side, take_read, c, &evicted);
        if (k < 0) {
                log_debug("Cannot read the connections: %s", strerror(-k));
                return;
        }
        connection_table_end(c->table);
        c->read = clock_now();
        tell_evicted(c, evicted);
}

/* Whether the socket of an end is gone, after a round that began at `began` (CLOCK_MONOTONIC, ns).
 * In other network namespaces it is not seen, but its process is. */
static bool is_gone(const struct connections *c, const struct connection *e, uint32_t generation,
                    uint64_t began) {
        if (MAX(e->start, e->last) + SEC_NS > began)
                return false;
        if (e->netns == c->netns && connection_side_goes_over(c->side, e->family))
                return e->generation != generation;
        return e->family == AF_UNIX && e->flags & CONNECTION_TASK && !process_lives(&e->task);
}

static void close_gone(struct connections *c, struct connection_pair *p, uint32_t generation,
                       uint64_t began) {
        bool any = false;

        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++) {
                struct connection_end *e = p->ends[i];

                /* One that the kernel side has no longer was closed, too: its record is to come. */
                if (!e || e->closed || e->missing > 0 || !is_gone(c, &e->now, generation, began))
                        continue;
                connection_side_remove(c->side, e->key);
                e->closed = any = true;
        }
        if (any && connection_pair_closed(p))
                tell_close(c, p, began, NULL);
}

/* Looks at all sockets, and ends what has none any more. */
static void sweep(struct connections *c) {
        uint64_t began = clock_now();
        uint32_t generation = connection_side_round(c->side);

        read_side(c);
        c->swept = began;
        if (generation == 0)
                return;
        for (struct connection_pair *p = connection_table_next(c->table, NULL), *next; p;
             p = next) {
                next = connection_table_next(c->table, p);
                close_gone(c, p, generation, began);
        }
}

static int on_sweep(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct connections *c = userdata;

        if (!c->table)
                return 0;
        sweep(c);
        readers_flush(c->readers);
        return set_timer(c, &c->sweep, SWEEP_USEC, on_sweep);
}

/* At an interval --------------------------------------------------------------------------------
 */

static uint64_t interval_of(const struct reader *r) {
        return (r->interval ?: CONNECTIONS_INTERVAL_USEC) * 1000;
}

/* Offers a connection to the readers whose time has come, if it has changed since theirs. */
static void offer(struct connections *c, struct connection_pair *p, uint64_t now) {
        uint64_t last = connection_pair_last(p);
        bool described = false;

        for (struct reader *r = c->readers->first; r; r = r->next) {
                if (!r->samples || r->due > now || last < r->sampled)
                        continue;
                if (!described) {
                        describe(c, "stats", p, now, 0);
                        event_set_u64(c->event, FIELD_TIME, realtime());
                        described = true;
                }
                reader_offer(r, c->event);
        }
}

/* When the next reader's time comes; UINT64_MAX: there is none. */
static uint64_t next_due(const struct connections *c) {
        uint64_t due = UINT64_MAX;

        for (const struct reader *r = c->readers->first; r; r = r->next)
                if (r->samples)
                        due = MIN(due, r->due);
        return due;
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata);

static void arm_tick(struct connections *c) {
        uint64_t due = next_due(c), now = clock_now();

        if (due == UINT64_MAX || !c->table)
                stop_timer(c->tick);
        else if (set_timer(c, &c->tick, due > now ? (due - now) / 1000 : 0, on_tick) < 0)
                log_warning("Cannot wait for the next moment to tell how connections do");
}

static int on_tick(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct connections *c = userdata;
        uint64_t now = clock_now() + (uint64_t) TICK_ACCURACY_USEC * 1000;

        if (!c->table)
                return 0;
        if (clock_now() - c->read > FRESH_NS)
                read_side(c);
        for (struct connection_pair *p = connection_table_next(c->table, NULL); p;
             p = connection_table_next(c->table, p))
                offer(c, p, now);
        for (struct reader *r = c->readers->first; r; r = r->next)
                if (r->samples && r->due <= now) {
                        r->sampled = c->read;
                        r->due = clock_now() + interval_of(r);
                }
        readers_flush(c->readers);
        arm_tick(c);
        return 0;
}

/* Who asks --------------------------------------------------------------------------------------
 */

static bool asks_for(const struct connections *c, const struct reader *r, const char *kind) {
        connections_partial(c->event, kind);
        return reader_wants(r, c->event);
}

bool connections_asked(const struct connections *c) {
        static const char *const kinds[] = {"open", "close", "stats"};

        for (const struct reader *r = c->readers->first; r; r = r->next)
                for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                        if (asks_for(c, r, kinds[i]))
                                return true;
        return c->lingers;
}

static void begin(struct connections *c) {
        if (connection_table_new(&c->table, connection_side_max(c->side)) < 0) {
                c->table = NULL;
                log_warning("Out of memory: connections are not measured");
                return;
        }
        c->evicted = 0;
        c->read = c->swept = 0;
        read_side(c);
        if (set_timer(c, &c->sweep, SWEEP_USEC, on_sweep) < 0)
                log_warning("Cannot look for closed sockets");
}

static void end(struct connections *c) {
        c->table = connection_table_free(c->table);
        stop_timer(c->sweep);
        stop_timer(c->tick);
}

void connections_update(struct connections *c) {
        bool runs = c->side && connection_side_runs(c->side);

        if (runs && !c->table)
                begin(c);
        else if (!runs && c->table)
                end(c);
        for (struct reader *r = c->readers->first; r; r = r->next) {
                bool samples = asks_for(c, r, "stats");

                if (samples && !r->samples) {
                        r->sampled = 0;
                        r->due = clock_now() + interval_of(r);
                }
                r->samples = samples;
        }
        arm_tick(c);
}

static int on_linger(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct connections *c = userdata;

        c->lingers = false;
        c->handlers.changed(c->handlers.userdata);
        return 0;
}

int connections_list(struct connections *c, const struct viewer *viewer, const struct match *match,
                     int (*row)(struct event *e, void *userdata), void *userdata) {
        struct field_set hidden;
        uint64_t now;
        int k;

        k = set_timer(c, &c->linger, LINGER_USEC, on_linger);
        if (k < 0)
                return k;
        c->lingers = true;
        c->handlers.changed(c->handlers.userdata);
        if (!c->table)
                return -ENOMEM;
        if (clock_now() - c->swept > SWEEP_LIST_NS)
                sweep(c);
        else
                read_side(c);
        readers_flush(c->readers);
        now = clock_now();
        for (struct connection_pair *p = connection_table_next(c->table, NULL); p;
             p = connection_table_next(c->table, p)) {
                event_reset(c->event);
                p->shown = true;
                connection_describe(&c->describer, c->event, p, now, 0);
                /* A match sees what the viewer sees. */
                if (!viewer_looks(viewer, c->event, &hidden) || !match_test(match, c->event))
                        continue;
                event_show(c->event, &hidden);
                k = row(c->event, userdata);
                if (k < 0)
                        return k;
        }
        return 0;
}

void connections_status(const struct connections *c, struct connections_status *ret) {
        *ret = (struct connections_status){
                .open = c->table ? connection_table_count(c->table) : 0,
                .max = c->table ? connection_side_max(c->side) / 2 : 0,
                .evicted = c->evicted_all,
        };
}
