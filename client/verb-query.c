/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl query: events of the past, and with --follow those that come. */

#include <inttypes.h>
#include <json.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "columns.h"
#include "ending.h"
#include "errors.h"
#include "line.h"
#include "output.h"
#include "progress.h"
#include "value.h"

enum {
        PAGE_ROWS = 1000,          /* asked for at once */
        FLUSH_BYTES = 1 << 16,     /* written at once, about */
        PATIENCE_USEC = 60000000,  /* that bpfmond may be away */
        LOOK_BACK_USEC = 10000000, /* before the last event that was shown: the order is not of time
                                    */
};

struct question {
        const struct options *options;
        char **matches;
        size_t n_matches;
        sd_bus *bus;
        struct field_set wanted;
        bool all_fields;
        struct columns columns;
        struct output output;
        bool paged; /* a pager had its chance: there was something to show */
        struct line_format format;
        bool backwards; /* asked for the newest first */
        char *cursor;
        uint64_t left;        /* events still to be shown */
        uint64_t asked;       /* and those that came */
        uint64_t shown, lost; /* events */
        uint64_t began;       /* CLOCK_MONOTONIC, ns */
        uint64_t from;        /* µs since 1970: past events are asked for from here on */
        uint64_t since;       /* when the numbering of this bpfmond began */
        uint64_t last;        /* the highest number of it that was shown */
        uint64_t last_before; /* the same of the one before it */
        uint64_t last_time;   /* of the newest event that was shown */
        bool again;           /* bpfmond was away: some of the past was shown */
        /* Events that are asked for in the other order, as they will be shown. */
        bool keep;
        char **kept;
        size_t n_kept;
        char *owner, *path;
        bool *gone; /* that bpfmond goes while it is asked is told here; NULL: that ends it */
        int status; /* of what ends it; -1: it goes on */
};

/* What the call takes beside matches, fields and scope. */
static int append_page(sd_bus_message *m, const void *userdata) {
        const struct question *q = userdata;
        const struct options *o = q->options;
        uint32_t limit = (uint32_t) MIN(q->left, (uint64_t) PAGE_ROWS);
        int r = sd_bus_message_append(m, "{sv}{sv}", "limit", "u", limit, "reverse", "b",
                                      (int) q->backwards);

        if (r >= 0 && q->from > 0)
                r = sd_bus_message_append(m, "{sv}", "since", "t", q->from);
        if (r >= 0 && o->until < UINT64_MAX)
                r = sd_bus_message_append(m, "{sv}", "until", "t", o->until);
        if (r >= 0 && q->cursor)
                r = sd_bus_message_append(m, "{sv}", "cursor", "s", q->cursor);
        return r;
}

static void show(struct question *q, struct json_object *event) {
        const char *kind = row_string(event, FIELD_EVENT);

        const bool lost = kind && strcmp(kind, "lost") == 0;

        if (lost)
                q->lost += row_number(event, FIELD_LOST_COUNT);
        else
                q->shown++;
        if (q->options->json != JSON_OFF)
                output_row(&q->output, event, q->options);
        else if (lost)
                line_add_lost(&q->output.text, row_number(event, FIELD_LOST_COUNT),
                              row_string(event, FIELD_LOST_WHERE), &q->format);
        else if (q->options->n_fields > 0)
                columns_add(&q->output.text, &q->columns, event, &q->format);
        else
                line_add(&q->output.text, event, &q->format);
}

static int flush(struct question *q) {
        /* Its place on the terminal is taken by what was waited for, or by a program that is given
         * it. */
        if (q->output.text.n > 0 && !output_is_file())
                progress_end();
        if (q->output.text.n > 0 && !q->paged && !q->options->follow)
                output_start_pager(&q->output, q->options);
        q->paged = q->paged || q->output.text.n > 0;

        int r = output_flush(&q->output);
        if (r >= 0 || r == -EINTR) /* who waits for more sees that it ends */
                return 0;
        if (r != -EPIPE)
                complain("cannot write the output: %s", strerror(-r));
        q->status = r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
        return r;
}

/* Whether a past event was shown before bpfmond went away. Numbers may come again when it did not
 * write the last ones; then they are told apart by when the numbering began. */
static bool was_shown(struct question *q, struct json_object *event) {
        uint64_t seq = row_number(event, FIELD_SEQ), time = row_number(event, FIELD_TIME);
        bool before = time < q->since;
        bool shown = q->again && seq > 0 && seq <= (before ? q->last_before : q->last);

        if (!before)
                q->last = MAX(q->last, seq);
        q->last_time = MAX(q->last_time, time);
        return shown;
}

/* Takes what was added from a byte on out of the output again. */
static int keep_shown(struct question *q, size_t from) {
        struct text *t = &q->output.text;

        /* The array doubles whenever its length is a power of two. */
        if ((q->n_kept & (q->n_kept - 1)) == 0) {
                char **kept = reallocarray(q->kept, q->n_kept ? q->n_kept * 2 : 1, sizeof(*kept));
                if (!kept)
                        return -ENOMEM;
                q->kept = kept;
        }
        char *shown = t->failed ? NULL : strdup(text_string(t) + MIN(from, t->n));
        if (!shown)
                return -ENOMEM;
        q->kept[q->n_kept++] = shown;
        if (t->data)
                t->data[from] = '\0';
        t->n = from;
        return 0;
}

/* Rows become events; returns how many, or a negative errno. */
static int64_t take_rows(struct question *q, sd_bus_message *reply) {
        const struct field_set *only = q->all_fields ? NULL : &q->wanted;
        int64_t n = 0;
        int r = sd_bus_message_enter_container(reply, 'a', "a{sv}");

        while (r >= 0) {
                const size_t before = q->output.text.n;
                struct json_object *event = NULL;

                r = bus_json_read_row(reply, only, &event);
                if (r <= 0)
                        break;
                n++;
                if (was_shown(q, event)) {
                        json_object_put(event);
                        continue;
                }
                show(q, event);
                json_object_put(event);
                if (q->keep && keep_shown(q, before) < 0)
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        return r < 0 ? r : n;
}

/* Asks for one page. Returns its number of events, or -1 with the status set. */
static int64_t ask(struct question *q) {
        const struct bus_options more = {
                .only = q->all_fields ? NULL : &q->wanted,
                .append = append_page,
                .userdata = q,
                .gone = q->gone,
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *cursor;

        q->status = bus_call_options(q->bus, "QueryEvents", q->matches, q->n_matches, q->options,
                                     &more, &reply);
        if (q->status != EXIT_SUCCESS)
                return -1;
        q->status = -1;

        int64_t n = take_rows(q, reply);
        int r = n < 0 ? (int) n : sd_bus_message_read(reply, "s", &cursor);
        if (r >= 0 && cursor[0]) {
                free(q->cursor);
                q->cursor = strdup(cursor);
                r = q->cursor ? 0 : -ENOMEM;
        }
        if (r < 0) {
                q->status = bus_complain(NULL, r);
                return -1;
        }
        q->left -= MIN(q->left, (uint64_t) n);
        progress_count(q->asked += (uint64_t) n, "events");
        return !q->keep && flush(q) < 0 ? -1 : n;
}

static void show_kept(struct question *q) {
        for (size_t i = q->n_kept; i > 0 && q->status < 0; i--) {
                text_add(&q->output.text, q->kept[i - 1]);
                if (q->output.text.n >= FLUSH_BYTES)
                        (void) flush(q);
        }
        (void) flush(q);
}

static void forget_kept(struct question *q) {
        while (q->n_kept > 0)
                free(q->kept[--q->n_kept]);
        free(q->kept);
        q->kept = NULL;
        q->keep = false;
}

/* A page that is not full may have ended at a limit of its bytes: only one without events is the
 * last. Of live events those that were shown already are left out, so that more pages do no harm.
 */
static void show_past(struct question *q) {
        int64_t n = 1;

        /* The last ones, the oldest of them first. */
        q->keep = q->options->lines < UINT64_MAX && !q->options->reverse;
        q->backwards = q->options->reverse || q->keep;
        progress_begin("Reading the history");
        while (n > 0 && q->left > 0 && !ending_came())
                n = ask(q);
        progress_end();
        if (q->gone && *q->gone) /* what has come is the newest: from there it goes on */
                q->status = -1;
        if (q->status < 0)
                show_kept(q);
        forget_kept(q);
}

static int take_events(struct question *q, sd_bus_message *m) {
        const struct field_set *only = q->all_fields ? NULL : &q->wanted;
        uint64_t first, lost;
        int r = sd_bus_message_read(m, "tt", &first, &lost);

        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "a{sv}");
        q->lost += r >= 0 ? lost : 0;
        if (r >= 0 && lost > 0)
                line_add_lost(&q->output.text, lost, NULL, &q->format);
        while (r >= 0) {
                _cleanup_json_ struct json_object *event = NULL;

                r = bus_json_read_row(m, only, &event);
                if (r <= 0)
                        break;
                uint64_t seq = row_number(event, FIELD_SEQ);
                if (seq > 0 && seq <= q->last)
                        continue;
                q->last = MAX(q->last, seq);
                q->last_time = MAX(q->last_time, row_number(event, FIELD_TIME));
                show(q, event);
        }
        return r;
}

/* Signals wait in the connection until the past has been shown. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct question *q = userdata;

        if (bus_message_disconnected(m)) {
                complain("the system bus went away");
                q->status = EXIT_FAILURE;
                return 1;
        }
        if (sd_bus_message_is_signal(m, BPFMON_SUBSCRIPTION_INTERFACE, "Events") <= 0)
                return 0;

        const char *path = sd_bus_message_get_path(m), *sender = sd_bus_message_get_sender(m);
        if (!path || !sender || !q->owner || !q->path || strcmp(path, q->path) != 0 ||
            strcmp(sender, q->owner) != 0)
                return 1;
        int r = take_events(q, m);
        if (r < 0)
                q->status = bus_complain(NULL, r);
        else
                (void) flush(q);
        return 1;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct question *q = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0 ||
            strcmp(name, BPFMON_BUS_NAME) != 0 || (q->owner && strcmp(after, q->owner) == 0))
                return 0;
        if (q->owner)
                remark("bpfmond went away; waiting for it");
        q->again = true;
        free(q->owner);
        free(q->path);
        q->owner = q->path = NULL;
        if (!after[0])
                return 0;
        q->owner = strdup(after); /* the loop asks it */
        if (!q->owner)
                q->status = bus_complain(NULL, -ENOMEM);
        return 0;
}

/* Before the past is asked for: nothing falls between the two. */
static int subscribe(struct question *q) {
        const struct bus_options more = {
                .only = q->all_fields ? NULL : &q->wanted,
                .gone = q->gone,
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t since;
        const char *path;
        int status = bus_call_options(q->bus, "Subscribe", q->matches, q->n_matches, q->options,
                                      &more, &reply);

        if (status != EXIT_SUCCESS)
                return status;

        int r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0) {
                q->path = strdup(path);
                r = q->path ? 0 : -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_get_property_trivial(q->bus, q->owner, BPFMON_OBJECT_PATH,
                                                BPFMON_MANAGER_INTERFACE, "Since", &error, 't',
                                                &since);
        if (r < 0 && q->gone && bus_error_no_daemon(&error)) {
                *q->gone = true;
                return EXIT_FAILURE;
        }
        if (r < 0)
                return bus_complain(&error, r);
        if (since != q->since) {
                q->last_before = q->last;
                q->last = 0;
                q->since = since;
        }
        return EXIT_SUCCESS;
}

static int follow(struct question *q) {
        int fd = ending_watch();

        if (fd < 0)
                return bus_complain(NULL, fd);
        q->output.interrupt_fd = fd;
        q->began = clock_now();

        int status = bus_find_daemon(q->bus, &q->owner);

        if (status == EXIT_SUCCESS)
                status = subscribe(q);
        if (status != EXIT_SUCCESS)
                return status;

        int r = sd_bus_add_filter(q->bus, NULL, on_message, q);
        if (r >= 0)
                r = sd_bus_add_match(q->bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" BPFMON_BUS_NAME "'",
                                     on_owner_changed, q);
        return r < 0 ? bus_complain(NULL, r) : EXIT_SUCCESS;
}

/* What it kept meanwhile comes first, then what it tells. */
static int ask_again(struct question *q) {
        uint64_t since = q->since;
        int status = subscribe(q);

        if (status != EXIT_SUCCESS)
                return status;
        remark(since == q->since ? "bpfmond is back, and goes on where it was"
                                 : "bpfmond is back; what happened while it was away was not seen");
        free(q->cursor);
        q->cursor = NULL;
        if (q->last_time == 0) { /* it had not come to an answer */
                q->left = q->options->lines;
                show_past(q);
                return q->status;
        }
        q->from = MAX(q->options->since,
                      q->last_time - MIN(q->last_time, (uint64_t) LOOK_BACK_USEC));
        q->left = UINT64_MAX;
        q->backwards = false;
        for (int64_t n = 1; n > 0 && !ending_came();)
                n = ask(q);
        return q->status;
}

/* It is back. Where it goes again meanwhile, the bus tells that, too. */
static void go_on(struct question *q) {
        bool gone = false;

        q->gone = &gone;
        q->status = ask_again(q);
        q->gone = NULL;
        if (gone)
                q->status = -1;
}

/* Waits for the bus, for Ctrl-C, or for a reader that goes: so long at most, or (UINT64_MAX) for
 * ever. */
static int wait_for_more(struct question *q, uint64_t usec) {
        struct pollfd fds[] = {
                {.fd = sd_bus_get_fd(q->bus), .events = (short) sd_bus_get_events(q->bus)},
                {.fd = q->output.interrupt_fd, .events = POLLIN},
                {.fd = q->output.fd},
        };
        int msec = usec < (uint64_t) INT_MAX * 1000 ? (int) ((usec + 999) / 1000) : -1;

        if (poll(fds, ELEMENTSOF(fds), msec) < 0)
                return errno == EINTR ? 0 : -errno;
        if (fds[2].revents & (POLLERR | POLLHUP)) /* who reads this has seen enough */
                q->status = EXIT_SUCCESS;
        return 0;
}

static void tell_sum(const struct question *q) {
        char counted[80];

        snprintf(counted, sizeof(counted), "%" PRIu64 " event%s, %" PRIu64 " lost", q->shown,
                 q->shown == 1 ? "" : "s", q->lost);
        ending_tell(q->began, counted);
}

static int show_live(struct question *q) {
        uint64_t deadline = UINT64_MAX;

        q->status = -1;
        while (q->status < 0) {
                if (ending_came()) {
                        tell_sum(q);
                        return EXIT_SUCCESS;
                }

                int r = sd_bus_process(q->bus, NULL);

                if (q->owner && !q->path)
                        go_on(q);
                const uint64_t now = clock_usec(CLOCK_MONOTONIC);
                if (q->owner)
                        deadline = UINT64_MAX;
                else if (deadline == UINT64_MAX)
                        deadline = now + PATIENCE_USEC;
                if (!q->owner && now >= deadline) {
                        complain("bpfmond did not come back within %d s; see systemctl status "
                                 "bpfmond",
                                 PATIENCE_USEC / 1000000);
                        return EXIT_FAILURE;
                }
                if (r == 0 && q->status < 0)
                        r = wait_for_more(q, q->owner ? UINT64_MAX : deadline - now);
                if (r < 0)
                        return bus_complain(NULL, r);
        }
        return q->status;
}

static void choose_fields(struct question *q) {
        static const enum field always[] = {FIELD_SEQ, FIELD_TIME, FIELD_EVENT, FIELD_LOST_COUNT,
                                            FIELD_LOST_WHERE};
        const struct options *o = q->options;

        q->all_fields = o->json != JSON_OFF && o->n_fields == 0;
        for (size_t i = 0; i < ELEMENTSOF(always); i++)
                field_set_add(&q->wanted, always[i]);
        for (size_t i = 0; i < o->n_fields; i++)
                field_set_add(&q->wanted, o->fields[i]);
        if (o->n_fields == 0)
                line_fields(&q->wanted);
        columns_init(&q->columns, o->fields, o->n_fields);
}

/* For who looks on: what is written says nothing then. */
static void tell_empty(const struct options *o) {
        if (o->json == JSON_OFF && o->legend && isatty(STDERR_FILENO))
                remark("no events");
}

static int run(struct question *q) {
        const struct options *o = q->options;
        int status = o->follow ? follow(q) : EXIT_SUCCESS;

        if (status != EXIT_SUCCESS)
                return status;
        q->format = (struct line_format){o->full ? 0 : output_columns(), o->colour};
        if (o->json == JSON_OFF && o->n_fields > 0 && o->legend)
                columns_add_legend(&q->output.text, &q->columns, &q->format);
        q->status = -1;
        bool gone = false;
        q->gone = o->follow ? &gone : NULL;
        show_past(q);
        q->gone = NULL;
        if (q->status < 0 && o->follow)
                return show_live(q);

        status = output_finish(&q->output);
        if (q->status < 0 && status == EXIT_SUCCESS && q->shown + q->lost == 0)
                tell_empty(o);
        return q->status < 0 ? status : q->status;
}

int verb_query(char **arguments, size_t n, const struct options *options) {
        struct question q = {
                .options = options,
                .matches = arguments,
                .n_matches = n,
                .output = OUTPUT_INIT,
                .left = options->lines,
                .from = options->since,
        };

        if (options->follow && (options->reverse || options->until < UINT64_MAX)) {
                complain("--follow goes on forward: it takes neither --reverse nor --until");
                return EXIT_USAGE;
        }
        if (options->until < options->since) {
                complain("--until is before --since: there is nothing between");
                return EXIT_USAGE;
        }
        int status = bus_check_matches(arguments, n);
        if (status == EXIT_SUCCESS)
                status = bus_connect(&q.bus, options);
        if (status == EXIT_SUCCESS) {
                choose_fields(&q);
                status = run(&q);
        }
        if (status == EXIT_ENDED) {
                tell_sum(&q);
                status = EXIT_SUCCESS;
        }

        sd_bus_flush_close_unref(q.bus);
        text_clear(&q.output.text);
        free(q.cursor);
        free(q.owner);
        free(q.path);
        return status;
}
