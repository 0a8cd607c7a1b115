/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-describe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection-process.h"
#include "connection-table.h"
#include "event.h"
#include "latency.h"
#include "process.h"
#include "service.h"
#include "util.h"

static_assert((int) CONNECTION_BUCKETS == (int) LATENCY_BUCKETS &&
                      (int) CONNECTION_SHIFT == (int) LATENCY_SHIFT,
              "the kernel side counts as events say");

enum { PATH_SIZE = CONNECTION_PATH_MAX + 1 };

void connection_describer_done(struct connection_describer *d) {
        free(d->scratch);
        d->scratch = NULL;
}

/* Places ----------------------------------------------------------------------------------------
 */

/* Abstract names begin with NUL, and may hold more of them. */
static void path_of(const struct connection *c, char ret[static PATH_SIZE]) {
        size_t n = MIN((size_t) c->path_size, sizeof(c->path));

        memcpy(ret, c->path, n);
        ret[n] = 0;
        if (n > 0 && ret[0])
                return;
        for (size_t i = 0; i < n; i++)
                if (!ret[i])
                        ret[i] = '@';
}

static const char *service_of(const struct service_rules *rules, const struct connection *c,
                              bool remote) {
        char path[PATH_SIZE];

        if (c->family != AF_UNIX)
                return service_of_port(rules, remote ? c->remote_port : c->local_port);
        path_of(c, path);
        return service_of_path(rules, path);
}

static bool is_service(const struct connection *c, bool remote, void *userdata) {
        return c->family != AF_UNIX && service_of(userdata, c, remote);
}

static void set_address(struct event *e, enum field address_field, enum field port_field,
                        const struct connection *c, bool remote) {
        const uint8_t *address = remote ? c->remote : c->local;
        char text[INET6_ADDRSTRLEN];
        bool mapped = c->family == AF_INET6 &&
                      IN6_IS_ADDR_V4MAPPED((const struct in6_addr *) (const void *) address);

        if (inet_ntop(c->family == AF_INET || mapped ? AF_INET : AF_INET6,
                      mapped ? address + 12 : address, text, sizeof(text)))
                event_set_string(e, address_field, text);
        event_set_u32(e, port_field, remote ? c->remote_port : c->local_port);
}

/* `server`: the connection is as the server's end has it. */
static void set_places(struct event *e, const struct service_rules *rules,
                       const struct connection *c, bool server) {
        char path[PATH_SIZE];

        event_set_string(e, FIELD_SERVICE_NAME, service_of(rules, c, !server));
        event_set_static(e, FIELD_NETWORK_TRANSPORT, c->family == AF_UNIX ? "unix" : "tcp");
        if (c->family == AF_UNIX) {
                path_of(c, path);
                if (path[0])
                        event_set_string(e, FIELD_DESTINATION_ADDRESS, path);
                return;
        }
        set_address(e, FIELD_SOURCE_ADDRESS, FIELD_SOURCE_PORT, c, server);
        set_address(e, FIELD_DESTINATION_ADDRESS, FIELD_DESTINATION_PORT, c, !server);
}

/* Processes -------------------------------------------------------------------------------------
 */

static void set_process(struct connection_describer *d, struct event *e,
                        const struct connection *c) {
        connection_process_know(d->processes, &c->task);
        processes_describe_briefly(d->processes, e, &c->task);
        event_clear(e, FIELD_PROCESS_TID);
}

static void set_server(struct connection_describer *d, struct event *e,
                       const struct connection *c) {
        static const struct {
                enum field from, to;
        } strings[] = {
                {FIELD_PROCESS_NAME, FIELD_DESTINATION_PROCESS_NAME},
                {FIELD_PROCESS_EXECUTABLE, FIELD_DESTINATION_PROCESS_EXECUTABLE},
                {FIELD_USER_NAME, FIELD_DESTINATION_USER_NAME},
                {FIELD_UNIT, FIELD_DESTINATION_UNIT},
                {FIELD_CONTAINER_ID, FIELD_DESTINATION_CONTAINER_ID},
        };

        if (!d->scratch)
                d->scratch = malloc(sizeof(*d->scratch));
        if (!d->scratch)
                return;
        event_reset(d->scratch);
        set_process(d, d->scratch, c);
        event_set_u32(e, FIELD_DESTINATION_PROCESS_PID, c->task.tgid);
        event_set_u32(e, FIELD_DESTINATION_USER_ID, c->task.uid);
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                event_set_string(e, strings[i].to, event_string(d->scratch, strings[i].from));
}

/* Numbers ---------------------------------------------------------------------------------------
 */

/* Up to the last that has some. */
static size_t used_buckets(const struct connection *c) {
        size_t n = CONNECTION_BUCKETS;

        while (n > 0 && c->histogram[n - 1] == 0)
                n--;
        return n;
}

/* Nothing is known of requests where nothing has passed, or not been seen. */
static void set_latency(struct event *e, const struct connection *c, bool server) {
        if (c->send_calls + c->receive_calls == 0)
                return;
        event_set_u64(e, FIELD_CONNECTION_REQUESTS, c->requests);
        event_set_static(e, FIELD_CONNECTION_SIDE, server ? "server" : "client");
        if (c->requests == 0)
                return;
        event_set_u64(e, FIELD_CONNECTION_LATENCY, c->latency / c->requests);
        event_set_u64(e, FIELD_CONNECTION_LATENCY_P50,
                      latency_quantile(c->histogram, CONNECTION_BUCKETS, 0.5, c->latency_max));
        event_set_u64(e, FIELD_CONNECTION_LATENCY_P99,
                      latency_quantile(c->histogram, CONNECTION_BUCKETS, 0.99, c->latency_max));
        event_set_u64(e, FIELD_CONNECTION_LATENCY_MAX, c->latency_max);
        event_set_u32s(e, FIELD_CONNECTION_HISTOGRAM, c->histogram, used_buckets(c));
}

/* As the end at hand has it; where that is the server's, the other way round. */
static void set_traffic(struct event *e, const struct connection *c, bool server) {
        bool counted = c->send_calls + c->receive_calls > 0;

        /* Of TCP the kernel knows by itself. */
        if (counted || c->family != AF_UNIX) {
                event_set_u64(e, FIELD_BYTES_SENT, server ? c->received : c->sent);
                event_set_u64(e, FIELD_BYTES_RECEIVED, server ? c->sent : c->received);
        }
        if (!counted)
                return;
        event_set_u64(e, FIELD_CONNECTION_SENDS, server ? c->receive_calls : c->send_calls);
        event_set_u64(e, FIELD_CONNECTION_RECEIVES, server ? c->send_calls : c->receive_calls);
}

static void set_tcp(struct event *e, const struct connection *c, const struct connection *other) {
        uint32_t rtt = c->rtt ?: other ? other->rtt : 0;

        if (c->family == AF_UNIX)
                return;
        if (rtt > 0)
                event_set_u64(e, FIELD_TCP_RTT, (uint64_t) rtt * 1000);
        event_set_u64(e, FIELD_TCP_RETRANSMITS,
                      (uint64_t) c->retransmits + (other ? other->retransmits : 0));
}

static void set_times(struct connection_describer *d, struct event *e,
                      const struct connection_pair *p, uint64_t now, uint64_t ended) {
        uint64_t start = UINT64_MAX, last = 0, until = ended ?: now;

        for (size_t i = 0; i < ELEMENTSOF(p->ends); i++)
                if (p->ends[i]) {
                        start = MIN(start, p->ends[i]->now.start);
                        last = MAX(last, p->ends[i]->now.last);
                }
        event_set_u64(e, FIELD_CONNECTION_START, clock_realtime(&d->monotonic, now, start));
        event_set_u64(e, FIELD_CONNECTION_DURATION, until > start ? until - start : 0);
        if (last > 0 && ended == 0)
                event_set_u64(e, FIELD_CONNECTION_IDLE, now > last ? now - last : 0);
}

void connection_describe(struct connection_describer *d, struct event *e,
                         const struct connection_pair *p, uint64_t now, uint64_t ended) {
        void *rules = (void *) d->services;
        const struct connection_end *client = connection_client(p, is_service, rules),
                                    *server = connection_server(p, is_service, rules);
        const struct connection_end *end = client ?: server;
        const struct connection *other = client && server ? &server->now : NULL;

        if (!end)
                return;
        event_set_u64(e, FIELD_CONNECTION_ID, p->id);
        set_places(e, d->services, &end->now, !client);
        if (client && client->now.flags & CONNECTION_TASK)
                set_process(d, e, &client->now);
        if (server && server->now.flags & CONNECTION_TASK)
                set_server(d, e, &server->now);
        set_traffic(e, &end->now, !client);
        set_latency(e, &end->now, !client);
        set_tcp(e, &end->now, other);
        set_times(d, e, p, now, ended);
        if (!((end->now.flags | (other ? other->flags : 0)) & CONNECTION_WHOLE))
                event_set_bool(e, FIELD_EXISTED, true);
}

/* The sentence ----------------------------------------------------------------------------------
 */

/* `postgresql at 127.0.0.1:5432`, `/run/x.sock` */
static void write_place(const struct event *e, char *ret, size_t size) {
        const struct value *port = event_get(e, FIELD_DESTINATION_PORT);
        const char *service = event_string(e, FIELD_SERVICE_NAME),
                   *address = event_string(e, FIELD_DESTINATION_ADDRESS);
        bool six = address && port && strchr(address, ':');
        int n;

        n = snprintf(ret, size, "%s%s%s%s%s", service ?: "", service ? " at " : "", six ? "[" : "",
                     address ?: "an unnamed socket", six ? "]" : "");
        if (port && n > 0 && (size_t) n < size)
                snprintf(ret + n, size - (size_t) n, ":%u", port->u32);
}

void connection_describe_message(struct event *e) {
        const char *client = event_string(e, FIELD_PROCESS_NAME) ?: event_string(
                e, FIELD_SOURCE_ADDRESS) ?: "Somebody";
        const char *event = event_string(e, FIELD_EVENT);
        const struct value *sent = event_get(e, FIELD_BYTES_SENT),
                           *received = event_get(e, FIELD_BYTES_RECEIVED),
                           *requests = event_get(e, FIELD_CONNECTION_REQUESTS);
        char place[256], count[48] = "";

        write_place(e, place, sizeof(place));
        if (event && strcmp(event, "connection-open") == 0) {
                event_set_printf(e, FIELD_MESSAGE, "%s connected to %s", client, place);
                return;
        }
        if (!sent || !received)
                return;
        if (requests)
                snprintf(count, sizeof(count), ", %" PRIu64 " request%s", requests->u64,
                         requests->u64 == 1 ? "" : "s");
        event_set_printf(e, FIELD_MESSAGE,
                         "%s %s %s: %" PRIu64 " bytes sent, %" PRIu64 " received%s", client,
                         event && strcmp(event, "connection-close") == 0 ? "was connected to"
                                                                         : "is connected to",
                         place, sent->u64, received->u64, count);
}
