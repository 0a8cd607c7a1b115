/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "absence.h"
#include "agreement.h"
#include "alerts.h"
#include "authority.h"
#include "callers.h"
#include "clock.h"
#include "config.h"
#include "connection-list.h"
#include "connections.h"
#include "counts.h"
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
#include "limit.h"
#include "log-control.h"
#include "log.h"
#include "manager.h"
#include "message-ids.h"
#include "names.h"
#include "objects.h"
#include "probe.h"
#include "process.h"
#include "reader.h"
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
        /* How often the numbers of calls go into the history; an idle machine is not woken for it
         * alone. */
        USAGE_USEC = 60000000,
        USAGE_ACCURACY_USEC = 10000000,
        /* Readers come back as soon as the bus tells them of us, within milliseconds; who takes
         * longer is not waiting for us. The ring is mostly not full by then: at half it is enough.
         */
        HOLD_USEC = 2000000,
        END_USEC = 2000000, /* that the end waits for the history to be written */
        /* Who asks what is in the kernel waits so long for what the history knows of it. */
        ORIGINS_USEC = 5000000,
};

struct daemon {
        sd_event *loop;
        sd_bus *bus;
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
        uint64_t bad_records;
        uint64_t records_lost; /* that are no events */
        int failed;            /* why it ends, if it was not told to */
};

static void tell_status(const struct daemon *d) {
        size_t n = subscription_table_count(d->subscriptions);

        if (!probe_set_ready(d->probes)) {
                sd_notify(false, "STATUS=Attaching the probes");
                return;
        }
        sd_notifyf(false, "STATUS=Watching bpf() calls%s; %zu subscription%s",
                   probe_set_degraded(d->probes) ? " (not everything: see bpfmonctl probes)" : "",
                   n, n == 1 ? "" : "s");
}

/* Hands the event out, unless it was none when its record was read for the first time. */
static void tell(struct daemon *d) {
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
        tell(d);
        if (objects_tamper(d->objects, d->event, record_touches_own(data))) {
                alerts_forget(d->event);
                tell(d);
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
        d->events_lost += loss->count;
        decoder_partial(d->decoder, d->event, loss->slot);
        event_set_static(d->event, FIELD_LOST_WHERE, loss->where);
        readers_lost(&d->readers, d->event, loss->count);
        if (d->history)
                history_lost(d->history, loss->where, loss->count);
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
               !readers_hold(&d->readers);
}

static void on_idle(void *userdata) {
        struct daemon *d = userdata;

        readers_flush(&d->readers);
        d->events_seen = handover_seq(d->handover);
        if (all_handed_out(d) || probe_set_presses(d->probes))
                probe_set_commit(d->probes);
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

static void want(struct daemon *d) {
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
        want(userdata);
}

static void on_connection(_unused_ struct event *e, void *userdata) {
        tell(userdata); /* made in our own event */
}

static void on_connections_lost(uint64_t count, void *userdata) {
        const struct probe_loss loss = {LOSS_CONNECTIONS, "connections", count};

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

/* Nobody knows how many events are missing, or whose. */
static void tell_gap(struct daemon *d, const char *where, const char *message) {
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
                tell_gap(d, "restart",
                         "bpfmond was restarted; what happened meanwhile was not seen");
        probe_set_hold(d->probes, false);
        want(d);
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

static void on_readers_changed(void *userdata) {
        struct daemon *d = userdata;
        size_t there_were = handover_readers(d->handover);

        if (!d->hold)
                handover_set_readers(d->handover, d->readers.n);
        want(d);
        tell_status(d);
        if (d->hold && there_were > 0 && d->readers.n >= there_were)
                end_hold(d);
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
        want(d);
        log_message(LOG_INFO, MESSAGE_RELOADED, NULL, "Read the configuration again");
        tell_status(d);
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

static void keep_usage_row(const struct event *e, void *userdata) {
        struct daemon *d = userdata;

        history_offer(d->history, e);
}

/* Element operations and queries are not kept one by one. */
static void keep_usage(struct daemon *d) {
        int k = d->usage ? usage_list(d->usage, clock_usec(CLOCK_REALTIME), keep_usage_row, d) : 0;

        if (k < 0)
                log_warning("Cannot keep how often bpf() was called: %s", strerror(-k));
}

static int on_minute(sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        int k;

        keep_usage(userdata);
        k = sd_event_source_set_time_relative(s, USAGE_USEC);
        return k < 0 ? k : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_history(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t events,
                      void *userdata) {
        struct daemon *d = userdata;

        history_report(d->history);
        alerts_take_seen(d->alerts);
        return 0;
}

/* The history is in the state directory that systemd gives (StateDirectory=); without one there is
 * none. Event numbers go on where it ends. */
static int setup_history(struct daemon *d) {
        const char *directory = getenv("STATE_DIRECTORY");
        char path[PATH_MAX];
        const struct history_options options = {
                .path = path,
                .max_size = d->configuration.now.history_size,
                .max_age = d->configuration.now.history_age,
        };
        int k;

        if (!directory)
                return 0;
        snprintf(path, sizeof(path), "%.*s/history.db", (int) strcspn(directory, ":"), directory);
        k = history_new(&d->history, &options);
        if (k >= 0)
                k = queries_new(&d->queries, d->history, d->loop, &query_limits_default);
        if (k >= 0)
                k = sd_event_add_io(d->loop, &d->history_source, history_fd(d->history), EPOLLIN,
                                    on_history, d);
        if (k < 0)
                log_error("Cannot start the history: %s", strerror(-k));
        else
                d->stored = history_last_seq(d->history);
        return k;
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

        return d->events_lost + d->records_lost + d->bad_records;
}

static void on_hidden(enum hiding how, enum object_kind kind, uint32_t id, void *userdata) {
        struct daemon *d = userdata;

        event_reset(d->event);
        event_set_u64(d->event, FIELD_TIME, clock_usec(CLOCK_REALTIME));
        agreement_describe(d->event, how, kind, id, d->objects);
        tell(d);
}

static void end_origins(struct daemon *d) {
        d->origins = origins_free(d->origins);
        d->origins_timeout = sd_event_source_disable_unref(d->origins_timeout);
        inventory_hold(d->inventory, false);
}

static void on_origins(void *userdata) {
        end_origins(userdata);
}

static int on_origins_timeout(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct daemon *d = userdata;

        /* It goes on, but nobody waits for it any more. */
        inventory_hold(d->inventory, false);
        return 0;
}

/* Who asks for what is there before it is known who brought it waits a little. */
static int begin_origins(struct daemon *d) {
        int k = origins_new(&d->origins, d->queries, d->objects, on_origins, d);

        if (k <= 0) {
                d->origins = origins_free(d->origins);
                return k;
        }
        inventory_hold(d->inventory, true);
        return sd_event_add_time_relative(d->loop, &d->origins_timeout, CLOCK_MONOTONIC,
                                          ORIGINS_USEC, 0, on_origins_timeout, d);
}

static void on_absent(void *userdata) {
        tell(userdata);
}

static void on_absences(void *userdata) {
        struct daemon *d = userdata;

        d->absence = absence_free(d->absence);
}

/* Where the kernel side was not taken over, what went meanwhile has gone unseen. */
static int begin_absence(struct daemon *d) {
        const struct absence_context context = {
                .queries = d->queries,
                .objects = d->objects,
                .kinds = agreement_goings(d->probes),
                .from = d->history ? history_last_time(d->history) : 0,
                .until = clock_usec(CLOCK_REALTIME),
                .event = d->event,
                .gone = on_absent,
                .done = on_absences,
                .userdata = d,
        };

        if (!d->queries || handover_adopts(d->handover))
                return 0;
        return absence_new(&d->absence, &context);
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
        static const struct alerts_handlers handlers = {on_alert};
        int k = alerts_new(&d->alerts, d->loop, d->history, &handlers, d);

        if (k < 0) {
                log_error("Cannot judge events: %s", strerror(-k));
                return k;
        }
        read_rules(d);
        alerts_take_seen(d->alerts);
        return 0;
}

static void skip_usage_row(_unused_ const struct event *e, _unused_ void *userdata) {
}

static int setup_usage(struct daemon *d) {
        int k;

        if (!d->history)
                return 0;
        k = usage_new(&d->usage, d->callers);
        /* What the kernel side has counted up to now, the daemon before us has kept. */
        if (k >= 0 && handover_adopts(d->handover))
                k = usage_list(d->usage, clock_usec(CLOCK_REALTIME), skip_usage_row, d);
        return k < 0 ? k
                     : sd_event_add_time_relative(d->loop, &d->minute, CLOCK_MONOTONIC, USAGE_USEC,
                                                  USAGE_ACCURACY_USEC, on_minute, d);
}

/* Those who subscribed while it started are told that they have not seen what happened then. */
static void tell_beginning(struct daemon *d) {
        if (!d->hold && d->readers.n > 0)
                tell_gap(d, "start",
                         "bpfmond was starting; what happened before its probes were attached was "
                         "not seen");
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
        k = setup_usage(d);
        if (k >= 0)
                k = begin_origins(d);
        if (k >= 0)
                k = begin_absence(d);
        if (k >= 0)
                k = begin_hold(d);
        if (k < 0) {
                log_error("Cannot start: %s", strerror(-k));
                return k;
        }
        tell_beginning(d);
        on_readers_changed(d);
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
        const struct connections_handlers handlers = {on_connection, on_connections_lost,
                                                      on_connections_changed, d};

        int k = connections_new(&d->connections, d->loop, d->processes, &d->readers,
                                &d->configuration.now.services, d->event, &handlers);

        return k < 0 ? k : connection_lists_new(&d->connection_lists, d->connections, &d->limits);
}

static int setup_stages(struct daemon *d, const struct probe_options *options) {
        static const struct probe_handlers handlers = {on_record, on_loss,    on_left,  on_idle,
                                                       on_own,    on_pressed, on_ready, on_lost};
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
        k = setup_history(d);
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
                                      .changed = on_readers_changed,
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
        return k < 0 ? k : 0;
}

/* A file of the history that was begun anew lately gets what was seen before that, too. */
static void end_seen(struct daemon *d) {
        if (!d->history || !d->alerts)
                return;
        history_wait(d->history, history_mark(d->history), END_USEC);
        alerts_take_seen(d->alerts);
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
        end_seen(d);
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
        tell_status(d);
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
        probe_set_drain(d->probes);
        keep_usage(d);
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
