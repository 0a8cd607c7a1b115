/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "clock.h"
#include "event-json.h"
#include "event.h"
#include "limit.h"
#include "reader.h"
#include "util.h"

/* A pipe rather than a socket: both are as fast, but nothing can be sent back through a pipe, and
 * whoever reads it can read by lines, blocks or bytes. A reader may resize it, which is bounded by
 * the kernel (fs.pipe-max-size) and costs events of its own.
 *
 * At 300,000 events/s of 400 bytes pipe and buffer together hold what comes in 17 ms while the
 * reader is not scheduled. */
enum {
        PIPE_BYTES = 1024 * 1024,   /* asked for: the kernel may give less */
        BUFFER_BYTES = 1024 * 1024, /* what waits for the pipe */
        /* So much is written at once: the cost of the call no longer counts. */
        WRITE_BYTES = 64 * 1024,
        /* An overrun ends when so small a part of the buffer waits. From there on any event fits:
         * half of the buffer lies behind what waits, or else what waits is moved to the front. */
        READY_SHARE = 4,
        /* Places where events get lost: here, and on their way to us (struct probe_loss): ring,
         * probe, monitor and connections. What has no room is added to the last one. */
        WHERES_MAX = 8,
};

/* What an overrun ends with has room for any event; see READY_SHARE. */
_Static_assert((int) BUFFER_BYTES / 2 > (int) EVENT_JSON_MAX, "an event does not fit");

struct loss {
        const char *where; /* static */
        uint64_t count;
};

struct stream {
        struct reader reader; /* the first member: see from_reader() */
        struct stream_table *table;
        int fd;
        sd_event_source *io;
        char *buffer;
        size_t begin, end; /* what of the buffer waits for the pipe */
        bool blocked;      /* the pipe is full: EPOLLOUT follows */
        bool broken;       /* cannot be written to: ends with the next turn of the loop */
        bool overrun;      /* nothing is taken until there is room for much: gaps are few */
        struct loss losses[WHERES_MAX]; /* not told yet; the first: for want of room here */
};

struct stream_table {
        sd_event *loop;
        struct readers *readers;
        const struct limits *limits;
        struct event *notice; /* the one that tells of a loss */
        uint64_t lost;
};

static struct stream *from_reader(struct reader *r) {
        return (struct stream *) r;
}

/* Moves what waits to the front, where each byte is moved once at most. */
static bool make_room(struct stream *s) {
        size_t waiting = s->end - s->begin;

        if (s->begin == 0 || s->begin < waiting)
                return false;
        memcpy(s->buffer, s->buffer + s->begin, waiting);
        s->begin = 0;
        s->end = waiting;
        return true;
}

static bool append(struct stream *s, const struct event *event, const struct field_set *only) {
        ssize_t n;

        do
                n = event_json(event, only, s->buffer + s->end, BUFFER_BYTES - s->end);
        while (n < 0 && make_room(s));
        if (n < 0)
                return false;
        s->end += (size_t) n;
        return true;
}

static void watch(struct stream *s, bool blocked) {
        if (s->blocked != blocked &&
            sd_event_source_set_io_events(s->io, blocked ? EPOLLOUT : 0) >= 0)
                s->blocked = blocked;
}

/* Writes what the pipe takes. A line that it cut goes on with the next write. */
static void write_out(struct stream *s) {
        while (s->begin < s->end) {
                ssize_t n = write(s->fd, s->buffer + s->begin, s->end - s->begin);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        s->broken = errno != EAGAIN;
                        watch(s, true);
                        return;
                }
                s->begin += (size_t) n;
        }
        s->begin = s->end = 0;
        watch(s, false);
}

static bool append_loss(struct stream *s, const struct loss *loss) {
        struct event *notice = s->table->notice;

        event_reset(notice);
        event_set_u64(notice, FIELD_TIME, clock_usec(CLOCK_REALTIME));
        event_set_static(notice, FIELD_EVENT, "lost");
        event_set_static(notice, FIELD_CLASS, "self");
        event_set_u64(notice, FIELD_LOST_COUNT, loss->count);
        event_set_static(notice, FIELD_LOST_WHERE, loss->where);
        return append(s, notice, NULL);
}

/* Tells what is missing here, before anything that comes after it. False where there is no room. */
static bool tell_losses(struct stream *s) {
        for (size_t i = 0; i < WHERES_MAX; i++)
                if (s->losses[i].count > 0) {
                        if (!append_loss(s, &s->losses[i]))
                                return false;
                        s->losses[i].count = 0;
                }
        return true;
}

/* Whether the buffer takes events. */
static bool ready(struct stream *s) {
        if (s->overrun && s->end - s->begin > BUFFER_BYTES / READY_SHARE)
                return false;
        s->overrun = !tell_losses(s);
        return !s->overrun;
}

static void take_event(struct reader *r, const struct event *event) {
        struct stream *s = from_reader(r);

        if (s->broken)
                return;
        if (!ready(s) || !append(s, event, &s->reader.only)) {
                s->overrun = true;
                s->losses[0].count++;
                s->table->lost++;
                return;
        }
        if (!s->blocked && s->end >= WRITE_BYTES)
                write_out(s);
}

/* Finds the loss by its place, or what is free for it; the last one serves all that are left. */
static struct loss *find_loss(struct stream *s, const char *where) {
        struct loss *l = s->losses + 1;

        while (l < s->losses + WHERES_MAX - 1 && l->count > 0 && strcmp(l->where, where) != 0)
                l++;
        return l;
}

static void take_lost(struct reader *r, const struct event *partial, uint64_t count) {
        const char *where = event_string(partial, FIELD_LOST_WHERE) ?: "ring";
        struct loss *l = find_loss(from_reader(r), where);

        l->where = where;
        l->count += count;
}

static void flush(struct reader *r) {
        struct stream *s = from_reader(r);

        if (s->broken || s->blocked)
                return;
        (void) ready(s);
        write_out(s);
}

static bool holds(const struct reader *r) {
        const struct stream *s = (const struct stream *) r;

        return s->begin < s->end && !s->broken;
}

static void take_revoked(struct reader *r, const char *reason);

static const struct reader_kind kind = {take_event, take_lost, flush, holds, take_revoked};

static struct stream *stream_free(struct stream *s) {
        if (!s)
                return NULL;

        reader_remove(&s->reader);
        sd_event_source_disable_unref(s->io);
        closep(&s->fd);
        free(s->buffer);
        free(s);
        return NULL;
}

DEFINE_CLEANUP(struct stream *, stream_free);

/* Its reader finds the end of the stream. */
static void take_revoked(struct reader *r, _unused_ const char *reason) {
        stream_free(from_reader(r));
}

static int on_io(_unused_ sd_event_source *source, _unused_ int fd, uint32_t events,
                 void *userdata) {
        struct stream *s = userdata;

        if (s->broken ||
            (events & (EPOLLERR | EPOLLHUP))) { /* EPOLLERR: nobody has the other end */
                stream_free(s);
                return 0;
        }
        write_out(s);
        if (!s->broken && !s->blocked)
                flush(&s->reader);
        return 0;
}

DEFINE_CLEANUP(struct stream_table *, stream_table_free);

int stream_table_new(struct stream_table **ret, sd_event *loop, struct readers *readers,
                     const struct limits *limits) {
        _cleanup_(stream_table_freep) struct stream_table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;

        t->loop = sd_event_ref(loop);
        t->readers = readers;
        t->limits = limits;
        t->notice = malloc(sizeof(*t->notice));
        if (!t->notice)
                return -ENOMEM;

        *ret = TAKE_PTR(t);
        return 0;
}

struct stream_table *stream_table_free(struct stream_table *t) {
        if (!t)
                return NULL;

        for (struct reader *r = t->readers->first, *next; r; r = next) {
                next = r->next;
                if (r->kind == &kind)
                        stream_free(from_reader(r));
        }
        sd_event_unref(t->loop);
        free(t->notice);
        free(t);
        return NULL;
}

size_t stream_table_count(const struct stream_table *t) {
        return readers_count(t->readers, &kind);
}

uint64_t stream_table_lost(const struct stream_table *t) {
        return t->lost;
}

/* Ours never blocks; the reader's is a file of its own, which blocks unless the reader says so. */
static int open_pipe(struct stream *s, int *ret_fd) {
        _cleanup_close_ int read_fd = -1;
        int fds[2], flags;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        read_fd = fds[0];
        s->fd = fds[1];
        (void) fcntl(s->fd, F_SETPIPE_SZ, PIPE_BYTES);
        flags = fcntl(s->fd, F_GETFL);
        if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;

        *ret_fd = TAKE_FD(read_fd);
        return 0;
}

int stream_new(struct stream_table *t, const struct permission *permission, struct match *match,
               const struct field_set *only, uint64_t interval, int *ret_fd) {
        _cleanup_(stream_freep) struct stream *s = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (stream_table_count(t) >= t->limits->max[LIMIT_STREAMS])
                return -ENOSPC;
        if (readers_count_of(t->readers, &kind, permission->viewer.uid) >=
            t->limits->max[LIMIT_STREAMS_PER_USER])
                return -EDQUOT;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->table = t;
        s->fd = -1;
        s->losses[0].where = "stream";
        reader_init(&s->reader, &kind, permission, only);
        s->reader.interval = interval;
        s->buffer = malloc(BUFFER_BYTES); /* no memory where nothing was written yet */
        if (!s->buffer)
                return -ENOMEM;

        r = open_pipe(s, &fd);
        if (r < 0)
                return r;
        r = sd_event_add_io(t->loop, &s->io, s->fd, 0, on_io, s);
        if (r < 0)
                return r;

        reader_set_match(&s->reader, match);
        readers_add(t->readers, &s->reader);
        TAKE_PTR(s);
        *ret_fd = TAKE_FD(fd);
        return 0;
}
