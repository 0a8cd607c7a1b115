/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl subscribe: live events until Ctrl-C, across restarts of the daemon. They come as
 * signals, or with --stream as lines of JSON through a pipe. */

#include <fcntl.h>
#include <inttypes.h>
#include <json.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "agent.h"
#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "columns.h"
#include "errors.h"
#include "line.h"
#include "lines.h"
#include "output.h"
#include "runner.h"
#include "value.h"

struct subscribe {
        const struct options *options;
        char **matches;
        size_t n_matches;
        sd_bus *bus;
        sd_event *loop;
        int signal_fd;
        sd_bus_slot *call; /* Subscribe() or OpenStream(), while it is on its way */
        bool interactive;  /* it may ask for a password, */
        pid_t agent;       /* and that asks on the terminal */
        char *owner;       /* the daemon's unique name; NULL while it is away */
        char *path;        /* of the subscription; NULL until the daemon has answered */
        int stream_fd;     /* -1: there is none */
        sd_event_source *stream;
        struct lines lines;
        struct json_tokener *tokener;
        bool back;              /* the daemon went away at least once */
        sd_bus_slot *numbering; /* the question for what follows */
        uint64_t since;         /* when it began, 0: not known; a daemon may take over another's */
        bool goes_on;           /* as it was before the daemon went away */
        uint64_t last;          /* number of the last event that came */
        sd_event_source *patience;
        struct field_set wanted;
        bool all_fields;
        struct columns columns;
        struct output output;
        struct line_format format;
        uint64_t events, lost;
        struct runner *runner; /* NULL: events are printed */
        bool finished;         /* the loop ends; */
        bool ending;           /* once its commands have ended, */
        int status;            /* with this */
        uint64_t skips_told;
        uint64_t started; /* CLOCK_MONOTONIC, ns */
};

enum { PATIENCE_USEC = 30000000 };

static uint64_t now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

/* Ends the loop with an exit status, which also flushes and closes the connection. The subscription
 * ends with it; Close() is politeness. Commands that still run are waited for. */
static int finish(struct subscribe *s, int status) {
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

/* The commands are behind for the first time, or have caught up and are behind again. */
static void tell_skips(struct subscribe *s) {
        const uint64_t skipped = runner_counts(s->runner).skipped;

        if (skipped > s->skips_told && s->skips_told == 0)
                remark("the commands do not keep up: some events get none");
        s->skips_told = skipped;
}

static void on_idle(void *userdata) {
        struct subscribe *s = userdata;

        s->skips_told = 0;
        if (s->ending)
                sd_event_exit(s->loop, s->status);
}

static void run_command(struct subscribe *s, struct json_object *event) {
        int r = runner_offer(s->runner, event);

        if (r < 0) {
                complain("cannot run \"%s\": %s", s->options->exec, strerror(-r));
                runner_stop(s->runner);
                finish(s, EXIT_FAILURE);
                return;
        }
        tell_skips(s);
}

/* What the signal itself tells as lost, as the event that it would be. */
static struct json_object *make_lost(uint64_t count, const char *where) {
        struct json_object *o = json_object_new_object();

        if (!o)
                return NULL;
        json_object_object_add(o, "event", json_object_new_string("lost"));
        json_object_object_add(o, "class", json_object_new_string("self"));
        json_object_object_add(o, "lost.count", json_object_new_uint64(count));
        if (where)
                json_object_object_add(o, "lost.where", json_object_new_string(where));
        return o;
}

/* As the options want it told. */
static void tell_lost(struct subscribe *s, struct json_object *lost) {
        if (!lost)
                s->output.text.failed = true;
        else if (s->runner)
                run_command(s, lost);
        else if (s->options->json != JSON_OFF)
                output_json(&s->output, lost, s->options);
        else
                line_add_lost(&s->output.text, row_number(lost, FIELD_LOST_COUNT),
                              row_string(lost, FIELD_LOST_WHERE), &s->format);
}

static void add_lost(struct subscribe *s, uint64_t count, const char *where) {
        _cleanup_json_ struct json_object *lost = make_lost(count, where);

        s->lost += count;
        tell_lost(s, lost);
}

/* Whether it came before: a daemon that takes over sends again what may not have reached us. What
 * has no number is always news. */
static bool seen(struct subscribe *s, uint64_t seq) {
        if (seq == 0)
                return false;
        if (seq <= s->last)
                return true;
        s->last = seq;
        return false;
}

static void add_event(struct subscribe *s, struct json_object *event) {
        const char *kind = row_string(event, FIELD_EVENT);

        if (seen(s, row_number(event, FIELD_SEQ)))
                return;
        if (kind && strcmp(kind, "lost") == 0) {
                s->lost += row_number(event, FIELD_LOST_COUNT);
                tell_lost(s, event);
                return;
        }

        s->events++;
        if (s->runner)
                run_command(s, event);
        else if (s->options->json != JSON_OFF)
                output_row(&s->output, event, s->options);
        else if (s->options->n_fields > 0)
                columns_add(&s->output.text, &s->columns, event, &s->format);
        else
                line_add(&s->output.text, event, &s->format);
}

static int flush(struct subscribe *s) {
        int r = output_flush(&s->output);

        if (r == 0 || r == -EINTR) /* the signal is handled next */
                return 0;
        if (r == -EPIPE) /* who reads this has seen enough */
                return finish(s, EXIT_SUCCESS);

        complain("cannot write the output: %s", strerror(-r));
        return finish(s, EXIT_FAILURE);
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
                add_lost(s, lost, NULL);
        while (s->events < s->options->lines) {
                _cleanup_json_ struct json_object *event = NULL;

                r = bus_json_read_row(m, only, &event);
                if (r <= 0)
                        return r;
                add_event(s, event);
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
                return finish(s, EXIT_FAILURE);
        }

        r = flush(s);
        if (r == 0 && s->events >= s->options->lines)
                r = finish(s, EXIT_SUCCESS);
        return r < 0 ? r : 1;
}

/* Ends what the stream was read with. */
static void close_stream(struct subscribe *s) {
        s->stream = sd_event_source_disable_unref(s->stream);
        if (s->stream_fd >= 0)
                close(s->stream_fd);
        s->stream_fd = -1;
        lines_clear(&s->lines);
}

/* The number of the event in a line. No text in it can look like this: its quotes are escaped. */
static uint64_t line_seq(const char *line) {
        const char *seq = strstr(line, "\"seq\":");

        return seq ? strtoull(seq + 6, NULL, 10) : 0;
}

/* A line of a stream is what --json=short prints. Only those that tell of losses are looked into.
 */
static int add_line(struct subscribe *s, const char *line, size_t length) {
        const struct options *o = s->options;
        _cleanup_json_ struct json_object *event = NULL;

        if (o->json == JSON_SHORT && o->n_fields == 0 && !strstr(line, "\"event\":\"lost\"")) {
                if (seen(s, line_seq(line)))
                        return 0;
                s->events++;
                text_add_bytes(&s->output.text, line, length);
                text_add_char(&s->output.text, '\n', 1);
                return 0;
        }

        json_tokener_reset(s->tokener);
        event = json_tokener_parse_ex(s->tokener, line, (int) length + 1);
        if (!json_object_is_type(event, json_type_object))
                return -EBADMSG;
        add_event(s, event);
        return 0;
}

static int add_lines(struct subscribe *s) {
        const char *line;
        size_t length;
        int r = 0;

        while (r == 0 && s->events < s->options->lines && (line = lines_next(&s->lines, &length)))
                r = add_line(s, line, length);
        return r;
}

/* Takes what a daemon that is gone had still written. A line that it did not complete comes again
 * from the next one. */
static int drain_stream(struct subscribe *s) {
        int r = 0;

        while (r >= 0 && s->stream_fd >= 0 && s->events < s->options->lines) {
                r = lines_read(&s->lines, s->stream_fd);
                if (r == -EAGAIN || r == 0)
                        break;
                if (r > 0)
                        r = add_lines(s);
        }
        close_stream(s);
        return r == -EAGAIN ? 0 : r;
}

/* The daemon answers, so it was not its own end that ended the stream. */
static int on_still_there(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct subscribe *s = userdata;

        s->call = sd_bus_slot_unref(s->call);
        if (sd_bus_message_is_method_error(reply, NULL))
                return 1; /* the bus tells what becomes of it */
        complain("not authorized any more: bpfmond ended the stream");
        return finish(s, EXIT_NOT_AUTHORIZED);
}

static int on_stream_end(struct subscribe *s) {
        close_stream(s);
        if (!s->owner || s->call) /* the end of a daemon that the bus has told of */
                return 0;

        int r = sd_bus_call_method_async(s->bus, &s->call, s->owner, "/",
                                         "org.freedesktop.DBus.Peer", "Ping", on_still_there, s,
                                         NULL);
        return r < 0 ? finish(s, bus_complain(NULL, r)) : 0;
}

static int on_lines(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct subscribe *s = userdata;

        if (s->events >= s->options->lines || s->ending)
                return 0;
        s->format.columns = s->options->full ? 0 : output_columns();

        int r = lines_read(&s->lines, fd);
        if (r == -EAGAIN)
                return 0;
        if (r == 0)
                return on_stream_end(s);
        if (r > 0)
                r = add_lines(s);
        if (r < 0) {
                complain("the stream cannot be read: %s", strerror(-r));
                return finish(s, EXIT_FAILURE);
        }

        r = flush(s);
        if (r == 0 && s->events >= s->options->lines)
                r = finish(s, EXIT_SUCCESS);
        return r < 0 ? r : 0;
}

static int take_stream(struct subscribe *s, sd_bus_message *reply) {
        int fd;

        int r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return r;

        close_stream(s);
        if (!s->tokener)
                s->tokener = json_tokener_new();
        if (!s->tokener)
                return -ENOMEM;
        s->stream_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message has the other */
        if (s->stream_fd < 0 || fcntl(s->stream_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return sd_event_add_io(s->loop, &s->stream, s->stream_fd, EPOLLIN, on_lines, s);
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
        return r < 0 ? finish(s, bus_complain(NULL, r)) : 1;
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
                return finish(s, bus_complain(error, 0));

        int r = s->options->stream ? take_stream(s, reply) : take_path(s, reply);
        if (r < 0)
                return finish(s, bus_complain(NULL, r));
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
                add_lost(s, seen_now - (resumed > s->last ? resumed : s->last), "restart");
                s->last = seen_now;
                return flush(s);
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
                                       s->all_fields ? NULL : &s->wanted, s->options->scope);
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
        return finish(userdata, EXIT_FAILURE);
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
                r = drain_stream(s);
                if (r >= 0)
                        r = flush(s);
                if (r < 0)
                        return finish(s, bus_complain(NULL, r));
                if (s->events >= s->options->lines)
                        return finish(s, EXIT_SUCCESS);
        }
        s->back = true;
        free(s->owner);
        free(s->path);
        s->owner = s->path = NULL;
        s->call = sd_bus_slot_unref(s->call);
        s->numbering = sd_bus_slot_unref(s->numbering);
        if (!after[0]) {
                r = wait_for_daemon(s);
                return r < 0 ? finish(s, bus_complain(NULL, r)) : 0;
        }

        s->patience = sd_event_source_disable_unref(s->patience);
        s->owner = strdup(after);
        r = s->owner ? subscribe(s) : -ENOMEM;
        return r < 0 ? finish(s, bus_complain(NULL, r)) : 0;
}

/* The daemon has ended the subscription. */
static int on_closed(struct subscribe *s, sd_bus_message *m) {
        const char *reason;

        int r = sd_bus_message_read(m, "s", &reason);
        if (r < 0)
                return finish(s, bus_complain(NULL, r));
        complain("not authorized any more: %s", reason);
        return finish(s, EXIT_NOT_AUTHORIZED);
}

/* Sees every message. Events may come before the answer to Subscribe() does; they are the daemon's
 * if it is the sender. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct subscribe *s = userdata;

        if (bus_message_disconnected(m)) {
                complain("the system bus went away");
                return finish(s, EXIT_FAILURE);
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
        _cleanup_text_ struct text duration = {};

        text_add_duration(&duration, now() - s->started);
        if (isatty(STDERR_FILENO))
                fputc('\r', stderr); /* over the terminal's ^C */
        fprintf(stderr, "%" PRIu64 " event%s, %" PRIu64 " lost, in %s\n", s->events,
                s->events == 1 ? "" : "s", s->lost, text_string(&duration));
        if (s->runner && !s->ending)
                tell_commands(s);

        struct signalfd_siginfo info; /* a second one does not wait for commands */
        (void) !read(fd, &info, sizeof(info));
        return finish(s, EXIT_SUCCESS);
}

/* Nobody reads any more, and perhaps no event comes to find that out. */
static int on_hangup(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        return finish(userdata, EXIT_SUCCESS);
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

static int make_runner(struct subscribe *s) {
        int r = runner_new(&s->runner, s->loop, s->options->exec,
                           !s->options->host && !s->options->machine, on_idle, s);

        if (r == -EINVAL) {
                complain("--exec=%s: write a command, and close its quotes", s->options->exec);
                return EXIT_USAGE;
        }
        return r < 0 ? bus_complain(NULL, r) : EXIT_SUCCESS;
}

static int run(struct subscribe *s) {
        const struct options *o = s->options;

        choose_fields(s);
        s->format = (struct line_format){o->full ? 0 : output_columns(), o->colour};

        int r = set_up(s);
        if (r < 0)
                return bus_complain(NULL, r);
        int status = o->exec ? make_runner(s) : EXIT_SUCCESS;
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
        s->started = now();
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
        if (status == EXIT_SUCCESS && options->lines > 0)
                status = run(&s);

        stop_asking(&s);
        sd_bus_slot_unref(s.call);
        sd_bus_slot_unref(s.numbering);
        sd_event_source_disable_unref(s.patience);
        close_stream(&s);
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
