/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl subscribe: live events until Ctrl-C, across restarts of the daemon. They come as
 * signals, or with --stream as lines of JSON through a pipe. */

#include <inttypes.h>
#include <json.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-event.h>

#include "agent.h"
#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "ending.h"
#include "errors.h"
#include "services.h"
#include "subscribe.h"

enum { PATIENCE_USEC = 30000000 };

/* Ends the loop with an exit status, which also flushes and closes the connection. The subscription
 * ends with it; Close() is politeness. Commands that still run are waited for. */
int subscribe_finish(struct subscribe *s, int status) {
        int r;

        if (s->owner && s->path && !s->ending)
                sd_bus_call_method_async(s->bus, NULL, s->owner, s->path,
                                         BPFMON_SUBSCRIPTION_INTERFACE, "Close", NULL, NULL, NULL);
        if (s->runner && runner_busy(s->runner) && !s->ending) {
                s->ending = true;
                s->status = status;
                return 1;
        }

        if (s->finished) /* with the status of what came first */
                return 1;
        s->finished = true;
        r = sd_event_exit(s->loop, s->ending ? s->status : status);
        return r < 0 ? r : 1;
}

/* The signal Events(t first_seq, t lost, aa{sv} events). */
static int read_events(struct subscribe *s, sd_bus_message *m) {
        const struct field_set *only = s->all_fields ? NULL : &s->wanted;
        uint64_t first, lost;

        int r = sd_bus_message_read(m, "tt", &first, &lost);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "a{sv}");
        if (r < 0)
                return r;

        if (lost > 0)
                subscribe_show_lost(s, lost, NULL);
        while (s->events < s->options->lines) {
                _cleanup_json_ struct json_object *event = NULL;

                r = bus_json_read_row(m, only, &event);
                if (r <= 0)
                        return r;
                subscribe_show(s, event);
        }

        return 0;
}

static int on_events(struct subscribe *s, sd_bus_message *m) {
        s->format.columns = s->options->full ? 0 : output_columns();

        int r = read_events(s, m);
        if (r < 0) {
                complain("bpfmond sent events in a form unknown here (%s); install one version "
                         "of both, and restart it: systemctl restart bpfmond",
                         strerror(-r));
                return subscribe_finish(s, EXIT_FAILURE);
        }

        r = subscribe_flush(s);
        if (r == 0 && s->events >= s->options->lines)
                r = subscribe_finish(s, EXIT_SUCCESS);
        return r < 0 ? r : 1;
}

static int take_path(struct subscribe *s, sd_bus_message *reply) {
        const char *path;

        int r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;

        free(s->path);
        s->path = strdup(path);
        return s->path ? 0 : -ENOMEM;
}

static int subscribe(struct subscribe *s);

/* Subscribes once more, with somebody there who asks for a password. */
static int ask_password(struct subscribe *s) {
        s->agent = agent_start();
        s->interactive = true;

        int r = subscribe(s);
        return r < 0 ? subscribe_finish(s, bus_complain(NULL, r)) : 1;
}

static void stop_asking(struct subscribe *s) {
        agent_stop(s->agent);
        s->agent = 0;
        s->interactive = false;
}

static int on_subscribed(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct subscribe *s = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        s->call = sd_bus_slot_unref(s->call);
        if (error && s->back && bus_error_no_daemon(error))
                return 1; /* gone again: the bus tells when it is back */
        if (error && !s->interactive && bus_error_wants_password(error, s->options))
                return ask_password(s);
        stop_asking(s);
        if (error)
                return subscribe_finish(s, bus_complain(error, 0));

        int r = s->options->stream ? subscribe_take_stream(s, reply) : take_path(s, reply);
        if (r < 0)
                return subscribe_finish(s, bus_complain(NULL, r));
        if (s->back)
                remark(s->goes_on ? "bpfmond is back, and goes on where it was"
                                  : "bpfmond is back; what happened meanwhile was not seen");
        return 1;
}

static int read_numbering(sd_bus_message *m, uint64_t *ret_since, uint64_t *ret_seen,
                          uint64_t *ret_resumed) {
        const struct {
                const char *name;
                uint64_t *place;
        } properties[] = {
                {"Since", ret_since}, {"EventsSeen", ret_seen}, {"EventsResumed", ret_resumed}};
        const char *name;

        int r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                uint64_t *place = NULL;
                for (size_t i = 0; r >= 0 && i < ELEMENTSOF(properties); i++)
                        if (strcmp(properties[i].name, name) == 0)
                                place = properties[i].place;
                if (r >= 0)
                        r = place ? sd_bus_message_read(m, "v", "t", place)
                                  : sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

/* Comes before any event does. A daemon that has taken over waits for those who were there; if it
 * has gone on without us, what it has sent since may be missing here. */
static int on_numbering(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct subscribe *s = userdata;
        uint64_t since = 0, seen_now = 0, resumed = 0;

        s->numbering = sd_bus_slot_unref(s->numbering);
        if (sd_bus_message_is_method_error(reply, NULL) ||
            read_numbering(reply, &since, &seen_now, &resumed) < 0)
                since = 0;
        s->goes_on = since != 0 && since == s->since;
        s->since = since;
        if (!s->goes_on)
                s->last = 0;
        else if (s->back && seen_now > resumed && seen_now > s->last) {
                subscribe_show_lost(s, seen_now - (resumed > s->last ? resumed : s->last),
                                    "restart");
                s->last = seen_now;
                return subscribe_flush(s);
        }
        return 1;
}

static int ask_numbering(struct subscribe *s) {
        s->numbering = sd_bus_slot_unref(s->numbering);
        return sd_bus_call_method_async(s->bus, &s->numbering, s->owner, BPFMON_OBJECT_PATH,
                                        "org.freedesktop.DBus.Properties", "GetAll", on_numbering,
                                        s, "s", BPFMON_MANAGER_INTERFACE);
}

/* Asks the daemon that is on the bus now. */
static int subscribe(struct subscribe *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        s->call = sd_bus_slot_unref(s->call);
        int r = ask_numbering(s);
        if (r >= 0)
                r = sd_bus_message_new_method_call(s->bus, &m, s->owner, BPFMON_OBJECT_PATH,
                                                   BPFMON_MANAGER_INTERFACE,
                                                   s->options->stream ? "OpenStream" : "Subscribe");
        if (r >= 0)
                r = bus_append_matches(m, s->matches, s->n_matches,
                                       s->all_fields ? NULL : &s->wanted, s->options->scope,
                                       s->options->every);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, s->interactive);
        if (r >= 0)
                r = sd_bus_call_async(s->bus, &s->call, m, on_subscribed, s,
                                      s->interactive ? BUS_PASSWORD_USEC : 0);

        return r;
}

static int on_impatient(sd_event_source *source, uint64_t usec, void *userdata) {
        complain("bpfmond did not come back within %d s; see systemctl status bpfmond",
                 PATIENCE_USEC / 1000000);
        return subscribe_finish(userdata, EXIT_FAILURE);
}

static int wait_for_daemon(struct subscribe *s) {
        s->patience = sd_event_source_disable_unref(s->patience);
        return sd_event_add_time_relative(s->loop, &s->patience, CLOCK_MONOTONIC, PATIENCE_USEC, 0,
                                          on_impatient, s);
}

/* The daemon's name has a new owner, or none. */
static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct subscribe *s = userdata;
        const char *name, *before, *after;

        int r = sd_bus_message_read(m, "sss", &name, &before, &after);
        if (r < 0 || (s->owner && strcmp(s->owner, after) == 0))
                return r;

        if (s->owner) {
                remark("bpfmond went away; waiting for it");
                r = subscribe_drain_stream(s);
                if (r >= 0)
                        r = subscribe_flush(s);
                if (r < 0)
                        return subscribe_finish(s, bus_complain(NULL, r));
                if (s->events >= s->options->lines)
                        return subscribe_finish(s, EXIT_SUCCESS);
        }
        s->back = true;
        free(s->owner);
        free(s->path);
        s->owner = s->path = NULL;
        s->call = sd_bus_slot_unref(s->call);
        s->numbering = sd_bus_slot_unref(s->numbering);
        if (!after[0]) {
                r = wait_for_daemon(s);
                return r < 0 ? subscribe_finish(s, bus_complain(NULL, r)) : 0;
        }

        s->patience = sd_event_source_disable_unref(s->patience);
        s->owner = strdup(after);
        r = s->owner ? subscribe(s) : -ENOMEM;
        return r < 0 ? subscribe_finish(s, bus_complain(NULL, r)) : 0;
}

/* The daemon has ended the subscription. */
static int on_closed(struct subscribe *s, sd_bus_message *m) {
        const char *reason;

        int r = sd_bus_message_read(m, "s", &reason);
        if (r < 0)
                return subscribe_finish(s, bus_complain(NULL, r));
        complain("not authorized any more: %s", reason);
        return subscribe_finish(s, EXIT_NOT_AUTHORIZED);
}

/* Sees every message. Events may come before the answer to Subscribe() does; they are the daemon's
 * if it is the sender. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct subscribe *s = userdata;

        if (bus_message_disconnected(m)) {
                complain("the system bus went away");
                return subscribe_finish(s, EXIT_FAILURE);
        }
        bool closed = sd_bus_message_is_signal(m, BPFMON_SUBSCRIPTION_INTERFACE, "Closed") > 0;
        if (!closed && sd_bus_message_is_signal(m, BPFMON_SUBSCRIPTION_INTERFACE, "Events") <= 0)
                return 0;

        const char *sender = sd_bus_message_get_sender(m);
        if (!s->owner || !sender || strcmp(sender, s->owner) != 0)
                return 1;
        if (closed)
                return on_closed(s, m);
        return s->events < s->options->lines && !s->ending ? on_events(s, m) : 1;
}

/* What waits gets no command any more; those that run go on to their end. */
static void tell_commands(struct subscribe *s) {
        runner_stop(s->runner);

        const struct runner_counts c = runner_counts(s->runner);
        fprintf(stderr, "%" PRIu64 " command%s, %" PRIu64 " failed; %" PRIu64 " events without\n",
                c.run, c.run == 1 ? "" : "s", c.failed, c.skipped);
        if (c.own > 0)
                fprintf(stderr, "%" PRIu64 " event%s of the commands themselves left out\n", c.own,
                        c.own == 1 ? "" : "s");
}

/* Ctrl-C, or kill: says goodbye and what was counted. */
static int on_signal(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct subscribe *s = userdata;
        char counted[80];

        snprintf(counted, sizeof(counted), "%" PRIu64 " event%s, %" PRIu64 " lost", s->events,
                 s->events == 1 ? "" : "s", s->lost);
        ending_tell(s->started, counted);
        if (s->runner && !s->ending)
                tell_commands(s);

        struct signalfd_siginfo info; /* a second one does not wait for commands */
        (void) !read(fd, &info, sizeof(info));
        return subscribe_finish(s, EXIT_SUCCESS);
}

/* Nobody reads any more, and perhaps no event comes to find that out. */
static int on_hangup(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        return subscribe_finish(userdata, EXIT_SUCCESS);
}

static int watch_signals(struct subscribe *s) {
        _cleanup_(sd_event_source_unrefp) sd_event_source *source = NULL;
        sigset_t mask, child;

        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD); /* the loop's own */
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0 || sigprocmask(SIG_BLOCK, &child, NULL) < 0)
                return -errno;
        s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (s->signal_fd < 0)
                return -errno;
        s->output.interrupt_fd = s->signal_fd;

        int r = sd_event_add_io(s->loop, &source, s->signal_fd, EPOLLIN, on_signal, s);
        if (r >= 0)
                r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0)
                r = sd_event_source_set_floating(source, true);
        return r;
}

static int watch_output(struct subscribe *s) {
        int r = sd_event_add_io(s->loop, NULL, s->output.fd, EPOLLERR | EPOLLHUP, on_hangup, s);

        return r == -EPERM ? 0 : r; /* a file */
}

/* The watches come before the first question, so that no change is missed in between. */
static int set_up(struct subscribe *s) {
        int r = sd_event_new(&s->loop);

        if (r >= 0)
                r = sd_bus_add_filter(s->bus, NULL, on_message, s);
        if (r >= 0)
                r = sd_bus_add_match(s->bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" BPFMON_BUS_NAME "'",
                                     on_owner_changed, s);
        return r;
}

static void choose_fields(struct subscribe *s) {
        /* What this file itself looks at. */
        static const enum field always[] = {FIELD_EVENT,       FIELD_SEQ,
                                            FIELD_LOST_COUNT,  FIELD_LOST_WHERE,
                                            FIELD_PROCESS_PID, FIELD_PROCESS_PPID};
        const struct options *o = s->options;

        s->all_fields = (o->json != JSON_OFF || o->exec) && o->n_fields == 0;
        for (size_t i = 0; i < ELEMENTSOF(always); i++)
                field_set_add(&s->wanted, always[i]);
        for (size_t i = 0; i < o->n_fields; i++)
                field_set_add(&s->wanted, o->fields[i]);
        if (o->n_fields == 0)
                line_fields(&s->wanted);
        columns_init(&s->columns, o->fields, o->n_fields);
}

static int run(struct subscribe *s) {
        const struct options *o = s->options;

        choose_fields(s);
        s->format = (struct line_format){o->full ? 0 : output_columns(), o->colour};

        int r = set_up(s);
        if (r < 0)
                return bus_complain(NULL, r);
        int status = o->exec ? subscribe_make_runner(s) : EXIT_SUCCESS;
        if (status == EXIT_SUCCESS)
                status = bus_find_daemon(s->bus, &s->owner);
        if (status != EXIT_SUCCESS)
                return status;

        r = sd_bus_attach_event(s->bus, s->loop, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = watch_signals(s);
        if (r >= 0)
                r = watch_output(s);
        if (r >= 0)
                r = subscribe(s);
        if (r < 0)
                return bus_complain(NULL, r);

        if (o->json == JSON_OFF && !o->exec && o->n_fields > 0 && o->legend) {
                columns_add_legend(&s->output.text, &s->columns, &s->format);
                output_flush(&s->output);
        }
        s->started = clock_now();
        r = sd_event_loop(s->loop);
        return r < 0 ? bus_complain(NULL, r) : r;
}

int verb_subscribe(char **arguments, size_t n, const struct options *options) {
        struct subscribe s = {
                .options = options,
                .matches = arguments,
                .n_matches = n,
                .signal_fd = -1,
                .stream_fd = -1,
                .output = OUTPUT_INIT,
        };

        int status = bus_check_matches(arguments, n);
        if (status == EXIT_SUCCESS)
                status = bus_connect(&s.bus, options);
        if (status == EXIT_SUCCESS)
                status = services_check(s.bus, arguments, n, options);
        if (status == EXIT_SUCCESS && options->lines > 0)
                status = run(&s);

        stop_asking(&s);
        sd_bus_slot_unref(s.call);
        sd_bus_slot_unref(s.numbering);
        sd_event_source_disable_unref(s.patience);
        subscribe_close_stream(&s);
        if (s.tokener)
                json_tokener_free(s.tokener);
        if (s.bus)
                sd_bus_detach_event(s.bus);
        sd_bus_flush_close_unref(s.bus);
        runner_free(s.runner);
        sd_event_unref(s.loop);
        if (s.signal_fd >= 0)
                close(s.signal_fd);
        text_clear(&s.output.text);
        free(s.owner);
        free(s.path);
        return status;
}
