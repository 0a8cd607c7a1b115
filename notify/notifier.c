/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notifier.h"

#include <inttypes.h>
#include <json.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "bubbles.h"
#include "client.h"
#include "clock.h"
#include "identity.h"
#include "link.h"
#include "mutes.h"
#include "details.h"
#include "sample.h"
#include "server.h"
#include "source.h"

enum {
        UNDOS_MAX = 32, /* mutes that can be taken back; more than the server has calls at once */
};

#define SESSION_USEC UINT64_C(60000000) /* a session whose bus is gone for so long is over */
#define WAKE_USEC    UINT64_C(30000000) /* between attempts to start a notification server */
#define TEST_USEC    UINT64_C(60000000) /* most that a sample stays */

static const struct button alert_buttons[] = {
        {"default", "Details"}, /* a click on it; some desktops have a button for that, too */
        {"mute", "Mute"},
};
static const struct button undo_buttons[] = {{"undo", "Undo"}};

/* That a program is muted was said in the notification `id`. */
struct undo {
        uint32_t id;  /* 0: it is not, or not any more, */
        bool sending; /* or on its way */
        char *program;
};

struct notifier {
        const struct notifier_options *options;
        struct mutes *mutes;
        sd_event *loop;
        struct link *session, *system;
        struct server *server;
        struct source *source;
        struct bubbles *bubbles;
        struct details *pages;
        struct bubble *sending; /* one at a time */
        sd_event_source *timer; /* for what waits */
        sd_event_source *patience;
        struct undo undos[UNDOS_MAX];
        size_t next_undo;
        bool absent;    /* that there is no server was said */
        bool sampled;   /* the sample is on its way, */
        bool told;      /* and that it is there was said */
        uint64_t woken; /* when a server was last to be started */
};

static void pump(struct notifier *n);

/* The sample, and what was said about muting it, is gone. */
static void end_test(struct notifier *n) {
        if (!n->options->test || !n->sampled || bubbles_any(n->bubbles))
                return;
        for (size_t i = 0; i < UNDOS_MAX; i++)
                if (n->undos[i].id || n->undos[i].sending)
                        return;
        sd_event_exit(n->loop, EXIT_SUCCESS);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        pump(userdata);
        return 0;
}

static void set_timer(struct notifier *n, uint64_t when) {
        if (!n->timer && sd_event_add_time(n->loop, &n->timer, CLOCK_MONOTONIC, UINT64_MAX, 100000,
                                           on_timer, n) < 0)
                return;
        sd_event_source_set_time(n->timer, when);
        sd_event_source_set_enabled(n->timer, when == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void on_shown(int64_t id, const char *error, void *userdata) {
        struct notifier *n = userdata;
        struct bubble *bubble = TAKE_PTR(n->sending);

        if (id > 0) {
                bubble_shown(bubble, (uint32_t) id);
                if (n->options->test && !n->told) {
                        printf("Shown by %s; waiting until it is closed.\n",
                               server_name(n->server) ?: "the notification server");
                        fflush(stdout);
                        n->told = true;
                }
        } else {
                complain("the notification server does not show an alert: %s", error);
                bubble_failed(bubble, clock_usec(CLOCK_MONOTONIC));
                if (n->options->test)
                        sd_event_exit(n->loop, EXIT_FAILURE);
        }
        pump(n);
}

/* An alert that nobody did has nobody to be muted, and neither have several. */
static size_t count_buttons(const struct bubble *bubble) {
        size_t n = ELEMENTSOF(alert_buttons);

        return bubble->more || !bubble->alert->program ? n - 1 : n;
}

static void send(struct notifier *n, struct bubble *bubble) {
        _cleanup_wording_ struct wording words = {};

        n->sending = bubble;
        int r = wording_of_bubble(&words, bubble, server_abilities(n->server));
        if (r >= 0)
                r = server_show(n->server, bubble->id, &words, bubble->urgency, alert_buttons,
                                count_buttons(bubble), on_shown, n);
        if (r < 0) {
                n->sending = NULL;
                complain("cannot show an alert: %s", strerror(-r));
                bubble_failed(bubble, clock_usec(CLOCK_MONOTONIC));
        }
}

/* Sends what is due, and sees to it that it is called when more is. */
static void pump(struct notifier *n) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC), next = bubbles_next(n->bubbles, now);
        struct bubble *bubble;

        if (n->sending || !n->server || next == UINT64_MAX) {
                set_timer(n, UINT64_MAX);
                return;
        }
        if (!server_ready(n->server)) {
                if (n->woken == 0 || now - n->woken >= WAKE_USEC) {
                        n->woken = now;
                        server_wake(n->server);
                }
                set_timer(n, n->woken + WAKE_USEC);
                return;
        }

        bubble = bubbles_take(n->bubbles, now);
        if (bubble)
                send(n, bubble);
        else
                set_timer(n, next);
}

static void refresh_mutes(struct notifier *n) {
        int r = mutes_refresh(n->mutes);

        if (r < 0)
                complain("cannot read %s: %s", mutes_file(n->mutes), strerror(-r));
}

static void add(struct notifier *n, struct json_object *row) {
        struct alert *alert = NULL;

        if (alert_new(&alert, row) < 0) {
                complain("out of memory: an alert is not shown");
                return;
        }
        if (mutes_has(n->mutes, alert->program))
                alert_free(alert);
        else
                bubbles_add(n->bubbles, alert, clock_usec(CLOCK_MONOTONIC));
}

static void on_alert(struct json_object *row, void *userdata) {
        struct notifier *n = userdata;

        refresh_mutes(n);
        add(n, row);
        pump(n);
}

static void on_lost(uint64_t count, void *userdata) {
        struct notifier *n = userdata;
        struct json_object *row = sample_lost(count);

        if (row)
                add(n, row);
        json_object_put(row);
        pump(n);
}

static void note(struct notifier *n, const char *title, const char *body) {
        _cleanup_wording_ struct wording words = {};

        complain("%s: %s", title, body);
        if (n->server && wording_of_note(&words, title, body, server_abilities(n->server)) >= 0)
                (void) server_show(n->server, 0, &words, URGENCY_NORMAL, NULL, 0, NULL, NULL);
}

static void on_page_failed(const char *file, const char *why, void *userdata) {
        struct notifier *n = userdata;
        _cleanup_text_ struct text body = {};

        text_printf(&body, "%s. They are in ", why);
        text_add_escaped(&body, file);
        note(n, "The details could not be opened", text_string(&body));
}

static void show_details(struct notifier *n, const struct bubble *bubble, const char *token) {
        _cleanup_text_ struct text page = {};

        int r = wording_of_details(&page, bubble, mutes_file(n->mutes));
        if (r >= 0)
                r = details_open(n->pages, text_string(&page), page.n, token);
        if (r < 0)
                note(n, "The details could not be opened",
                     r == -ENXIO    ? "The session has no XDG_RUNTIME_DIR to keep them in"
                     : r == -ENOENT ? "xdg-open is not installed"
                                    : strerror(-r));
}

static void on_undo_shown(int64_t id, const char *error, void *userdata) {
        struct undo *undo = userdata;

        undo->sending = false;
        if (id > 0)
                undo->id = (uint32_t) id;
}

static struct undo *new_undo(struct notifier *n, const char *program) {
        struct undo *undo = &n->undos[n->next_undo++ % UNDOS_MAX];

        free(undo->program);
        *undo = (struct undo){.program = strdup(program)};
        return undo->program ? undo : NULL;
}

static void close_bubble(uint32_t id, void *userdata) {
        struct notifier *n = userdata;

        server_close(n->server, id);
}

static void mute(struct notifier *n, const char *name) {
        _cleanup_wording_ struct wording words = {};
        _cleanup_free_ char *program = strdup(name);
        struct undo *undo = new_undo(n, name);

        int r = program && undo ? mutes_add(n->mutes, program) : -ENOMEM;
        if (r < 0) {
                note(n, "The program could not be muted", strerror(-r));
                return;
        }
        bubbles_mute(n->bubbles, program, close_bubble, n);
        if (wording_of_mute(&words, program, false, mutes_file(n->mutes),
                            server_abilities(n->server)) >= 0)
                undo->sending = server_show(n->server, 0, &words, URGENCY_LOW, undo_buttons,
                                            ELEMENTSOF(undo_buttons), on_undo_shown, undo) >= 0;
}

static struct undo *find_undo(struct notifier *n, uint32_t id) {
        for (size_t i = 0; i < UNDOS_MAX; i++)
                if (id != 0 && n->undos[i].id == id)
                        return &n->undos[i];

        return NULL;
}

static void take_back(struct notifier *n, struct undo *undo) {
        _cleanup_wording_ struct wording words = {};

        undo->id = 0;
        int r = mutes_remove(n->mutes, undo->program);
        if (r < 0) {
                note(n, "The program is still muted", strerror(-r));
                return;
        }
        if (wording_of_mute(&words, undo->program, true, mutes_file(n->mutes),
                            server_abilities(n->server)) >= 0)
                (void) server_show(n->server, 0, &words, URGENCY_LOW, NULL, 0, NULL, NULL);
}

static void on_pressed(uint32_t id, const char *action, const char *token, void *userdata) {
        struct notifier *n = userdata;
        struct bubble *bubble = bubbles_find(n->bubbles, id);
        struct undo *undo = find_undo(n, id);

        if (bubble && strcmp(action, "default") == 0)
                show_details(n, bubble, token);
        else if (bubble && strcmp(action, "mute") == 0 && bubble->alert->program)
                mute(n, bubble->alert->program);
        else if (undo && strcmp(action, "undo") == 0)
                take_back(n, undo);
        end_test(n);
}

static void on_closed(uint32_t id, bool seen, void *userdata) {
        struct notifier *n = userdata;
        struct bubble *bubble = bubbles_find(n->bubbles, id);
        struct undo *undo = find_undo(n, id);

        if (bubble)
                bubble_closed(bubble, seen);
        if (undo)
                undo->id = 0;
        pump(n);
        end_test(n);
}

/* Whoever shows notifications now has none of ours. */
static void forget_shown(struct notifier *n) {
        n->sending = NULL;
        bubbles_closed(n->bubbles);
        for (size_t i = 0; i < UNDOS_MAX; i++) {
                n->undos[i].id = 0;
                n->undos[i].sending = false;
        }
}

static void on_ready(void *userdata) {
        struct notifier *n = userdata;

        if (n->absent)
                complain("there is a notification server");
        n->absent = false;
        forget_shown(n);
        if (n->options->test && !n->sampled) {
                struct json_object *row = sample_alert();

                n->sampled = true;
                if (row)
                        add(n, row);
                json_object_put(row);
        }
        pump(n);
}

static void on_gone(void *userdata) {
        struct notifier *n = userdata;

        forget_shown(n);
        n->woken = clock_usec(CLOCK_MONOTONIC); /* one that restarts is not to be started */
        pump(n);
}

static void on_absent(const char *error, void *userdata) {
        struct notifier *n = userdata;

        if (!n->absent)
                complain("no notification server: %s", error);
        n->absent = true;
        if (n->options->test)
                sd_event_exit(n->loop, EXIT_FAILURE);
        pump(n);
}

static int system_up(sd_bus *bus, void *userdata) {
        static const struct source_events events = {on_alert, on_lost};
        struct notifier *n = userdata;

        return source_new(&n->source, bus, n->loop, n->options->scope, &events, n);
}

static void system_down(void *userdata) {
        struct notifier *n = userdata;

        n->source = source_free(n->source);
}

static int system_message(sd_bus_message *m, void *userdata) {
        struct notifier *n = userdata;

        return n->source ? source_message(n->source, m) : 0;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct notifier *n = userdata;
        uint32_t answer;

        /* 1: it is ours (D-Bus specification, RequestName) */
        if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read(m, "u", &answer) < 0 ||
            answer == 1 || answer == 4)
                return 1;
        fprintf(stderr, "bpfmon-notify runs in this session already\n");
        sd_event_exit(n->loop, EXIT_SUCCESS);
        return 1;
}

static int session_up(sd_bus *bus, void *userdata) {
        static const struct server_events events = {on_ready, on_gone, on_absent, on_closed,
                                                    on_pressed};
        const uint32_t do_not_queue = 4; /* D-Bus specification, RequestName */
        struct notifier *n = userdata;

        n->patience = sd_event_source_disable_unref(n->patience);
        int r = server_new(&n->server, bus, &events, n);
        if (r >= 0 && !n->options->test)
                r = sd_bus_call_method_async(bus, NULL, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                             "RequestName", on_name, n, "su", IDENTITY_ID,
                                             do_not_queue);
        return r;
}

static int on_session_over(sd_event_source *source, uint64_t usec, void *userdata) {
        struct notifier *n = userdata;

        complain("the session bus did not come back: the session is over");
        return sd_event_exit(n->loop, EXIT_FAILURE);
}

static void session_down(void *userdata) {
        struct notifier *n = userdata;

        n->server = server_free(n->server);
        forget_shown(n);
        pump(n);
        if (n->options->test)
                sd_event_exit(n->loop, EXIT_FAILURE);
        n->patience = sd_event_source_disable_unref(n->patience);
        (void) sd_event_add_time_relative(n->loop, &n->patience, CLOCK_MONOTONIC, SESSION_USEC, 0,
                                          on_session_over, n);
}

static int on_test_over(sd_event_source *source, uint64_t usec, void *userdata) {
        struct notifier *n = userdata;

        return sd_event_exit(n->loop, EXIT_SUCCESS);
}

static int prepare(struct notifier *n) {
        static const struct link_events session = {session_up, session_down, NULL};
        static const struct link_events system = {system_up, system_down, system_message};
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        signal(SIGPIPE, SIG_IGN);

        int r = sd_event_new(&n->loop);
        if (r >= 0)
                r = sd_event_add_signal(n->loop, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(n->loop, NULL, SIGINT, NULL, NULL);
        if (r >= 0)
                r = bubbles_new(&n->bubbles);
        if (r >= 0)
                r = details_new(&n->pages, n->loop, on_page_failed, n);
        if (r >= 0)
                r = link_new(&n->session, n->loop, "session", sd_bus_open_user, &session, n);
        if (r >= 0)
                r = link_new(&n->system, n->loop, "system", sd_bus_open_system, &system, n);
        if (r >= 0 && n->options->test)
                r = sd_event_add_time_relative(n->loop, NULL, CLOCK_MONOTONIC, TEST_USEC, 0,
                                               on_test_over, n);
        return r;
}

static void clear(struct notifier *n) {
        source_free(n->source);
        server_free(n->server);
        link_free(n->system);
        link_free(n->session);
        details_free(n->pages);
        bubbles_free(n->bubbles);
        for (size_t i = 0; i < UNDOS_MAX; i++)
                free(n->undos[i].program);
        sd_event_source_disable_unref(n->timer);
        sd_event_source_disable_unref(n->patience);
        sd_event_unref(n->loop);
}

static int run(struct notifier *n) {
        int r = prepare(n);

        if (r < 0) {
                complain("cannot start: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        r = link_open(n->session);
        if (r < 0) {
                complain("there is no session bus: %s",
                         r == -ENOMEDIUM ? "DBUS_SESSION_BUS_ADDRESS is not set, as it is in "
                                           "desktop sessions"
                                         : strerror(-r));
                return EXIT_FAILURE;
        }
        refresh_mutes(n);
        if (!n->options->test)
                link_start(n->system);
        r = sd_event_loop(n->loop);
        if (n->options->test)
                (void) mutes_remove(n->mutes, SAMPLE_PROGRAM);
        return r < 0 ? EXIT_FAILURE : r;
}

int notifier_run(const struct notifier_options *options, struct mutes *mutes) {
        struct notifier n = {.options = options, .mutes = mutes};

        int status = run(&n);
        clear(&n);
        return status;
}
