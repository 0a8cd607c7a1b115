/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The signals of one reader: events in batches, within a window of unconfirmed bytes. What does not
 * fit is counted and told. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "window.h"

struct event;
struct field_set;
struct subscription_limits;

/* What the deliveries of one bus connection share. */
struct delivery_context {
        sd_bus *bus;
        const struct subscription_limits *limits;
        uint64_t borrowed; /* bytes on their way beyond each delivery's own part */
        uint64_t dropped;  /* events for which there was no room, all deliveries */
        /* Something waits for the connection's write queue: flush again when it has drained. */
        void (*held)(void *userdata);
        /* The bus turned a ping back: flush again after a while. */
        void (*refused)(void *userdata);
        void *userdata;
};

struct delivery {
        struct delivery_context *context;
        const char *owner;            /* unique name of the reader */
        const char *path;             /* object that the signals come from */
        const struct field_set *only; /* what the reader asked for; NULL: all fields */
        struct window window;
        sd_bus_message *batch; /* being filled, or NULL */
        size_t batch_events;
        uint64_t batch_bytes;
        uint64_t batch_lost;  /* what the batch tells as lost */
        uint64_t lost;        /* events to tell as lost with the next signal */
        uint64_t unconfirmed; /* events sent since the last confirmation */
        uint64_t after_ping;  /* those of them sent after the ping in flight */
        bool refused;         /* the bus turned a ping back since the last confirmation */
        sd_bus_slot *ping;
};

/* `context`, `owner`, `path` and `only` (NULL: all fields) are borrowed and must outlive the
 * delivery. */
void delivery_init(struct delivery *d, struct delivery_context *context, const char *owner,
                   const char *path, const struct field_set *only);

/* Drops what is batched; sends nothing more. A delivery of zeroes is fine. */
void delivery_done(struct delivery *d);

/* Bytes on their way beyond its own part, by the limits as they are now. */
uint64_t delivery_borrowed(const struct delivery *d);

/* Adds the event to the batch, which is sent when full, or counts it as lost. Never blocks. */
void delivery_event(struct delivery *d, const struct event *event);

/* Counts events that were lost before they came here. */
void delivery_lost(struct delivery *d, uint64_t count);

/* Sends what is batched or to be told as lost, as far as there is room. */
void delivery_flush(struct delivery *d);
