/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "delivery.h"

#include <string.h>

#include "errors.h"
#include "event-bus.h"
#include "event.h"
#include "log.h"
#include "subscription.h"
#include "util.h"

enum {
        /* A signal ends at so many bytes: few enough to go through the bus without a hitch, enough
         * that its own cost does not count. */
        BATCH_BYTES = 64 * 1024,
        /* Most that one event can add: its arena, and keys, types and padding around it. */
        EVENT_BYTES = EVENT_ARENA_SIZE + 16 * 1024,
        /* Header of a signal and the fixed part of its body, about. */
        SIGNAL_BYTES = 256,
        /* Messages in the write queue of the connection. It is empty as long as the bus reads;
         * beyond this we stop adding to it, so that it takes 4 MiB at most. */
        QUEUE_MESSAGES = 64,
};

/* Bytes of `pending` that count against what all share. */
static uint64_t beyond_own(const struct delivery *d, uint64_t pending) {
        uint64_t own = d->context->limits->own_bytes;

        return pending > own ? pending - own : 0;
}

/* Whether so many bytes more may be on their way. */
static bool room_for(const struct delivery *d, uint64_t size) {
        uint64_t pending = window_pending(&d->window);
        uint64_t more = beyond_own(d, pending + size) - beyond_own(d, pending);

        return window_fits(&d->window, size) &&
               (more == 0 || d->context->borrowed + more <= d->context->limits->shared_bytes);
}

/* Follows a change of the window, which had `before` bytes on their way. */
static void account(struct delivery *d, uint64_t before) {
        d->context->borrowed += beyond_own(d, window_pending(&d->window)) - beyond_own(d, before);
}

uint64_t delivery_borrowed(const struct delivery *d) {
        return beyond_own(d, window_pending(&d->window));
}

void delivery_init(struct delivery *d, struct delivery_context *context, const char *owner,
                   const char *path, const struct field_set *only) {
        *d = (struct delivery){.context = context, .owner = owner, .path = path, .only = only};
        window_init(&d->window, context->limits->window_bytes);
}

void delivery_done(struct delivery *d) {
        if (!d->context)
                return;

        d->batch = sd_bus_message_unref(d->batch);
        d->ping = sd_bus_slot_unref(d->ping);
        d->context->borrowed -= delivery_borrowed(d);
        window_init(&d->window, 0);
}

static void complain_once(const char *what, int error) {
        static bool complained;

        if (!complained)
                log_warning("%s: %s; what is lost by this is counted, and further cases are not "
                            "logged",
                            what, strerror(-error));
        complained = true;
}

static void drop(struct delivery *d, uint64_t events) {
        d->lost += events;
        d->context->dropped += events;
}

/* Gives the batch up: its events, and the losses that it would have told, go to the next signal. */
static void batch_drop(struct delivery *d) {
        d->batch = sd_bus_message_unref(d->batch);
        drop(d, d->batch_events);
        d->lost += d->batch_lost;
}

static int batch_begin(struct delivery *d, uint64_t first_seq) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_signal(d->context->bus, &m, d->path, BPFMON_SUBSCRIPTION_INTERFACE,
                                      "Events");
        if (r < 0)
                return r;

        r = sd_bus_message_set_destination(m, d->owner);
        if (r < 0)
                return r;

        r = sd_bus_message_append(m, "tt", first_seq, d->lost);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(m, 'a', "a{sv}");
        if (r < 0)
                return r;

        d->batch = TAKE_PTR(m);
        d->batch_events = 0;
        d->batch_bytes = SIGNAL_BYTES;
        d->batch_lost = d->lost;
        d->lost = 0;
        return 0;
}

/* Opens a batch where there is room for a full one: once open, it can always be sent. */
static bool batch_open(struct delivery *d, uint64_t first_seq) {
        int r;

        if (!room_for(d, BATCH_BYTES + EVENT_BYTES))
                return false;

        r = batch_begin(d, first_seq);
        if (r < 0)
                complain_once("Cannot make a signal", r);

        return r >= 0;
}

static bool batch_full(const struct delivery *d) {
        return d->batch_events >= d->context->limits->batch_events || d->batch_bytes >= BATCH_BYTES;
}

/* A reply that comes from the reader itself, even an error, says that it has read all that was sent
 * before. Any other comes from the bus, which could not hand the ping over. */
static bool replied(const struct delivery *d, sd_bus_message *reply) {
        const char *sender = sd_bus_message_get_sender(reply);

        return sender && strcmp(sender, d->owner) == 0;
}

static int on_pong(sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        struct delivery *d = userdata;
        uint64_t before = window_pending(&d->window);

        d->ping = sd_bus_slot_unref(d->ping);
        if (!replied(d, reply)) {
                /* Where the reader has left, this subscription ends in a moment. Otherwise its
                 * queue is full, and another ping follows later. */
                window_refused(&d->window);
                d->refused = true;
                d->context->refused(d->context->userdata);
                return 1;
        }

        /* What turned a ping back may have dropped signals as well, silently: all of them are told
         * as lost, so that the count is too high rather than too low. */
        if (d->refused)
                drop(d, d->unconfirmed - d->after_ping);

        window_pong(&d->window);
        account(d, before);
        d->refused = false;
        d->unconfirmed = d->after_ping;
        delivery_flush(d);
        return 1;
}

static int ping_send(struct delivery *d) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(d->context->bus, &m, d->owner, "/",
                                           "org.freedesktop.DBus.Peer", "Ping");
        if (r < 0)
                return r;

        /* No timeout: a reader may be stopped for hours. */
        return sd_bus_call_async(d->context->bus, &d->ping, m, on_pong, d, UINT64_MAX);
}

static void confirm(struct delivery *d) {
        int r;

        if (!window_ping(&d->window))
                return;

        d->after_ping = 0;
        r = ping_send(d);
        if (r < 0) {
                complain_once("Cannot send a ping", r);
                window_refused(&d->window);
        }
}

static bool clogged(struct delivery *d) {
        uint64_t queued = 0;

        if (sd_bus_get_n_queued_write(d->context->bus, &queued) >= 0 && queued < QUEUE_MESSAGES)
                return false;

        d->context->held(d->context->userdata);
        return true;
}

/* Sends the batch, unless the connection is clogged: then it stays. */
static void batch_send(struct delivery *d) {
        uint64_t before = window_pending(&d->window);
        int r;

        if (clogged(d))
                return;

        r = sd_bus_message_close_container(d->batch);
        if (r >= 0)
                r = sd_bus_send(d->context->bus, d->batch, NULL);
        if (r < 0) {
                complain_once("Cannot send a signal", r);
                batch_drop(d);
                return;
        }

        d->batch = sd_bus_message_unref(d->batch);
        d->unconfirmed += d->batch_events;
        d->after_ping += d->batch_events;
        window_sent(&d->window, d->batch_bytes);
        account(d, before);
        confirm(d);
}

/* Whether the batch takes another event; opens one if need be. */
static bool batch_ready(struct delivery *d, const struct event *event) {
        const struct value *seq = event_get(event, FIELD_SEQ);

        if (d->batch && batch_full(d))
                batch_send(d);
        if (d->batch)
                return !batch_full(d);

        return batch_open(d, seq ? seq->u64 : 0);
}

void delivery_event(struct delivery *d, const struct event *event) {
        int r;

        if (!batch_ready(d, event)) {
                drop(d, 1);
                return;
        }

        r = event_append(event, d->only, d->batch);
        if (r < 0) {
                /* The message can't be mended. */
                complain_once("Cannot put an event into a signal", r);
                batch_drop(d);
                drop(d, 1);
                return;
        }

        d->batch_events++;
        d->batch_bytes += r;
        if (batch_full(d))
                batch_send(d);
}

void delivery_lost(struct delivery *d, uint64_t count) {
        d->lost += count;
}

void delivery_flush(struct delivery *d) {
        if (!d->batch && d->lost > 0 && !clogged(d))
                (void) batch_open(d, 0);
        if (d->batch)
                batch_send(d);

        confirm(d);
}
