/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* org.bpfmon1.Manager on /org/bpfmon1: the calls that clients make. */

#include <stdbool.h>
#include <stdint.h>

struct alerts;
struct authority;
struct callers;
struct connection_lists;
struct connections;
struct counts;
struct history;
struct inventory_calls;
struct limits;
struct objects;
struct probe_set;
struct queries;
struct sd_bus;
struct statistics_users;
struct stream_table;
struct subscription_table;

/* What the manager reports on; all borrowed. The counters are read when somebody asks. */
struct manager_context {
        struct probe_set *probes;
        struct callers *callers;
        struct connections *connections;
        struct connection_lists *connection_lists;
        const struct counts *counts;
        struct subscription_table *subscriptions;
        struct stream_table *streams;
        struct authority *authority;
        struct alerts *alerts;
        struct history *history; /* NULL: none is kept */
        struct queries *queries; /* the same */
        struct inventory_calls *inventory;
        struct objects *objects; /* who brought what is asked for */
        struct statistics_users *statistics;
        struct limits *limits;
        const uint64_t *events_seen; /* sequence number of the last event */
        uint64_t events_resumed;     /* number of the last event before the daemon took over */
        const uint64_t *events_lost;
        const uint64_t *bad_records; /* records that did not parse */
        const struct service_rules *services;
        uint64_t since; /* CLOCK_REALTIME, µs */
        /* Reads the configuration again. */
        void (*reload)(void *userdata);
        void *userdata;
};

struct manager;

/* Registers the object on the bus. Returns 0 or a negative errno. */
int manager_new(struct manager **ret, struct sd_bus *bus, const struct manager_context *context);
struct manager *manager_free(struct manager *m);
