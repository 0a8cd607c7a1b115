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

#include "clock.h"
#include "connection-describe.h"
#include "connection-samples.h"
#include "connection-side.h"
#include "connection-table.h"
#include "event.h"
#include "hooks.h"
#include "log.h"
#include "process.h"
#include "reader.h"
#include "timer.h"
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
        ACCURACY_USEC = 20000,
        LATELY_MAX = 64,
        /* Records of both ends, one behind the other, are here within this time. */
        OTHER_USEC = 200000,
};

struct connections {
        sd_event *loop;
        struct connection_side *side;
        const struct readers *readers;
        struct connections_handlers handlers;
        struct connection_describer describer;
        struct connection_table *table; /* NULL: nothing is measured */
        struct event *event;
        struct connection_samples *samples;
        sd_event_source *linger, *sweep, *other;
        bool lingers;
        uint64_t began;   /* CLOCK_MONOTONIC, ns: when measuring did */
        uint64_t read;    /* CLOCK_MONOTONIC, ns: when the table was brought up to date; 0: never */
        uint64_t swept;   /* the same, of a round over all sockets */
        uint64_t evicted; /* of this map, that was told */
        uint64_t evicted_all, missed_all;
        uint32_t netns; /* our own */
        /* Of those that were open before, the last that were told to have closed. */
        struct connection_address lately[LATELY_MAX];
        size_t n_lately;
};

static uint32_t own_netns(void) {
        struct stat st;

        return stat("/proc/self/ns/net", &st) < 0 ? 0 : (uint32_t) st.st_ino;
}

int connections_new(struct connections **ret, sd_event *loop, struct processes *processes,
                    const struct readers *readers, const struct service_rules *services,
                    struct event *event, const struct connections_handlers *handlers) {
        struct connections *c = calloc(1, sizeof(*c));
        int k;

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
        k = connection_samples_new(&c->samples, c->loop, readers, c);
        if (k < 0) {
                connections_free(c);
                return k;
        }
        *ret = c;
        return 0;
}

void connections_begin(struct connections *c, struct connection_side *side) {
        c->side = side;
}

struct connections *connections_free(struct connections *c) {
        if (!c)
                return NULL;
        connection_samples_free(c->samples);
        sd_event_source_disable_unref(c->linger);
        sd_event_source_disable_unref(c->sweep);
        sd_event_source_disable_unref(c->other);
        connection_table_free(c->table);
        connection_describer_done(&c->describer);
        sd_event_unref(c->loop);
        free(c);
        return NULL;
}

/* Events ----------------------------------------------------------------------------------------
 */

void connections_partial(struct event *e, const char *kind) {
        event_reset(e);
        event_set_printf(e, FIELD_EVENT, "connection-%s", kind);
        event_set_static(e, FIELD_CLASS, "traffic");
}

bool connections_wanted(const struct connections *c, const struct reader *r, const char *kind) {
        connections_partial(c->event, kind);
        return reader_wants(r, c->event);
}

static void describe(struct connections *c, const char *kind, struct connection_pair *p,
                     uint64_t now, uint64_t ended) {
        struct event *e = c->event;

        p->shown = true;
        if (!kind) {
                event_reset(e);
                connection_describe(&c->describer, e, p, now, ended);
                return;
        }
        connections_partial(e, kind);
        event_set_static(e, FIELD_SEVERITY, "info");
        connection_describe(&c->describer, e, p, now, ended);
        connection_describe_message(e);
}

struct event *connections_describe(struct connections *c, struct connection_pair *p,
                                   const char *kind) {
        uint64_t now = clock_now();

        describe(c, kind, p, now, 0);
        if (kind)
                event_set_u64(c->event, FIELD_TIME,
                              clock_realtime(&c->describer.monotonic, now, now));
        return c->event;
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
        if (!is_whole(p))
                c->lately[c->n_lately++ % LATELY_MAX] = p->address;
        else if (!was_told(p, 0, UINT64_MAX))
                tell_open(c, p, time, source);
        tell(c, "close", p, time, true, source);
        connection_table_drop(c->table, p);
}

/* Of one that was open before, its other end may have closed a moment ago. */
static bool was_told_lately(const struct connections *c, const struct connection_pair *p) {
        if (is_whole(p))
                return false;
        for (size_t i = 0; i < MIN(c->n_lately, (size_t) LATELY_MAX); i++)
                if (memcmp(&c->lately[i], &p->address, sizeof(p->address)) == 0)
                        return true;
        return false;
}

/* The last of a connection on this machine whose client has been told of: nobody used its server's
 * end. */
static bool is_leftover(const struct connection_pair *p, const struct connection *c) {
        const bool alone = !p->ends[0] || !p->ends[1];

        return alone && c->flags & CONNECTION_SERVER && !(c->flags & CONNECTION_TASK) &&
               connection_is_local(c);
}

/* Bringing the table up to date -----------------------------------------------------------------
 */

/* Takes the daemon's own out, with its other end: from now on the kernel side leaves both alone.
 * Returns whether it was. */
static bool leave_own(struct connections *c, uint64_t key, const struct connection *connection) {
        if (!connection_side_is_own(c->side, connection))
                return false;
        connection_side_remove(c->side, key);
        if (connection->family == AF_UNIX)
                connection_side_remove(c->side, connection->peer);
        return true;
}

static int take_read(uint64_t key, const struct connection *connection, void *userdata) {
        struct connections *c = userdata;
        struct connection_pair *p;

        if (leave_own(c, key, connection))
                return 0;
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

/* Records ---------------------------------------------------------------------------------------
 */

/* Nobody tells of the ends of connections that were open before: one that closes may be all that we
 * know of its connection. */
static bool is_alone(const struct connection_pair *p, const struct connection *closed) {
        return (!p->ends[0] || !p->ends[1]) && !is_whole(p) && connection_is_local(closed);
}

static int on_other(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata);

/* The other end may have closed, too, and its record is behind this one. */
static int wait_for_other(struct connections *c, struct connection_pair *p,
                          const struct record_connection *r) {
        p->waits = r->header.time;
        p->source = r->source;
        if (timer_runs(c->other))
                return 0;
        return timer_set(&c->other, c->loop, OTHER_USEC, ACCURACY_USEC, on_other, c);
}

/* Tells of those that have waited since before `until` (CLOCK_MONOTONIC, ns). Returns whether
 * others do. */
static bool tell_waiting(struct connections *c, uint64_t until) {
        bool more = false;

        for (struct connection_pair *p = connection_table_next(c->table, NULL), *next; p;
             p = next) {
                next = connection_table_next(c->table, p);
                if (!connection_pair_waits(p))
                        continue;
                if (p->waits > until)
                        more = true;
                else
                        tell_close(c, p, p->waits, hook_name(p->source));
        }
        return more;
}

static int on_other(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct connections *c = userdata;
        int k = 0;

        if (!c->table)
                return 0;
        if (tell_waiting(c, clock_now() - OTHER_USEC * 1000))
                k = timer_set(&c->other, c->loop, OTHER_USEC, ACCURACY_USEC, on_other, c);
        c->handlers.idle(c->handlers.userdata);
        return k;
}

/* Sets `ret` to the connection of a record; NULL: it is of none. */
static int take_record(struct connections *c, const struct record_connection *r,
                       struct connection_pair **ret) {
        const bool closed = r->what == CONNECTION_CLOSES;
        int k = connection_table_take(c->table, r->key, &r->connection, closed, ret);

        if (k < 0 || !*ret || !closed || !is_alone(*ret, &r->connection) ||
            clock_now() - c->read <= FRESH_NS)
                return k;
        read_side(c);
        return connection_table_take(c->table, r->key, &r->connection, closed, ret);
}

void connections_record(struct connections *c, const struct record_connection *r) {
        bool closed = r->what == CONNECTION_CLOSES;
        const char *source = hook_name(r->source);
        struct connection_pair *p = NULL;
        int k;

        if (!c->table || leave_own(c, r->key, &r->connection))
                return;
        k = take_record(c, r, &p);
        if (k < 0)
                log_warning("Out of memory: a connection is not told");
        if (!p)
                return;
        if (!closed && !was_told(p, r->key, r->connection.start))
                tell_open(c, p, r->header.time, source);
        else if (!closed || !connection_pair_closed(p))
                return;
        else if (is_leftover(p, &r->connection) || was_told_lately(c, p))
                connection_table_drop(c->table, p);
        else if (!is_alone(p, &r->connection) || wait_for_other(c, p, r) < 0)
                tell_close(c, p, r->header.time, source);
}

bool connections_wait(const struct connections *c) {
        return timer_runs(c->other);
}

/* Not at each look: who lists connections does not make these. */
static void tell_missed(struct connections *c) {
        uint64_t missed = connection_side_missed(c->side);

        c->missed_all += missed;
        if (missed > 0)
                c->handlers.missed(missed, c->handlers.userdata);
}

void connections_settle(struct connections *c) {
        if (!c->table)
                return;
        (void) tell_waiting(c, UINT64_MAX);
        timer_stop(c->other);
        tell_missed(c);
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
        tell_missed(c);
        c->handlers.idle(c->handlers.userdata);
        return timer_set(&c->sweep, c->loop, SWEEP_USEC, ACCURACY_USEC, on_sweep, c);
}

/* Who asks --------------------------------------------------------------------------------------
 */

static bool asks(const struct connections *c, const struct reader *r) {
        static const char *const kinds[] = {"open", "close", "stats"};

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (connections_wanted(c, r, kinds[i]))
                        return true;
        return false;
}

static uint64_t count_readers(const struct connections *c) {
        uint64_t n = 0;

        for (const struct reader *r = c->readers->first; r; r = r->next)
                n += asks(c, r);
        return n;
}

bool connections_asked(const struct connections *c) {
        return c->lingers || count_readers(c) > 0;
}

static void begin(struct connections *c) {
        if (connection_table_new(&c->table, connection_side_max(c->side)) < 0) {
                c->table = NULL;
                log_warning("Out of memory: connections are not measured");
                return;
        }
        c->evicted = c->n_lately = 0;
        c->read = c->swept = 0;
        c->began = clock_now();
        read_side(c);
        if (timer_set(&c->sweep, c->loop, SWEEP_USEC, ACCURACY_USEC, on_sweep, c) < 0)
                log_warning("Cannot look for closed sockets");
}

static void end(struct connections *c) {
        c->missed_all += connection_side_missed(c->side); /* there is nobody left to tell */
        c->table = connection_table_free(c->table);
        timer_stop(c->sweep);
        timer_stop(c->other);
}

void connections_update(struct connections *c) {
        bool runs = c->side && connection_side_runs(c->side);

        if (runs && !c->table)
                begin(c);
        else if (!runs && c->table)
                end(c);
        connection_samples_update(c->samples);
}

/* Lists -----------------------------------------------------------------------------------------
 */

bool connections_refresh(struct connections *c, uint64_t *ret_read) {
        if (!c->table)
                return false;
        if (clock_now() - c->read > FRESH_NS)
                read_side(c);
        *ret_read = c->read;
        return true;
}

static int on_linger(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct connections *c = userdata;

        c->lingers = false;
        c->handlers.changed(c->handlers.userdata);
        return 0;
}

int connections_look(struct connections *c) {
        int k = timer_set(&c->linger, c->loop, LINGER_USEC, ACCURACY_USEC, on_linger, c);

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
        c->handlers.idle(c->handlers.userdata);
        return 0;
}

void connections_open(struct connections *c, struct connection_cursor *cursor) {
        if (c->table)
                connection_cursor_open(cursor, c->table);
}

void connections_status(const struct connections *c, struct connections_status *ret) {
        *ret = (struct connections_status){
                .open = c->table ? connection_table_count(c->table) : 0,
                .max = c->table ? connection_side_max(c->side) / 2 : 0,
                .duration = c->table ? clock_now() - c->began : 0,
                .evicted = c->evicted_all,
                .missed = c->missed_all,
                .readers = count_readers(c),
        };
}
