/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Connections as the daemon lists them, and what bpfmonctl makes of them: sums, rates, cells. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "latency.h"
#include "text.h"

struct json_object;
struct options;

/* What is summed up of connections, or has passed between two looks. */
struct traffic {
        uint64_t connections;
        uint64_t sent, received; /* bytes */
        uint64_t requests;
        uint64_t latency; /* ns: the sum of all requests' */
        uint64_t latency_max;
        uint64_t age; /* ns: of the oldest */
        uint32_t histogram[LATENCY_BUCKETS];
};

/* Terminals that are wide enough for more columns. */
enum {
        CONNECTIONS_WIDE = 100,
        CONNECTIONS_WIDER = 140,
};

enum {
        CONNECTION_LOOKS = 20, /* of --watch that are shown together, at most */
};

/* By what they are summed up. */
enum connections_by { BY_CONNECTION, BY_SERVICE, BY_CLIENT, BY_UNIT };

/* Fetches the connections that pass the matches, and, with `service`, are of that one, as an array
 * of rows. `whole`: all of their fields, otherwise those that lists show. `ret` is for the caller
 * to put. Returns EXIT_SUCCESS, or complains and returns another exit status. */
int connections_fetch(sd_bus *bus, char **matches, size_t n, const struct options *options,
                      bool whole, struct json_object **ret);

/* Has connections measured for a second at least, so that rates are of more than a moment: waits
 * for what of that is missing where nobody has asked lately. Where it may not, it does not. Returns
 * EXIT_SUCCESS, or complains that nobody answers and returns another exit status. */
int connections_measure(sd_bus *bus, const struct options *options);

/* Whether a row was picked up so lately that its rate says nothing. */
bool connections_is_picked_up(struct json_object *row);

/* What a row says. */
struct traffic traffic_of(struct json_object *row);
void traffic_add(struct traffic *sum, const struct traffic *other);

/* What has passed since `before`. */
struct traffic traffic_since(const struct traffic *now, const struct traffic *before);

/* A quantile of the latencies, ns; 0 where there were no requests. */
uint64_t traffic_latency(const struct traffic *traffic, double part);

/* How many in a second, of `n` in more than 0 `seconds`. */
uint64_t traffic_rate(uint64_t n, double seconds);

/* Adds a quantile of the latencies, nothing where there were no requests. */
void traffic_add_latency(struct text *t, const struct traffic *traffic, double part);

/* Adds how many there are in a second: "0", "3.2", "1,200". */
void connections_add_rate(struct text *t, double rate);

/* Adds what a connection belongs to; what it is named by. */
void connections_add_group(struct text *t, struct json_object *row, enum connections_by by);
void connections_add_client(struct text *t, struct json_object *row);
void connections_add_server(struct text *t, struct json_object *row);

/* bpfmonctl connections --watch: the same again and again, until Ctrl-C. Returns the exit status.
 */
int connections_watch(sd_bus *bus, char **matches, size_t n, const struct options *options);

/* bpfmonctl show connection ID. */
int connection_show(sd_bus *bus, uint64_t id, const struct options *options);
