/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alerts.h"
#include "callers.h"
#include "clock.h"
#include "connections.h"
#include "daemon-private.h"
#include "decode.h"
#include "event.h"
#include "handover.h"
#include "history.h"
#include "log.h"
#include "message-ids.h"
#include "objects.h"
#include "probe.h"
#include "util.h"

enum {
        /* Readers come back as soon as the bus tells them of us, within milliseconds; who takes
         * longer is not waiting for us. The ring is mostly not full by then: at half it is enough.
         */
        HOLD_USEC = 2000000,
};

void pipeline_tell(struct daemon *d) {
        uint64_t seq = handover_number(d->handover);

        if (seq == 0)
                return;
        d->events_seen = seq;
        event_set_u64(d->event, FIELD_SEQ, seq);
        alerts_judge(d->alerts, d->event);
        counts_add(&d->counts, d->event);
        readers_offer(&d->readers, d->event);
        /* What is read again after a restart was told by the daemon that kept it. */
        if (d->history && seq <= d->stored)
                return;
        if (d->history)
                history_offer(d->history, d->event);
        alerts_told(d->alerts, d->event);
}

static void on_record(const void *data, size_t size, void *userdata) {
        struct daemon *d = userdata;
        const struct record_caller *caller = data;
        int k = decoder_record(d->decoder, d->event, data, size);

        if (k < 0) {
                if (d->bad_records++ == 0)
                        log_warning("A record of %zu bytes does not parse; it is left out, and "
                                    "further ones are only counted",
                                    size);
                return;
        }
        if (k == 0) {
                if (caller->header.kind == RECORD_CALLER)
                        callers_left(d->callers, caller);
                else if (caller->header.kind == RECORD_CONNECTION)
                        connections_record(d->connections, data);
                return;
        }
        if (!objects_follow(d->objects, d->event, d->strict))
                return;
        pipeline_tell(d);
        if (objects_tamper(d->objects, d->event, record_touches_own(data))) {
                alerts_forget(d->event);
                pipeline_tell(d);
        }
}

static void tell_records_lost(uint64_t count) {
        char number[24];

        snprintf(number, sizeof(number), "%" PRIu64, count);
        log_message(LOG_WARNING, MESSAGE_RECORDS_LOST, LOG_FIELDS({"BPFMON_LOST", number}),
                    "%" PRIu64 " records about processes or parts of records were lost; events may "
                    "lack an executable or instructions, further losses are only counted",
                    count);
}

static void on_loss(const struct probe_loss *loss, void *userdata) {
        struct daemon *d = userdata;

        if (loss->slot == LOSS_OTHER) {
                if (d->records_lost == 0)
                        tell_records_lost(loss->count);
                d->records_lost += loss->count;
                return;
        }
        if (loss->slot != LOSS_TRAFFIC)
                d->events_lost += loss->count;
        if (loss->slot == LOSS_CONNECTIONS)
                d->connections_lost += loss->count;
        decoder_partial(d->decoder, d->event, loss->slot);
        event_set_static(d->event, FIELD_LOST_WHERE, loss->where);
        readers_lost(&d->readers, d->event, loss->count);
        if (d->history)
                history_lost(d->history, event_string(d->event, FIELD_CLASS), loss->where,
                             loss->count);
}

static void on_left(void *userdata) {
        struct daemon *d = userdata;

        callers_sweep(d->callers);
}

/* Whether nothing that was read is still in our memory: then our end cannot lose it. A reader that
 * is stopped holds what is for it; it only gets to do so for a part of the ring. */
static bool all_handed_out(const struct daemon *d) {
        uint64_t queued = 0;

        return sd_bus_get_n_queued_write(d->bus, &queued) >= 0 && queued == 0 &&
               !readers_hold(&d->readers) && !connections_wait(d->connections);
}

static void on_idle(void *userdata) {
        struct daemon *d = userdata;

        readers_flush(&d->readers);
        d->events_seen = handover_seq(d->handover);
        if (all_handed_out(d) || probe_set_presses(d->probes))
                probe_set_commit(d->probes);
}

void pipeline_stop(struct daemon *d) {
        probe_set_drain(d->probes);
        connections_settle(d->connections);
        on_idle(d);
}

static uint64_t on_lost(void *userdata) {
        struct daemon *d = userdata;

        return d->events_lost;
}

static void on_own(uint32_t kind, uint32_t id, bool gone, void *userdata) {
        struct daemon *d = userdata;

        if (objects_set_own(d->objects, kind, id, gone) < 0)
                log_warning("Out of memory; some of our own objects pass for somebody else's");
}

/* What is installed, removed or changed is always sent; the rest while somebody asks for it. */
static bool slot_wanted(struct daemon *d, int slot) {
        const char *class;

        decoder_partial(d->decoder, d->event, slot);
        class = event_string(d->event, FIELD_CLASS);
        if (class && strcmp(class, "use") != 0 && strcmp(class, "look") != 0)
                return true;
        return readers_want(&d->readers, d->event) || alerts_want(d->alerts, d->event);
}

void pipeline_want(struct daemon *d) {
        uint64_t commands = 0;
        bool connections;
        int k;

        for (int slot = 0; slot < COMMAND_SLOTS; slot++)
                if (slot_wanted(d, slot))
                        commands |= UINT64_C(1) << slot;
        connections = d->configuration.now.connections_always || connections_asked(d->connections);
        const struct probe_wants wants = {
                .commands = commands,
                .timed = d->readers.n > 0,
                .content = readers_want_content(&d->readers),
                /* Each has two ends. */
                .connections = connections ? 2 * (uint32_t) d->configuration.now.connections_max
                                           : 0,
        };
        k = probe_set_want(d->probes, &wants);
        if (k < 0)
                log_warning("Cannot attach a hook: %s", strerror(-k));
        connections_update(d->connections);
}

static void on_connections_changed(void *userdata) {
        pipeline_want(userdata);
}

static void on_connection(_unused_ struct event *e, void *userdata) {
        pipeline_tell(userdata); /* made in our own event */
}

static void on_connections_lost(uint64_t count, void *userdata) {
        const struct probe_loss loss = {LOSS_CONNECTIONS, "connections", count};

        on_loss(&loss, userdata);
}

static void on_traffic_missed(uint64_t count, void *userdata) {
        const struct probe_loss loss = {LOSS_TRAFFIC, "probe", count};

        on_loss(&loss, userdata);
}

/* What the alerts say by themselves, of no record. */
static void on_alert(struct event *e, void *userdata) {
        struct daemon *d = userdata;

        d->events_seen = handover_number(d->handover);
        event_set_u64(e, FIELD_SEQ, d->events_seen);
        counts_add(&d->counts, e);
        readers_offer(&d->readers, e);
        if (d->history)
                history_offer(d->history, e);
        on_idle(d);
}

void pipeline_tell_gap(struct daemon *d, const char *where, const char *message) {
        event_reset(d->event);
        event_set_u64(d->event, FIELD_TIME, clock_usec(CLOCK_REALTIME));
        event_set_static(d->event, FIELD_EVENT, "lost");
        event_set_static(d->event, FIELD_CLASS, "self");
        event_set_static(d->event, FIELD_SEVERITY, "warning");
        event_set_static(d->event, FIELD_LOST_WHERE, where);
        event_set_static(d->event, FIELD_MESSAGE, message);
        d->events_seen = handover_number(d->handover);
        event_set_u64(d->event, FIELD_SEQ, d->events_seen);
        readers_tell(&d->readers, d->event);
        if (d->history)
                history_offer(d->history, d->event);
}

static bool has_gap(const struct daemon *d) {
        return handover_gap(d->handover) ||
               (handover_adopts(d->handover) && probe_set_missed_restart(d->probes));
}

/* From here on events go to who is there. */
static void end_hold(struct daemon *d) {
        if (!d->hold)
                return;
        d->hold = sd_event_source_disable_unref(d->hold);
        log_debug("%zu of %zu readers are back; going on with event %" PRIu64, d->readers.n,
                  handover_readers(d->handover), handover_seq(d->handover) + 1);
        if (has_gap(d))
                pipeline_tell_gap(d, "restart",
                                  "bpfmond was restarted; what happened meanwhile was not seen");
        probe_set_hold(d->probes, false);
        pipeline_want(d);
        handover_set_readers(d->handover, d->readers.n);
}

static int on_hold_timeout(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        end_hold(userdata);
        return 0;
}

static void on_pressed(void *userdata) {
        end_hold(userdata);
}

/* After a takeover the events go on when the readers are back; without one that there was, the gap
 * is told then. */
static int begin_hold(struct daemon *d) {
        size_t n = handover_readers(d->handover);

        if (n == 0 && !has_gap(d))
                return 0;
        probe_set_hold(d->probes, true);
        return sd_event_add_time_relative(d->loop, &d->hold, CLOCK_MONOTONIC, HOLD_USEC, 0,
                                          on_hold_timeout, d);
}

void pipeline_readers_changed(void *userdata) {
        struct daemon *d = userdata;
        size_t there_were = handover_readers(d->handover);

        if (!d->hold)
                handover_set_readers(d->handover, d->readers.n);
        pipeline_want(d);
        daemon_tell_status(d);
        if (d->hold && there_were > 0 && d->readers.n >= there_were)
                end_hold(d);
}

/* Those who subscribed while it started are told that they have not seen what happened then. */
static void tell_beginning(struct daemon *d) {
        if (!d->hold && d->readers.n > 0)
                pipeline_tell_gap(
                        d, "start",
                        "bpfmond was starting; what happened before its probes were attached was "
                        "not seen");
}

int pipeline_begin(struct daemon *d) {
        int k = begin_hold(d);

        if (k < 0)
                return k;
        tell_beginning(d);
        pipeline_readers_changed(d);
        return 0;
}

struct probe_handlers pipeline_probe_handlers(void (*ready)(int result, void *userdata)) {
        return (struct probe_handlers){on_record, on_loss,    on_left, on_idle,
                                       on_own,    on_pressed, ready,   on_lost};
}

struct connections_handlers pipeline_connections_handlers(struct daemon *d) {
        return (struct connections_handlers){on_connection,          on_connections_lost,
                                             on_traffic_missed,      on_idle,
                                             on_connections_changed, d};
}

const struct alerts_handlers pipeline_alerts_handlers = {on_alert};
