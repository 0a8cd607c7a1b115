/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a subscriber can be, for the benchmarks: subscribes to the matches given as
 * arguments, for all fields or those named after an argument --fields, and counts what comes. With
 * --stream as the first argument it opens a stream instead.
 *
 * Prints "ready" once it has subscribed; for each line on stdin, and at its end, how many events
 * came, how many were said to be lost, and in how many signals or reads. */

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "errors.h"
#include "util.h"

enum {
        READ_BYTES = 1024 * 1024,
};

struct subscriber {
        sd_bus *bus;
        const char *path; /* of the subscription */
        int stream_fd;    /* -1: signals */
        char *data;       /* of the stream, */
        size_t size;      /* the beginning of a line */
        uint64_t events;
        uint64_t lost;
        uint64_t signals; /* or reads */
};

static int check(int k, const char *what) {
        if (k < 0)
                errx(EXIT_FAILURE, "%s: %s", what, strerror(-k));
        return k;
}

/* Walks over the events without looking into them. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        struct subscriber *s = userdata;
        uint64_t first, lost;

        if (!sd_bus_message_is_signal(m, BPFMON_SUBSCRIPTION_INTERFACE, "Events"))
                return 0;
        check(sd_bus_message_read(m, "tt", &first, &lost), "Events");
        check(sd_bus_message_enter_container(m, 'a', "a{sv}"), "Events");
        while (!sd_bus_message_at_end(m, false)) {
                check(sd_bus_message_skip(m, "a{sv}"), "Events");
                s->events++;
        }
        check(sd_bus_message_exit_container(m), "Events");
        s->lost += lost;
        s->signals++;
        return 1;
}

/* Lines that tell of losses have no more than a time before that. */
static void count_line(struct subscriber *s, const char *line, size_t size) {
        static const char lost[] = "\"event\":\"lost\"", count[] = "\"lost.count\":";
        const char *number = memmem(line, MIN(size, (size_t) 64), lost, sizeof(lost) - 1);

        number = number ? memmem(line, size, count, sizeof(count) - 1) : NULL;
        if (number)
                s->lost += strtoull(number + sizeof(count) - 1, NULL, 10);
        else
                s->events++;
}

static int on_stream(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct subscriber *s = userdata;
        ssize_t n = read(fd, s->data + s->size, READ_BYTES - s->size);
        char *line = s->data, *end;

        if (n <= 0)
                errx(EXIT_FAILURE, "The stream has ended");
        s->size += (size_t) n;
        s->signals++;
        while ((end = memchr(line, '\n', (size_t) (s->data + s->size - line)))) {
                count_line(s, line, (size_t) (end - line));
                line = end + 1;
        }
        s->size -= (size_t) (line - s->data);
        memmove(s->data, line, s->size);
        return 0;
}

static int append_options(sd_bus_message *m, char **fields) {
        int k = sd_bus_message_open_container(m, 'a', "{sv}");

        if (k >= 0 && fields) {
                k = sd_bus_message_open_container(m, 'e', "sv");
                if (k >= 0)
                        k = sd_bus_message_append(m, "s", "fields");
                if (k >= 0)
                        k = sd_bus_message_open_container(m, 'v', "as");
                if (k >= 0)
                        k = sd_bus_message_append_strv(m, fields);
                if (k >= 0)
                        k = sd_bus_message_close_container(m);
                if (k >= 0)
                        k = sd_bus_message_close_container(m);
        }
        return k < 0 ? k : sd_bus_message_close_container(m);
}

/* Ends the matches where the names of fields begin; returns these, or NULL. */
static char **split_fields(char **arguments) {
        for (; *arguments; arguments++)
                if (strcmp(*arguments, "--fields") == 0) {
                        *arguments = NULL;
                        return arguments + 1;
                }
        return NULL;
}

static int subscribe(struct subscriber *s, char **matches, sd_bus_message **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char **fields = split_fields(matches);
        bool stream = *matches && strcmp(*matches, "--stream") == 0;
        const char *method = stream ? "OpenStream" : "Subscribe";
        int k = sd_bus_message_new_method_call(s->bus, &m, BPFMON_BUS_NAME, BPFMON_OBJECT_PATH,
                                               BPFMON_MANAGER_INTERFACE, method);

        if (k >= 0)
                k = sd_bus_message_append_strv(m, matches + stream);
        if (k >= 0)
                k = append_options(m, fields);
        if (k >= 0)
                k = sd_bus_call(s->bus, m, 0, &error, ret);
        if (k < 0 && error.message)
                errx(EXIT_FAILURE, "%s: %s", method, error.message);
        if (k >= 0 && stream)
                return sd_bus_message_read(*ret, "h", &s->stream_fd);
        return k < 0 ? k : sd_bus_message_read(*ret, "o", &s->path);
}

static void report(const struct subscriber *s) {
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->events, s->lost, s->signals);
}

/* The daemon answers after it has gone back to what it does without this subscription. */
static int finish(struct subscriber *s, sd_event *loop) {
        if (s->stream_fd >= 0) {
                report(s);
                return sd_event_exit(loop, EXIT_SUCCESS);
        }
        check(sd_bus_call_method(s->bus, BPFMON_BUS_NAME, s->path, BPFMON_SUBSCRIPTION_INTERFACE,
                                 "Close", NULL, NULL, NULL),
              "Close");
        report(s);
        return sd_event_exit(loop, EXIT_SUCCESS);
}

static int on_stdin(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        char buffer[256];
        ssize_t n = read(fd, buffer, sizeof(buffer));

        if (n <= 0)
                return finish(userdata, sd_event_source_get_event(source));
        for (ssize_t i = 0; i < n; i++)
                if (buffer[i] == '\n')
                        report(userdata);
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_event_unrefp) sd_event *loop = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct subscriber s = {.stream_fd = -1};

        setvbuf(stdout, NULL, _IOLBF, 0);
        check(sd_event_default(&loop), "Cannot set up the event loop");
        check(sd_bus_open_system(&bus), "Cannot reach the bus");
        s.bus = bus;
        check(sd_bus_add_filter(bus, NULL, on_message, &s), "Cannot listen");
        check(sd_bus_attach_event(bus, loop, SD_EVENT_PRIORITY_NORMAL), "Cannot listen");
        check(sd_event_add_io(loop, NULL, STDIN_FILENO, EPOLLIN, on_stdin, &s),
              "Cannot listen to stdin");
        check(subscribe(&s, argv + 1, &reply), "Cannot subscribe");
        if (s.stream_fd >= 0) {
                s.data = malloc(READ_BYTES);
                check(s.data ? 0 : -ENOMEM, "Cannot read");
                check(sd_event_add_io(loop, NULL, s.stream_fd, EPOLLIN, on_stream, &s),
                      "Cannot read");
        }
        puts("ready");
        return check(sd_event_loop(loop), "Cannot run the event loop");
}
