/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "alerts.h"
#include "connections.h"
#include "escape.h"
#include "event.h"
#include "history.h"
#include "limit.h"
#include "log-output.h"
#include "manager.h"
#include "probe.h"
#include "statistics-users.h"
#include "stream.h"
#include "subscription.h"
#include "util.h"

struct probe_counts {
        uint32_t attached;
        uint32_t failed;
};

static int count_probe(const struct event *row, void *userdata) {
        static const char *const working[] = {"attached", "waiting", "degraded"};
        const char *state = event_string(row, FIELD_PROBE_STATE);
        struct probe_counts *counts = userdata;

        for (size_t i = 0; state && i < ELEMENTSOF(working); i++)
                counts->attached += strcmp(state, working[i]) == 0;
        counts->failed += state && strcmp(state, "failed") == 0;
        return 0;
}

/* Bytes of memory in use; 0 where /proc is missing. */
static uint64_t memory_rss(void) {
        _cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
        unsigned long pages = 0;

        if (!f || fscanf(f, "%*u %lu", &pages) != 1)
                return 0;

        return (uint64_t) pages * sysconf(_SC_PAGESIZE);
}

/* One entry of GetStatus: `type` is its D-Bus type, and says which value counts. */
struct status {
        const char *name;
        char type;
        uint64_t number;
        const char *string;
};

static int append_status(sd_bus_message *reply, const struct status *status) {
        switch (status->type) {
        case 's':
                return sd_bus_message_append(reply, "{sv}", status->name, "s", status->string);
        case 't':
                return sd_bus_message_append(reply, "{sv}", status->name, "t", status->number);
        case 'u':
                return sd_bus_message_append(reply, "{sv}", status->name, "u",
                                             (uint32_t) status->number);
        case 'b':
                return sd_bus_message_append(reply, "{sv}", status->name, "b",
                                             (int) status->number);
        default:
                return -EINVAL;
        }
}

/* What was refused, and why: an entry for each limit. */
static int append_refusals(sd_bus_message *reply, const struct limits *limits) {
        const struct status others[] = {
                {"refused.invalid_matches", 't', limits->invalid},
                {"refused.denied", 't', limits->denied},
        };
        int r = 0;

        for (int i = 0; r >= 0 && i < _LIMIT_MAX; i++)
                if (limit_counter(i))
                        r = append_status(
                                reply, &(struct status){limit_counter(i), 't', limits->refused[i]});
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(others); i++)
                r = append_status(reply, &others[i]);
        return r;
}

/* Nothing where no history is kept. */
static int append_history(sd_bus_message *reply, struct history *history) {
        struct history_status h = {};
        int r = 0;

        if (!history)
                return 0;
        history_status(history, &h);
        const struct status entries[] = {
                {"history.working", 'b', h.working},
                {"history.stored", 't', h.stored},
                {"history.lost", 't', h.lost},
                {"history.size", 't', h.size},
        };
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(entries); i++)
                r = append_status(reply, &entries[i]);
        return r;
}

static int append_alerts(sd_bus_message *reply, const struct alerts *alerts) {
        struct alerts_status a;
        int r = 0;

        alerts_status(alerts, &a);
        const struct status entries[] = {
                {"rules", 'u', a.rules},
                {"alerts", 't', a.alerts},
                {"alerts.folded", 't', a.folded},
        };
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(entries); i++)
                r = append_status(reply, &entries[i]);
        return r;
}

static int append_connections(sd_bus_message *reply, const struct connections *connections) {
        struct connections_status s;
        int r = 0;

        connections_status(connections, &s);
        const struct status entries[] = {
                {"connections", 't', s.open},
                {"connections.max", 't', s.max},
                {"connections.evicted", 't', s.evicted},
                {"connections.missed", 't', s.missed},
                {"connections.readers", 't', s.readers},
                {"connections.duration", 't', s.duration}, /* left out where it is 0 */
        };
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(entries) - (s.duration == 0); i++)
                r = append_status(reply, &entries[i]);
        return r;
}

static int append_statuses(sd_bus_message *reply, const struct status *statuses, size_t n,
                           const struct manager_context *c) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_status(reply, &statuses[i]);
        if (r >= 0)
                r = append_connections(reply, c->connections);
        if (r >= 0)
                r = append_history(reply, c->history);
        if (r >= 0)
                r = append_alerts(reply, c->alerts);
        if (r >= 0)
                r = append_refusals(reply, c->limits);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(reply);
}

int status_append(sd_bus_message *reply, const struct manager_context *c) {
        struct probe_counts probes = {};
        struct utsname system = {};
        char host[3 * sizeof(system.nodename) + 1];
        int r;

        probe_set_drain(c->probes);
        r = probe_set_list(c->probes, count_probe, &probes);
        if (r < 0)
                return r;

        if (uname(&system) < 0)
                return -errno;
        utf8_sanitize(system.nodename, sizeof(system.nodename), host, sizeof(host));

        const struct status statuses[] = {
                {"version", 's', .string = BPFMON_VERSION},
                {"since", 't', c->since},
                {"host", 's', .string = host},
                {"kernel", 's', .string = system.release},
                {"state", 's', .string = probe_set_ready(c->probes) ? "watching" : "starting"},
                {"degraded", 'b', probe_set_degraded(c->probes)},
                {"probes.attached", 'u', probes.attached},
                {"probes.failed", 'u', probes.failed},
                {"events.seen", 't', *c->events_seen},
                {"events.lost", 't', *c->events_lost},
                {"records.bad", 't', *c->bad_records},
                {"subscriptions", 'u', subscription_table_count(c->subscriptions)},
                {"subscriptions.max", 'u', c->limits->max[LIMIT_SUBSCRIPTIONS]},
                {"window.lost", 't', subscription_table_window_lost(c->subscriptions)},
                {"streams", 'u', stream_table_count(c->streams)},
                {"streams.max", 'u', c->limits->max[LIMIT_STREAMS]},
                {"stream.lost", 't', stream_table_lost(c->streams)},
                {"statistics", 'b', statistics_users_count(c->statistics) > 0},
                {"statistics.users", 'u', statistics_users_count(c->statistics)},
                {"log.dropped", 't', output_dropped()},
                {"memory.rss", 't', memory_rss()},
        };

        return append_statuses(reply, statuses, ELEMENTSOF(statuses), c);
}
