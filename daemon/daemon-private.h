/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The daemon's stages, and what it counts: for the files that wire them together, and no other. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "clock.h"
#include "configuration.h"
#include "counts.h"
#include "limit.h"
#include "reader.h"

struct daemon {
        sd_event *loop;
        sd_bus *bus;
        sd_event_source *bus_turn;
        sd_bus_slot *log_control;
        struct configuration configuration;
        struct names *names;
        struct processes *processes;
        struct decoder *decoder;
        struct objects *objects;
        bool strict; /* only some processes are observed */
        struct handover *handover;
        struct alerts *alerts;
        struct probe_set *probes;
        struct early *early;   /* calls that wait until they are attached */
        sd_event_source *hold; /* until the readers are back that there were; NULL: they are */
        struct callers *callers;
        struct connections *connections;
        struct connection_lists *connection_lists;
        struct counts counts;
        struct limits limits;
        struct readers readers;
        struct subscription_table *subscriptions;
        struct stream_table *streams;
        struct authority *authority;
        struct history *history; /* NULL: none is kept */
        uint64_t stored;         /* number of the last event that an earlier daemon wrote there */
        struct queries *queries;
        struct usage *usage; /* what of it is kept in the history */
        sd_event_source *history_source, *minute;
        struct inventory *inventory;
        struct inventory_calls *inventory_calls;
        struct agreement *agreement;
        struct origins *origins; /* while the history tells who brought what existed */
        sd_event_source *origins_timeout;
        struct absence *absence; /* while it tells what went before we watched */
        struct statistics *statistics;
        struct statistics_users *statistics_users;
        struct clock_offset boottime;
        struct manager *manager;
        struct event *event; /* the one being made */
        uint64_t since;      /* CLOCK_REALTIME, µs */
        uint64_t events_seen;
        uint64_t events_lost;
        uint64_t connections_lost; /* of these */
        uint64_t bad_records;
        uint64_t records_lost; /* that are no events */
        int failed;            /* why it ends, if it was not told to */
};

/* Tells the service manager, for `systemctl status`. */
void daemon_tell_status(const struct daemon *d);
