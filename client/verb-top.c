/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl top: which programs take how much of the processors, live. */

#include "verb-top.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <json.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "errors.h"
#include "match.h"
#include "page.h"
#include "top-model.h"
#include "top-poll.h"
#include "top-screen.h"
#include "words.h"

#undef timeout

enum {
        ESCAPE = 27,
};

struct top {
        const struct options *options;
        sd_bus *bus;
        sd_event *loop;
        sd_event_source *timer;
        int signal_fd;
        struct top_poll *poll;
        struct top_model *model;
        struct top_view view;
        struct text filter, typed;
        struct text details;
        sd_bus_slot *details_call;
        char *message;
        uint64_t interval; /* µs */
        uint64_t looks;
};

/* Cheap ones, and those that a match asks for. */
void top_fields(struct field_set *ret, char **matches, size_t n) {
        static const enum field dear[] = {FIELD_HOLDERS, FIELD_PIN_PATHS, FIELD_ATTACHMENTS,
                                          FIELD_INCOMPLETE, FIELD_INCOMPLETE_REASONS};
        struct match *match = NULL;

        for (int f = 0; f < _FIELD_MAX; f++)
                field_set_add(ret, (enum field) f);
        (void) match_new(&match, (const char *const *) matches, n, NULL);
        for (size_t i = 0; i < ELEMENTSOF(dear); i++)
                if (!match || !match_names(match, dear[i]))
                        field_set_remove(ret, dear[i]);
        match_free(match);
}

static void say(struct top *t, const char *message) {
        free(t->message);
        t->message = message ? strdup(message) : NULL;
        t->view.message = t->message;
}

static void draw(struct top *t) {
        t->view.filter = text_string(t->view.typing ? &t->typed : &t->filter);
        t->view.details = t->details.n > 0 ? text_string(&t->details) : NULL;
        screen_draw(&t->view, t->model);
}

/* The filter as it is written. Returns a negative errno and says why where it is none. */
static int use_filter(struct top *t, const char *filter) {
        struct match_error error = {};
        struct field_set only = {};
        struct match *match = NULL;
        char **words = NULL;

        int n = words_split(&words, filter);
        int r = n < 0 ? n : match_new(&match, (const char *const *) words, (size_t) n, &error);
        if (r < 0) {
                say(t, error.message[0] ? error.message : "A quote in the filter is not closed");
                words_free(words);
                return r;
        }

        top_fields(&only, words, (size_t) n);
        words_free(words);
        top_model_filter(t->model, match);
        top_poll_fields(t->poll, &only);
        text_reset(&t->filter);
        text_add(&t->filter, filter);
        say(t, NULL);
        return t->filter.failed ? -ENOMEM : 0;
}

static void on_rows(struct json_object *rows, uint64_t now, void *userdata) {
        struct top *t = userdata;

        if (top_model_update(t->model, rows, now) < 0)
                say(t, "Out of memory");
        else if (!t->view.typing) /* what was said of the filter stays */
                say(t, NULL);
        draw(t);
        if (t->looks++ >= t->options->lines)
                sd_event_exit(t->loop, EXIT_SUCCESS);
}

static void on_error(const sd_bus_error *error, int r, void *userdata) {
        struct top *t = userdata;

        say(t, error && bus_error_no_daemon(error) ? "bpfmond is not running; waiting for it"
               : error && error->message           ? error->message
                                                   : strerror(-r));
        draw(t);
}

static int look(struct top *t) {
        int r = t->view.paused ? 0 : top_poll_look(t->poll);

        return r < 0 ? sd_event_exit(t->loop, r) : 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        struct top *t = userdata;
        uint64_t now;

        sd_event_now(t->loop, CLOCK_MONOTONIC, &now);
        sd_event_source_set_time(source, MAX(usec + t->interval, now));
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return look(t);
}

static int on_details(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const struct page_format format = {(size_t) COLS, false, (uint64_t) time(NULL) * 1000000};
        _cleanup_json_ struct json_object *row = NULL;
        struct top *t = userdata;

        t->details_call = sd_bus_slot_unref(t->details_call);
        text_reset(&t->details);
        if (sd_bus_message_is_method_error(reply, NULL))
                on_error(sd_bus_message_get_error(reply), -EIO, t);
        else if (bus_json_read_row(reply, NULL, &row) > 0)
                page_add(&t->details, KIND_PROG, row, &format);
        t->view.details_top = 0;
        draw(t);
        return 1;
}

static void ask_details(struct top *t) {
        t->details_call = sd_bus_slot_unref(t->details_call);
        (void) sd_bus_call_method_async(t->bus, &t->details_call, BPFMON_BUS_NAME,
                                        BPFMON_OBJECT_PATH, BPFMON_MANAGER_INTERFACE, "GetProgram",
                                        on_details, t, "u", t->view.selected);
}

/* Moves the mark by so many programs. */
static void move_mark(struct top *t, long by) {
        size_t n, at = 0;
        const struct top_program *const *programs = top_model_view(t->model, &n);

        if (n == 0)
                return;
        while (at < n && programs[at]->id != t->view.selected)
                at++;
        if (at == n)
                at = 0;
        else if (by < 0)
                at -= MIN(at, (size_t) -by);
        else
                at = MIN(at + (size_t) by, n - 1);
        t->view.selected = programs[at]->id;
}

static void sort_by(struct top *t, enum top_key key, bool reverse) {
        t->view.key = key;
        t->view.reverse = reverse;
        top_model_sort(t->model, key, reverse);
}

static void type_filter(struct top *t, int key) {
        struct text *typed = &t->typed;

        say(t, NULL);
        if (key == '\r' || key == '\n' || key == KEY_ENTER) {
                if (use_filter(t, text_string(typed)) >= 0)
                        t->view.typing = false;
        } else if (key == ESCAPE) {
                t->view.typing = false;
        } else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
                while (typed->n > 0 && ((unsigned char) typed->data[typed->n - 1] & 0xc0) == 0x80)
                        typed->n--; /* a whole character */
                typed->n -= typed->n > 0;
                if (typed->data)
                        typed->data[typed->n] = '\0';
        } else if (key == ('u' & 0x1f))
                text_reset(typed);
        else if (key >= ' ' && key < 256)
                text_add_char(typed, (char) key, 1);
}

static bool page_key(struct top *t, int key) {
        const size_t rows = screen_rows();

        switch (key) {
        case KEY_UP:
        case 'k':
                t->view.details_top -= t->view.details_top > 0;
                return true;
        case KEY_DOWN:
        case 'j':
                t->view.details_top++;
                return true;
        case KEY_PPAGE:
                t->view.details_top -= MIN(t->view.details_top, rows);
                return true;
        case KEY_NPAGE:
        case ' ':
                t->view.details_top += rows;
                return true;
        case ESCAPE:
        case '\r':
        case '\n':
        case KEY_ENTER:
        case KEY_BACKSPACE:
        case KEY_LEFT:
                text_reset(&t->details);
                return true;
        default:
                return false;
        }
}

/* Keys that sort. */
static const struct {
        int key;
        enum top_key sort;
} sort_keys[] = {
        {'c', TOP_CPU},    {'n', TOP_RUNS}, {'a', TOP_TIME},
        {'m', TOP_MEMORY}, {'N', TOP_NAME}, {'i', TOP_ID},
};

static void list_key(struct top *t, int key) {
        const long rows = (long) screen_rows();

        for (size_t i = 0; i < ELEMENTSOF(sort_keys); i++)
                if (sort_keys[i].key == key)
                        sort_by(t, sort_keys[i].sort, false);
        switch (key) {
        case KEY_UP:
        case 'k':
                move_mark(t, -1);
                break;
        case KEY_DOWN:
        case 'j':
                move_mark(t, 1);
                break;
        case KEY_PPAGE:
                move_mark(t, -rows);
                break;
        case KEY_NPAGE:
                move_mark(t, rows);
                break;
        case KEY_HOME:
        case 'g':
                move_mark(t, -(1L << 30));
                break;
        case KEY_END:
        case 'G':
                move_mark(t, 1L << 30);
                break;
        case '\r':
        case '\n':
        case KEY_ENTER:
        case KEY_RIGHT:
                ask_details(t);
                break;
        case 's':
                sort_by(t, (enum top_key)((t->view.key + 1) % _TOP_KEY_MAX), false);
                break;
        case 'r':
                sort_by(t, t->view.key, !t->view.reverse);
                break;
        case '/':
                t->view.typing = true;
                text_reset(&t->typed);
                text_add(&t->typed, text_string(&t->filter));
                break;
        case 'p':
        case ' ':
                t->view.paused = !t->view.paused;
                break;
        default:
                break;
        }
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct top *t = userdata;
        int key;

        if (revents & (EPOLLHUP | EPOLLERR))
                return sd_event_exit(t->loop, EXIT_SUCCESS);
        while ((key = screen_key()) != ERR) {
                if (t->view.typing)
                        type_filter(t, key);
                else if (key == 'q' || key == 'Q')
                        return sd_event_exit(t->loop, EXIT_SUCCESS);
                else if (key == ('l' & 0x1f))
                        screen_resize();
                else if (t->details.n == 0 || !page_key(t, key)) {
                        if (t->details.n == 0)
                                list_key(t, key);
                }
        }
        draw(t);
        return 0;
}

static int on_signal(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct signalfd_siginfo info;
        struct top *t = userdata;

        if (read(fd, &info, sizeof(info)) != (ssize_t) sizeof(info))
                return 0;
        if (info.ssi_signo != SIGWINCH)
                return sd_event_exit(t->loop, EXIT_SUCCESS);
        screen_resize();
        draw(t);
        return 0;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        struct top *t = userdata;

        if (!bus_message_disconnected(m))
                return 0;
        return sd_event_exit(t->loop, -ECONNRESET);
}

static int watch(struct top *t) {
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGINT);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGHUP);
        sigaddset(&mask, SIGWINCH);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        t->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (t->signal_fd < 0)
                return -errno;

        int r = sd_event_new(&t->loop);
        if (r >= 0)
                r = sd_event_add_io(t->loop, NULL, t->signal_fd, EPOLLIN, on_signal, t);
        if (r >= 0)
                r = sd_event_add_io(t->loop, NULL, STDIN_FILENO, EPOLLIN, on_input, t);
        if (r >= 0)
                r = sd_event_add_time_relative(t->loop, &t->timer, CLOCK_MONOTONIC, 0, 1, on_time,
                                               t);
        if (r >= 0)
                r = sd_bus_attach_event(t->bus, t->loop, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_filter(t->bus, NULL, on_message, t);
        return r;
}

static int open_screen(const struct options *options) {
        int r = screen_open(options->colour);

        if (r == -ENOTTY)
                complain("top needs a terminal; top --batch prints rows");
        else if (r == -ENOENT)
                complain("nobody knows terminals of the type \"%s\"; top --batch prints rows",
                         getenv("TERM") ? getenv("TERM") : "");
        else if (r == -ENOSPC)
                complain("the terminal is too small: top needs %d columns and %d lines; top "
                         "--batch prints rows",
                         SCREEN_COLUMNS_MIN, SCREEN_LINES_MIN);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int set_up(struct top *t, char **matches, size_t n) {
        const struct top_poll_handlers handlers = {on_rows, on_error, t};
        _cleanup_text_ struct text filter = {};

        words_join(&filter, matches, n);
        int r = filter.failed ? -ENOMEM : watch(t);
        if (r >= 0)
                r = top_model_new(&t->model);
        if (r >= 0)
                r = top_poll_new(&t->poll, t->bus, t->options, &handlers);
        if (r >= 0)
                r = use_filter(t, text_string(&filter));
        return r;
}

/* Nothing is said before the terminal is given back. */
static int run_screen(struct top *t, char **matches, size_t n) {
        int status = open_screen(t->options);

        if (status != EXIT_SUCCESS)
                return status;
        int r = set_up(t, matches, n);
        if (r >= 0) {
                sort_by(t, (enum top_key) t->options->sort, t->options->reverse);
                draw(t);
                r = sd_event_loop(t->loop);
        }
        screen_close();
        return r < 0 ? bus_complain(NULL, r) : r;
}

static void top_clear(struct top *t) {
        screen_close();
        sd_bus_slot_unref(t->details_call);
        top_poll_free(t->poll);
        top_model_free(t->model);
        sd_event_source_disable_unref(t->timer);
        if (t->bus)
                sd_bus_detach_event(t->bus);
        sd_bus_flush_close_unref(t->bus);
        sd_event_unref(t->loop);
        if (t->signal_fd >= 0)
                close(t->signal_fd);
        text_clear(&t->details);
        text_clear(&t->filter);
        text_clear(&t->typed);
        free(t->message);
}

int verb_top(char **arguments, size_t n, const struct options *options) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct top t = {
                .options = options,
                .signal_fd = -1,
                .interval = options->interval > 0 ? options->interval : 1000000,
                .view.place = options->host ? options->host : options->machine,
        };

        const bool batch = options->batch || options->json != JSON_OFF;

        if (options->n_fields > 0 && !batch) {
                complain("the screen of top has columns of its own: --fields goes with --batch or "
                         "--json");
                return EXIT_USAGE;
        }
        int status = bus_check_matches(arguments, n);
        if (status == EXIT_SUCCESS)
                status = bus_connect(&t.bus, options);
        if (status == EXIT_SUCCESS)
                status = bus_call(t.bus, "AcquireStatistics", options, &reply);
        if (status == EXIT_SUCCESS)
                status = batch ? top_batch(t.bus, arguments, n, options)
                               : run_screen(&t, arguments, n);
        top_clear(&t);
        return status;
}
