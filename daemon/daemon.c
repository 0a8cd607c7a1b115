/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "absence.h"
#include "agreement.h"
#include "alerts.h"
#include "authority.h"
#include "bus-turn.h"
#include "callers.h"
#include "clock.h"
#include "config.h"
#include "connection-list.h"
#include "connections.h"
#include "daemon-history.h"
#include "daemon-private.h"
#include "decode.h"
#include "early.h"
#include "errors.h"
#include "event.h"
#include "handover.h"
#include "history-query.h"
#include "history.h"
#include "inventory-call.h"
#include "inventory-origin.h"
#include "inventory-scan.h"
#include "inventory.h"
#include "kernel-side.h"
#include "log-control.h"
#include "log.h"
#include "manager.h"
#include "message-ids.h"
#include "names.h"
#include "objects.h"
#include "pipeline.h"
#include "probe.h"
#include "process.h"
#include "statistics-users.h"
#include "statistics.h"
#include "stream.h"
#include "subscription.h"
#include "usage.h"
#include "util.h"

enum {
        /* The bus answers within microseconds, or is not to be waited for. */
        BUS_TIMEOUT_USEC = 2000000,
        /* But while we start nobody looks at its answers, and sd-bus gives up a connection whose
         * match rules seem not to be answered. */
        START_TIMEOUT_USEC = 600000000,
};

void daemon_tell_status(const struct daemon *d) {
        size_t n = subscription_table_count(d->subscriptions);

        if (!probe_set_ready(d->probes)) {
                sd_notify(false, "STATUS=Attaching the probes");
                return;
        }
        sd_notifyf(false, "STATUS=Watching bpf() calls%s; %zu subscription%s",
                   probe_set_degraded(d->probes) ? " (not everything: see bpfmonctl probes)" : "",
                   n, n == 1 ? "" : "s");
}

/* Takes the name before anything is attached: of two daemons the second leaves no trace. */
static int connect_bus(struct daemon *d) {
        int k = sd_bus_open_system_with_description(&d->bus, "bpfmond");

        if (k < 0) {
                log_error("Cannot reach the system bus: %s; is dbus running? "
                          "(DBUS_SYSTEM_BUS_ADDRESS names another one)",
                          strerror(-k));
                return k;
        }
        (void) sd_bus_set_method_call_timeout(d->bus, BUS_TIMEOUT_USEC);
        k = sd_bus_request_name(d->bus, BPFMON_BUS_NAME, 0);
        if (k == -EEXIST)
                log_error("Another bpfmond runs on this bus (it owns %s); stop it first",
                          BPFMON_BUS_NAME);
        else if (k < 0)
                log_error("Cannot own %s: %s; install the bus policy (org.bpfmon1.conf), run "
                          "as root or as the user that it names, and reload the bus where "
                          "that user is new",
                          BPFMON_BUS_NAME, strerror(-k));
        (void) sd_bus_set_method_call_timeout(d->bus, START_TIMEOUT_USEC);
        return k;
}

static int on_signal(sd_event_source *s, _unused_ const struct signalfd_siginfo *info,
                     _unused_ void *userdata) {
        return sd_event_exit(sd_event_source_get_event(s), EXIT_SUCCESS);
}

static void take_limits(struct daemon *d) {
        memcpy(d->limits.max, d->configuration.now.limits, sizeof(d->limits.max));
}

static void read_rules(struct daemon *d) {
        const char *const named[] = {d->configuration.overrides.rules, NULL};

        alerts_read_rules(d->alerts, named[0] ? named : config_rule_directories);
}

/* Nobody who is there is dropped for it. */
static void reload(void *userdata) {
        struct daemon *d = userdata;

        if (probe_set_ready(d->probes))
                sd_notifyf(false,
                           "RELOADING=1\nMONOTONIC_USEC=%" PRIu64
                           "\nSTATUS=Reading the configuration",
                           clock_now() / 1000);
        configuration_reload(&d->configuration);
        take_limits(d);
        subscription_table_limits_changed(d->subscriptions);
        read_rules(d);
        pipeline_want(d);
        log_message(LOG_INFO, MESSAGE_RELOADED, NULL, "Read the configuration again");
        daemon_tell_status(d);
        if (probe_set_ready(d->probes))
                sd_notify(false, "READY=1");
}

static int on_reload_signal(_unused_ sd_event_source *s,
                            _unused_ const struct signalfd_siginfo *info, void *userdata) {
        reload(userdata);
        return 0;
}

static int on_disconnected(_unused_ sd_bus_message *m, void *userdata,
                           _unused_ sd_bus_error *error) {
        struct daemon *d = userdata;

        log_error("The bus is gone; ending");
        return sd_event_exit(d->loop, EXIT_FAILURE);
}

static int setup_loop(struct daemon *d) {
        static const struct {
                int number;
                sd_event_signal_handler_t handler;
        } signals[] = {{SIGTERM, on_signal}, {SIGINT, on_signal}, {SIGHUP, on_reload_signal}};
        sigset_t mask;
        int k;

        sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigaddset(&mask, signals[i].number);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN); /* a reader that left is an error of write() */
        umask(0077);              /* what we write is for nobody else */
        k = sd_event_default(&d->loop);
        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(signals); i++)
                k = sd_event_add_signal(d->loop, NULL, signals[i].number, signals[i].handler, d);
        return k < 0 ? k : 0;
}

/* What comes while we look is in the ring, and is followed afterwards. */
static int seed(struct daemon *d) {
        uint64_t start = clock_now();
        int n = objects_seed(d->objects, d->names);

        if (n < 0)
                return n;
        log_debug("%d objects exist already; looked at them in %" PRIu64 " us", n,
                  (clock_now() - start) / 1000);
        return 0;
}

/* What somebody did before the look began is in the ring at least. */
static void on_looked(const struct scan *scan, void *userdata) {
        struct daemon *d = userdata;

        probe_set_drain(d->probes);
        statistics_sample(d->statistics, scan);
        if (d->agreement && !d->hold && probe_set_ready(d->probes))
                agreement_compare(d->agreement, scan);
}

static uint64_t all_lost(void *userdata) {
        const struct daemon *d = userdata;

        return d->events_lost - d->connections_lost + d->records_lost + d->bad_records;
}

static void on_hidden(enum hiding how, enum object_kind kind, uint32_t id, void *userdata) {
        struct daemon *d = userdata;

        event_reset(d->event);
        event_set_u64(d->event, FIELD_TIME, clock_usec(CLOCK_REALTIME));
        agreement_describe(d->event, how, kind, id, d->objects);
        pipeline_tell(d);
}

static int setup_inventory(struct daemon *d) {
        struct inventory_context context = {
                .queries = d->queries,
                .limits = &d->limits,
                .sources =
                        {
                                .objects = d->objects,
                                .names = d->names,
                                .boottime = &d->boottime,
                        },
        };
        struct agreement_context agreement = {
                .objects = d->objects,
                .probes = d->probes,
                .strict = d->strict,
                .lost = all_lost,
                .hidden = on_hidden,
                .userdata = d,
        };
        int k = statistics_new(&d->statistics);

        d->boottime = (struct clock_offset){.clock = CLOCK_BOOTTIME, .slack = 1000000};
        if (k >= 0)
                k = statistics_users_new(&d->statistics_users, d->bus, d->statistics);
        if (k >= 0)
                k = inventory_new(&d->inventory, d->loop, d->names, on_looked, d);
        context.inventory = d->inventory;
        context.sources.statistics = d->statistics;
        if (k >= 0)
                k = inventory_calls_new(&d->inventory_calls, &context);
        agreement.inventory = d->inventory;
        return k < 0 ? k : agreement_new(&d->agreement, d->loop, &agreement);
}

static int setup_alerts(struct daemon *d) {
        int k = alerts_new(&d->alerts, d->loop, d->history, &pipeline_alerts_handlers, d);

        if (k < 0) {
                log_error("Cannot judge events: %s", strerror(-k));
                return k;
        }
        read_rules(d);
        alerts_take_seen(d->alerts);
        return 0;
}

/* Everything is attached: from here on nothing is missed. */
static int become_ready(struct daemon *d) {
        int k;

        objects_set_self(d->objects, probe_set_self(d->probes));
        k = seed(d);
        if (k < 0) {
                log_error("Cannot remember what exists: %s", strerror(-k));
                return k;
        }
        callers_begin(d->callers, probe_set_callers_fd(d->probes));
        connections_begin(d->connections, probe_set_connections(d->probes));
        k = daemon_history_begin(d);
        if (k >= 0)
                k = pipeline_begin(d);
        if (k < 0) {
                log_error("Cannot start: %s", strerror(-k));
                return k;
        }
        sd_notify(false, "READY=1");
        (void) sd_event_set_watchdog(d->loop, true);
        log_message(LOG_INFO, MESSAGE_STARTED, LOG_FIELDS({"BPFMON_VERSION", BPFMON_VERSION}),
                    "Watching bpf() calls%s",
                    probe_set_degraded(d->probes) ? ", but not all: see bpfmonctl probes" : "");
        if (d->early)
                early_release(d->early);
        return 0;
}

static void on_ready(int result, void *userdata) {
        struct daemon *d = userdata;
        int k = result < 0 ? result : become_ready(d);

        if (k >= 0)
                return;
        d->failed = k;
        (void) sd_event_exit(d->loop, EXIT_FAILURE);
}

static int setup_connections(struct daemon *d) {
        const struct connections_handlers handlers = pipeline_connections_handlers(d);
        int k = connections_new(&d->connections, d->loop, d->processes, &d->readers,
                                &d->configuration.now.services, d->event, &handlers);

        return k < 0 ? k : connection_lists_new(&d->connection_lists, d->connections, &d->limits);
}

static int setup_stages(struct daemon *d, const struct probe_options *options) {
        const struct probe_handlers handlers = pipeline_probe_handlers(on_ready);
        char version[KERNEL_VERSION_MAX];
        int k;

        take_limits(d);
        d->event = malloc(sizeof(*d->event));
        if (!d->event)
                return -ENOMEM;
        event_reset(d->event);
        d->strict = options->observe != OBSERVE_ALL;
        kernel_side_version(version, options, probe_have_kprobes(options));
        k = handover_new(&d->handover, version);
        if (k < 0) {
                log_error("Cannot take over from the last bpfmond: %s", strerror(-k));
                return k;
        }
        /* A takeover leaves the loop no turn: there TimeoutStartSec= counts alone. */
        if (!handover_adopts(d->handover))
                (void) sd_event_set_watchdog(d->loop, true);
        d->since = handover_since(d->handover, clock_usec(CLOCK_REALTIME));
        d->events_lost = handover_lost(d->handover);

        k = names_new_kernel(&d->names);
        if (k >= 0)
                k = processes_new(&d->processes);
        if (k >= 0)
                k = decoder_new(&d->decoder, d->names, d->processes);
        if (k >= 0)
                k = objects_new(&d->objects);
        if (k < 0) {
                log_error("Cannot start: %s", strerror(-k));
                return k;
        }
        k = daemon_history_setup(d);
        if (k < 0)
                return k;
        k = setup_alerts(d);
        if (k < 0)
                return k;
        handover_begin_after(d->handover, d->stored);
        d->events_seen = handover_seq(d->handover);
        k = probe_set_new(&d->probes, d->loop, options, d->handover, &handlers, d);
        if (k < 0) {
                log_error("Cannot start: %s", strerror(-k));
                return k;
        }
        k = authority_new(&d->authority, d->bus, &d->limits);
        if (k < 0) {
                log_error("Cannot ask polkit: %s", strerror(-k));
                return k;
        }
        d->readers = (struct readers){.grants = authority_grants(d->authority),
                                      .changed = pipeline_readers_changed,
                                      .userdata = d};
        k = setup_connections(d);
        if (k >= 0)
                k = callers_new(&d->callers, d->processes, d->names);
        if (k >= 0)
                k = subscription_table_new(&d->subscriptions, d->bus, &d->readers, &d->limits);
        if (k >= 0)
                k = setup_inventory(d);
        if (k >= 0)
                k = stream_table_new(&d->streams, d->loop, &d->readers, &d->limits);
        if (k < 0)
                log_error("Cannot start: %s", strerror(-k));
        return k;
}

static int setup_bus(struct daemon *d) {
        struct manager_context context = {
                .probes = d->probes,
                .callers = d->callers,
                .connections = d->connections,
                .connection_lists = d->connection_lists,
                .counts = &d->counts,
                .subscriptions = d->subscriptions,
                .streams = d->streams,
                .authority = d->authority,
                .alerts = d->alerts,
                .history = d->history,
                .queries = d->queries,
                .inventory = d->inventory_calls,
                .objects = d->objects,
                .statistics = d->statistics_users,
                .limits = &d->limits,
                .events_seen = &d->events_seen,
                .events_resumed = handover_resumed(d->handover),
                .events_lost = &d->events_lost,
                .bad_records = &d->bad_records,
                .services = &d->configuration.now.services,
                .since = d->since,
                .reload = reload,
                .userdata = d,
        };
        int k = manager_new(&d->manager, d->bus, &context);

        if (k >= 0)
                k = log_control_new(&d->log_control, d->bus);
        if (k >= 0)
                k = sd_bus_match_signal_async(d->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                              "org.freedesktop.DBus.Local", "Disconnected",
                                              on_disconnected, NULL, d);
        if (k >= 0)
                k = sd_bus_attach_event(d->bus, d->loop, SD_EVENT_PRIORITY_NORMAL);
        if (k >= 0)
                k = bus_turn_new(&d->bus_turn, d->loop, d->bus);
        return k < 0 ? k : 0;
}

static void daemon_done(struct daemon *d) {
        d->readers.changed = NULL; /* what they want does not matter any more */
        connection_lists_free(d->connection_lists);
        connections_free(d->connections);
        sd_event_source_disable_unref(d->hold);
        early_free(d->early);
        probe_set_free(d->probes);
        manager_free(d->manager);
        inventory_calls_free(d->inventory_calls);
        agreement_free(d->agreement);
        sd_event_source_disable_unref(d->origins_timeout);
        origins_free(d->origins);
        absence_free(d->absence);
        inventory_free(d->inventory);
        statistics_users_free(d->statistics_users);
        statistics_free(d->statistics);
        queries_free(d->queries);
        sd_event_source_disable_unref(d->minute);
        usage_free(d->usage);
        sd_event_source_disable_unref(d->history_source);
        daemon_history_end(d);
        alerts_free(d->alerts);
        history_free(d->history);
        sd_bus_slot_unref(d->log_control);
        subscription_table_free(d->subscriptions);
        stream_table_free(d->streams);
        authority_free(d->authority);
        callers_free(d->callers);
        objects_free(d->objects);
        decoder_free(d->decoder);
        processes_free(d->processes);
        names_free(d->names);
        handover_free(d->handover);
        sd_event_source_disable_unref(d->bus_turn);
        if (d->bus)
                sd_bus_detach_event(d->bus);
        sd_bus_close_unref(d->bus); /* no flush: a bus that does not read must not hold us up */
        sd_event_unref(d->loop);
        free(d->event);
}

/* What is taken over is there at once. Otherwise the bus is served while all is loaded. */
static int start(struct daemon *d) {
        int k = probe_set_start(d->probes);

        if (k > 0)
                return become_ready(d);
        if (k < 0)
                return k;
        daemon_tell_status(d);
        k = early_new(&d->early, d->bus, d->authority, d->loop);
        if (k < 0)
                log_error("Cannot start: %s", strerror(-k));
        return k;
}

static int run(struct daemon *d, const struct daemon_options *options) {
        struct probe_options probes = options->probes;
        int k;

        configuration_init(&d->configuration, &options->overrides);
        probes.ring_size = d->configuration.now.ring_size;
        probes.no_kprobes = !d->configuration.now.kprobes;
        k = setup_loop(d);
        if (k < 0) {
                log_error("Cannot set up the event loop: %s", strerror(-k));
                return k;
        }
        k = connect_bus(d);
        if (k < 0)
                return k;
        k = setup_stages(d, &probes);
        if (k < 0)
                return k; /* said already */
        k = setup_bus(d);
        if (k < 0) {
                log_error("Cannot offer the interface: %s", strerror(-k));
                return k;
        }
        k = start(d);
        if (k < 0)
                return k; /* said already */
        (void) sd_bus_set_method_call_timeout(d->bus, BUS_TIMEOUT_USEC);
        k = sd_event_loop(d->loop);
        if (d->failed < 0)
                return d->failed;
        if (probe_set_ready(d->probes)) /* otherwise nothing came */
                pipeline_stop(d);
        daemon_history_keep_usage(d);
        sd_notify(false, "STOPPING=1\nSTATUS=Detaching");
        return k;
}

int daemon_run(const struct daemon_options *options) {
        struct daemon d = {};
        int k = run(&d, options);

        daemon_done(&d);
        log_flush();
        if (k < 0)
                return k;
        return k == EXIT_SUCCESS ? 0 : -EIO;
}
