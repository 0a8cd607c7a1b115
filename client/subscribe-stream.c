/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "subscribe.h"

#include <fcntl.h>
#include <json.h>
#include <string.h>
#include <sys/epoll.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"

/* Ends what the stream was read with. */
void subscribe_close_stream(struct subscribe *s) {
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
                if (subscribe_seen(s, line_seq(line)))
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
        subscribe_show(s, event);
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
int subscribe_drain_stream(struct subscribe *s) {
        int r = 0;

        while (r >= 0 && s->stream_fd >= 0 && s->events < s->options->lines) {
                r = lines_read(&s->lines, s->stream_fd);
                if (r == -EAGAIN || r == 0)
                        break;
                if (r > 0)
                        r = add_lines(s);
        }
        subscribe_close_stream(s);
        return r == -EAGAIN ? 0 : r;
}

/* The daemon answers, so it was not its own end that ended the stream. */
static int on_still_there(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct subscribe *s = userdata;

        s->call = sd_bus_slot_unref(s->call);
        if (sd_bus_message_is_method_error(reply, NULL))
                return 1; /* the bus tells what becomes of it */
        complain("not authorized any more: bpfmond ended the stream");
        return subscribe_finish(s, EXIT_NOT_AUTHORIZED);
}

static int on_stream_end(struct subscribe *s) {
        subscribe_close_stream(s);
        if (!s->owner || s->call) /* the end of a daemon that the bus has told of */
                return 0;

        int r = sd_bus_call_method_async(s->bus, &s->call, s->owner, "/",
                                         "org.freedesktop.DBus.Peer", "Ping", on_still_there, s,
                                         NULL);
        return r < 0 ? subscribe_finish(s, bus_complain(NULL, r)) : 0;
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
                return subscribe_finish(s, EXIT_FAILURE);
        }

        r = subscribe_flush(s);
        if (r == 0 && s->events >= s->options->lines)
                r = subscribe_finish(s, EXIT_SUCCESS);
        return r < 0 ? r : 0;
}

int subscribe_take_stream(struct subscribe *s, sd_bus_message *reply) {
        int fd;

        int r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return r;

        subscribe_close_stream(s);
        if (!s->tokener)
                s->tokener = json_tokener_new();
        if (!s->tokener)
                return -ENOMEM;
        s->stream_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message has the other */
        if (s->stream_fd < 0 || fcntl(s->stream_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return sd_event_add_io(s->loop, &s->stream, s->stream_fd, EPOLLIN, on_lines, s);
}
