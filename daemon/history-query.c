/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-query.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

#include "clock.h"
#include "event.h"
#include "history-flat.h"
#include "history.h"
#include "match.h"
#include "timer.h"
#include "util.h"

enum {
        SLICE_ROWS = 256, /* handed out before other things have their turn */
        SYNC_USEC = 3000000,
};

const struct query_limits query_limits_default = {
        .running = 2,
        .total = 32,
        .per_user = 8,
        .seconds = 30,
};

enum stage { STAGE_WAITING, STAGE_RUNNING, STAGE_HANDING };

struct query {
        struct queries *queries;
        struct query *next;
        enum stage stage;
        struct history_question question;
        struct match *match; /* owned; the question borrows it */
        char cursor[HISTORY_CURSOR_MAX];
        uint64_t mark;
        const struct query_handlers *handlers; /* NULL: cancelled */
        void *userdata;
        pthread_t thread;
        atomic_bool cancelled;
        atomic_bool answered; /* the thread is done with all of this */
        int result;
        struct history_answer answer;
        struct bytes_reader rows;
        sd_event_source *slice;
};

struct queries {
        struct history *history;
        sd_event *loop;
        const struct query_limits *limits;
        int fd; /* eventfd: a thread has answered */
        sd_event_source *source;
        struct query *first;
        struct event *event;
};

static void query_free(struct query *query) {
        struct query **link = &query->queries->first;

        while (*link != query)
                link = &(*link)->next;
        *link = query->next;
        sd_event_source_disable_unref(query->slice);
        history_answer_done(&query->answer);
        match_free(query->match);
        free(query);
}

static void *answer(void *userdata) {
        struct query *query = userdata;
        const struct queries *q = query->queries;
        const uint64_t one = 1;
        int fd = q->fd;

        history_wait(q->history, query->mark, SYNC_USEC);
        query->result = history_read(history_path(q->history), &query->question, &query->answer);
        atomic_store(&query->answered, true);
        /* The counter of an eventfd is never full of ones. */
        if (write(fd, &one, sizeof(one)) < 0)
                return NULL;
        return NULL;
}

/* Starts what waits, the oldest first, as far as there is room. */
static void start(struct queries *q) {
        size_t running = 0;

        for (struct query *query = q->first; query; query = query->next)
                running += query->stage == STAGE_RUNNING;
        for (struct query *query = q->first; query && running < q->limits->running;
             query = query->next) {
                sigset_t all, before;

                if (query->stage != STAGE_WAITING)
                        continue;
                query->question.deadline = clock_now() + q->limits->seconds * 1000000000;
                sigfillset(&all);
                pthread_sigmask(SIG_SETMASK, &all, &before);
                int error = pthread_create(&query->thread, NULL, answer, query);
                pthread_sigmask(SIG_SETMASK, &before, NULL);
                if (error)
                        return; /* again when one ends, or the next comes */
                query->stage = STAGE_RUNNING;
                running++;
        }
}

static void finish(struct query *query, int r) {
        if (query->handlers)
                query->handlers->done(r, &query->answer, query->userdata);
        query_free(query);
}

/* Hands some rows out. */
static int on_slice(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct query *query = userdata;
        struct event *e = query->queries->event;
        bool more;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < SLICE_ROWS && bytes_left(&query->rows) > 0; i++) {
                r = flat_take(&query->rows, e);
                if (r >= 0)
                        r = query->handlers->row(e, query->userdata);
        }
        more = r >= 0 && bytes_left(&query->rows) > 0;
        if (more)
                r = turn_wait(&query->slice, query->queries->loop, on_slice, query);
        if (r < 0 || !more)
                finish(query, MIN(r, 0));
        return 0;
}

static void hand_out(struct query *query) {
        int r = query->result;

        query->stage = STAGE_HANDING;
        query->rows = bytes_reader(query->answer.rows.data, query->answer.rows.n);
        if (r >= 0 && query->handlers)
                r = turn_wait(&query->slice, query->queries->loop, on_slice, query);
        if (r < 0 || !query->handlers)
                finish(query, r);
}

static int on_answered(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                       void *userdata) {
        struct queries *q = userdata;
        uint64_t count;

        if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
                return -errno;
        for (struct query *query = q->first, *next; query; query = next) {
                next = query->next;
                if (query->stage != STAGE_RUNNING || !atomic_load(&query->answered))
                        continue;
                pthread_join(query->thread, NULL);
                hand_out(query);
        }
        start(q);
        return 0;
}

int queries_new(struct queries **ret, struct history *history, sd_event *loop,
                const struct query_limits *limits) {
        struct queries *q = calloc(1, sizeof(*q));
        int r;

        if (!q)
                return -ENOMEM;
        q->history = history;
        q->loop = sd_event_ref(loop);
        q->limits = limits;
        q->event = malloc(sizeof(*q->event));
        q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = q->fd < 0 ? -errno : q->event ? 0 : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_io(loop, &q->source, q->fd, EPOLLIN, on_answered, q);
        if (r < 0) {
                queries_free(q);
                return r;
        }

        *ret = q;
        return 0;
}

struct queries *queries_free(struct queries *q) {
        if (!q)
                return NULL;

        for (struct query *query = q->first; query; query = query->next)
                atomic_store(&query->cancelled, true);
        while (q->first) {
                if (q->first->stage == STAGE_RUNNING)
                        pthread_join(q->first->thread, NULL);
                finish(q->first, -ECANCELED);
        }
        sd_event_source_disable_unref(q->source);
        sd_event_unref(q->loop);
        if (q->fd >= 0)
                close(q->fd);
        free(q->event);
        free(q);
        return NULL;
}

int query_new(struct query **ret, struct queries *q, const struct history_question *question,
              const struct query_handlers *handlers, void *userdata) {
        size_t total = 0, own = 0;
        struct query **end = &q->first;

        for (; *end; end = &(*end)->next) {
                total++;
                own += (*end)->question.viewer.uid == question->viewer.uid;
        }
        if (own >= q->limits->per_user)
                return -EDQUOT;
        if (total >= q->limits->total)
                return -ENOSPC;

        struct query *query = calloc(1, sizeof(*query));
        if (!query)
                return -ENOMEM;
        query->queries = q;
        query->question = *question;
        query->match = (struct match *) question->match;
        query->question.cancelled = &query->cancelled;
        if (question->cursor) {
                snprintf(query->cursor, sizeof(query->cursor), "%s", question->cursor);
                query->question.cursor = query->cursor;
        }
        query->mark = history_mark(q->history);
        query->handlers = handlers;
        query->userdata = userdata;
        *end = query;
        start(q);
        if (ret)
                *ret = query;
        return 0;
}

void query_cancel(struct query *query) {
        atomic_store(&query->cancelled, true);
        query->handlers = NULL;
        if (query->stage != STAGE_RUNNING)
                query_free(query);
}
