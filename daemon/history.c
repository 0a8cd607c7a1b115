/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "clock.h"
#include "event.h"
#include "history-aside.h"
#include "history-flat.h"
#include "history-store.h"
#include "log.h"
#include "seen.h"
#include "severity.h"
#include "util.h"

#define SECOND UINT64_C(1000000)

enum {
        QUEUE_BYTES = 64 << 20,
        SEGMENT_ROWS = 1 << 17,
        WAKE_BYTES = 1 << 20,   /* that are written without waiting for more */
        KEEP_BYTES = 4 << 20,   /* of memory, from one batch to the next */
        COMMIT_ROWS = 50000,    /* in one transaction */
        BATCH_USEC = 500000,    /* that an event waits for others */
        RETRY_USEC = 10000000,  /* between attempts to open the file */
        RETAIN_USEC = 60000000, /* between looks at what is too old */
        START_USEC = 5000000,   /* that the start waits for the file */
        NOTES_MAX = 8,          /* that wait to be logged */
        PAIRS_MAX = 2 * SEEN_MAX,
};

/* What the writer has to say: it does not log itself, that is for the loop's thread. */
struct note {
        int level;
        char text[512];
};

struct history {
        struct history_options options;
        char *path;
        int fd; /* eventfd: there are notes */
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t work;     /* for the writer */
        pthread_cond_t progress; /* for those who wait for it */
        /* Below the lock. */
        struct bytes queue;
        uint64_t offered, taken, finished; /* events */
        uint64_t lost, stored, size;
        uint64_t last_seq, last_time;
        bool opened, working, stop, hurry;
        struct note notes[NOTES_MAX];
        size_t n_notes;
        struct bytes seen;  /* struct seen_pair: what the file had when it was opened */
        struct bytes pairs; /* struct seen_pair: to be kept */
        bool seen_news;
        /* The writer's own. */
        struct store *store;
        struct event *event;
        struct event *own_event; /* not the writer's: of who offers */
        uint64_t told_lost;      /* how many of `lost` the file tells of */
        uint64_t retry, retain;
        int complained; /* result code that was logged last */
};

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t usec) {
        const struct timespec t = {(time_t) (usec / SECOND), (long) (usec % SECOND) * 1000};

        (void) pthread_cond_timedwait(cond, lock, &t);
}

static void wake_loop(struct history *h) {
        const uint64_t one = 1;

        if (write(h->fd, &one, sizeof(one)) < 0)
                return; /* it is readable as it is */
}

static void _printf_(3, 4) note(struct history *h, int level, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        pthread_mutex_lock(&h->lock);
        if (h->n_notes < NOTES_MAX) {
                struct note *n = &h->notes[h->n_notes++];

                n->level = level;
                vsnprintf(n->text, sizeof(n->text), format, arguments);
        }
        pthread_mutex_unlock(&h->lock);
        va_end(arguments);
        wake_loop(h);
}

int history_fd(const struct history *h) {
        return h->fd;
}

void history_report(struct history *h) {
        struct note notes[NOTES_MAX];
        uint64_t count;

        if (read(h->fd, &count, sizeof(count)) < 0)
                return;
        pthread_mutex_lock(&h->lock);
        size_t n = h->n_notes;
        memcpy(notes, h->notes, n * sizeof(notes[0]));
        h->n_notes = 0;
        pthread_mutex_unlock(&h->lock);
        for (size_t i = 0; i < n; i++)
                log_message(notes[i].level, NULL, NULL, "%s", notes[i].text);
}

/* Says once what is wrong until it is well again. */
static void complain(struct history *h, int rc, const char *what) {
        if (h->complained == rc)
                return;
        h->complained = rc;
        note(h, LOG_WARNING,
             "History %s: %s: %s; watching goes on, events are not kept until it works again",
             h->path, what, sqlite3_errstr(rc));
}

static void set_working(struct history *h, bool working) {
        pthread_mutex_lock(&h->lock);
        h->working = working;
        h->size = h->store ? (uint64_t) store_size(h->store) : 0;
        pthread_mutex_unlock(&h->lock);
}

static void tell_opened(struct history *h) {
        pthread_mutex_lock(&h->lock);
        if (!h->opened && h->store) {
                h->last_seq = store_last_seq(h->store);
                h->last_time = store_last_time(h->store);
        }
        h->opened = true;
        pthread_cond_broadcast(&h->progress);
        pthread_mutex_unlock(&h->lock);
}

/* Takes out what the file says was seen. That the table can't be read is told when it is written.
 */
static void take_seen(struct history *h) {
        _cleanup_bytes_ struct bytes seen = {};

        (void) store_seen(h->store, &seen);
        pthread_mutex_lock(&h->lock);
        struct bytes before = h->seen;
        h->seen = seen;
        seen = before;
        h->seen_news = true;
        pthread_mutex_unlock(&h->lock);
        wake_loop(h);
}

/* Lets go of the file; it is tried again after a while, or at once where it was set aside. */
static void give_up(struct history *h, int rc, enum schema_state state) {
        static const char *const reasons[] = {
                [SCHEMA_FOREIGN] = "it is not a history of bpfmond",
                [SCHEMA_NEWER] = "a newer bpfmond wrote it",
                [SCHEMA_BROKEN] = "it is damaged",
        };

        char aside[4096];

        h->store = store_close(h->store, false);
        h->retry = clock_usec(CLOCK_MONOTONIC) + RETRY_USEC;
        if (state == SCHEMA_GOOD || state == SCHEMA_EMPTY) {
                complain(h, rc, "cannot be written");
        } else if (history_set_aside(h->path, aside, sizeof(aside)) >= 0) {
                note(h, LOG_WARNING, "History %s: %s; it is now %s, and a new one begins", h->path,
                     reasons[state], aside);
                h->retry = 0;
        } else {
                complain(h, rc, reasons[state]);
        }
        set_working(h, false);
}

static void try_open(struct history *h) {
        /* After what was set aside a new file must do. */
        for (int attempt = 0; !h->store && attempt < 2; attempt++) {
                enum schema_state state;

                if (clock_usec(CLOCK_MONOTONIC) < h->retry)
                        return;
                int rc = store_open(&h->store, &h->options, &state);
                if (rc == SQLITE_OK && state == SCHEMA_GOOD) {
                        take_seen(h);
                        tell_opened(h); /* before all of it is read, which may take long */
                        rc = store_check(h->store, &state);
                }
                if (rc != SQLITE_OK || state != SCHEMA_GOOD) {
                        give_up(h, rc, state);
                        continue;
                }
                if (h->complained)
                        note(h, LOG_INFO, "History %s: works again", h->path);
                h->complained = SQLITE_OK;
                set_working(h, true);
        }
}

/* What we write contradicts nothing but a file that somebody has changed. */
static enum schema_state state_of(int rc) {
        return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_CONSTRAINT
                       ? SCHEMA_BROKEN
                       : SCHEMA_GOOD;
}

static void make_lost(struct event *e, const char *where, uint64_t count) {
        event_reset(e);
        event_set_u64(e, FIELD_TIME, clock_usec(CLOCK_REALTIME));
        event_set_static(e, FIELD_EVENT, "lost");
        event_set_static(e, FIELD_CLASS, "self");
        event_set_static(e, FIELD_SEVERITY, "warning");
        event_set_u64(e, FIELD_LOST_COUNT, count);
        event_set_static(e, FIELD_LOST_WHERE, where);
}

static uint64_t count_lost(struct history *h, uint64_t count) {
        pthread_mutex_lock(&h->lock);
        uint64_t lost = h->lost += count;
        pthread_mutex_unlock(&h->lock);
        return lost;
}

/* Ends a transaction of `n` events. */
static int commit(struct history *h, uint64_t *n, uint64_t lost) {
        int rc = store_commit(h->store);

        if (rc != SQLITE_OK)
                return rc;
        h->told_lost = lost;
        pthread_mutex_lock(&h->lock);
        h->stored += *n;
        pthread_mutex_unlock(&h->lock);
        *n = 0;
        return rc;
}

/* Writes events; returns how many of them could not be. */
static uint64_t write_batch(struct history *h, const struct bytes *batch, uint64_t count) {
        struct bytes_reader r = bytes_reader(batch->data, batch->n);
        uint64_t pending = 0, done = 0, lost = count_lost(h, 0);
        int rc = SQLITE_OK;

        /* The file tells of what it lacks. */
        if (lost > h->told_lost) {
                make_lost(h->event, "store", lost - h->told_lost);
                rc = store_add(h->store, h->event);
        }
        for (; rc == SQLITE_OK && bytes_left(&r) > 0 && flat_take(&r, h->event) >= 0; done++) {
                rc = store_add(h->store, h->event);
                pending++;
                if (rc == SQLITE_OK && pending >= COMMIT_ROWS)
                        rc = commit(h, &pending, lost);
        }
        if (rc == SQLITE_OK)
                rc = commit(h, &pending, lost);
        if (rc != SQLITE_OK)
                give_up(h, rc, state_of(rc));
        return rc == SQLITE_OK ? count - done : count - done + pending;
}

static void write_pairs(struct history *h) {
        _cleanup_bytes_ struct bytes pairs = {};

        pthread_mutex_lock(&h->lock);
        pairs = h->pairs;
        h->pairs = (struct bytes){};
        pthread_mutex_unlock(&h->lock);
        if (pairs.n == 0 || !h->store)
                return; /* when it is opened again, all of them come again */

        int rc = store_keep_seen(h->store, (const void *) pairs.data,
                                 pairs.n / sizeof(struct seen_pair));
        if (rc != SQLITE_OK)
                give_up(h, rc, state_of(rc));
}

static void retain(struct history *h) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC);

        if (!h->store || now < h->retain)
                return;
        h->retain = now + RETAIN_USEC;

        int rc = store_retain(h->store, clock_usec(CLOCK_REALTIME));
        if (rc != SQLITE_OK)
                give_up(h, rc, state_of(rc));
        else
                set_working(h, true);
}

/* Somebody moved the file away or put another in its place: what is written would be lost. */
static void check_place(struct history *h) {
        if (!h->store || store_in_place(h->store))
                return;

        note(h, LOG_WARNING,
             "History %s: the file was replaced or removed; going on with what is there now",
             h->path);
        h->store = store_close(h->store, false);
        h->retry = 0;
}

/* Waits for work; takes all that there is. Returns how many events, below the lock. */
static uint64_t take_batch(struct history *h, struct bytes *batch) {
        uint64_t deadline = 0, idle = clock_usec(CLOCK_MONOTONIC) + RETRY_USEC;

        while (!h->stop && !h->hurry && h->queue.n < WAKE_BYTES) {
                uint64_t now = clock_usec(CLOCK_MONOTONIC);

                if (h->queue.n > 0 && deadline == 0)
                        deadline = now + BATCH_USEC;
                if (deadline > 0 ? now >= deadline : now >= idle)
                        break;
                wait_until(&h->work, &h->lock, deadline > 0 ? deadline : idle);
        }

        struct bytes empty = *batch;
        *batch = h->queue;
        h->queue = empty;
        bytes_reset(&h->queue);
        h->hurry = false;

        uint64_t n = h->offered - h->taken;
        h->taken = h->offered;
        return n;
}

static void finish_batch(struct history *h, struct bytes *batch, uint64_t n) {
        if (batch->size > KEEP_BYTES)
                bytes_done(batch);
        pthread_mutex_lock(&h->lock);
        h->finished += n;
        pthread_cond_broadcast(&h->progress);
        pthread_mutex_unlock(&h->lock);
}

static void *write_all(void *userdata) {
        struct history *h = userdata;
        struct bytes batch = {};
        bool stop = false;

        try_open(h);
        tell_opened(h);
        while (!stop) {
                pthread_mutex_lock(&h->lock);
                uint64_t n = take_batch(h, &batch);
                stop = h->stop;
                pthread_mutex_unlock(&h->lock);

                check_place(h);
                if (!h->store)
                        try_open(h);
                if (n > 0)
                        count_lost(h, h->store ? write_batch(h, &batch, n) : n);
                write_pairs(h);
                retain(h);
                finish_batch(h, &batch, n);
        }

        bytes_done(&batch);
        h->store = store_close(h->store, true);
        return NULL;
}

/* Signals are for the thread that runs the loop. */
static int start_thread(struct history *h) {
        sigset_t all, before;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int error = pthread_create(&h->thread, NULL, write_all, h);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -error;
}

static void history_done(struct history *h) {
        bytes_done(&h->queue);
        bytes_done(&h->seen);
        bytes_done(&h->pairs);
        pthread_cond_destroy(&h->work);
        pthread_cond_destroy(&h->progress);
        pthread_mutex_destroy(&h->lock);
        if (h->fd >= 0)
                close(h->fd);
        free(h->event);
        free(h->own_event);
        free(h->path);
        free(h);
}

int history_new(struct history **ret, const struct history_options *options) {
        struct history *h = calloc(1, sizeof(*h));
        pthread_condattr_t monotonic;

        if (!h)
                return -ENOMEM;
        schema_prepare_library();
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&h->work, &monotonic);
        pthread_cond_init(&h->progress, &monotonic);
        pthread_condattr_destroy(&monotonic);
        pthread_mutex_init(&h->lock, NULL);
        h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        h->options = *options;
        h->path = strdup(options->path);
        h->options.path = h->path;
        h->options.max_size = options->max_size ?: UINT64_C(1) << 30;
        h->options.queue_bytes = options->queue_bytes ?: QUEUE_BYTES;
        h->options.segment_rows = options->segment_rows ?: SEGMENT_ROWS;
        h->event = malloc(sizeof(*h->event));
        h->own_event = malloc(sizeof(*h->own_event));
        int r = h->fd < 0 ? -errno : h->path && h->event && h->own_event ? 0 : -ENOMEM;
        if (r >= 0 && sd_id128_equal(options->boot, SD_ID128_NULL))
                r = sd_id128_get_boot(&h->options.boot);
        if (r >= 0)
                r = start_thread(h);
        if (r < 0) {
                history_done(h);
                return r;
        }

        *ret = h;
        return 0;
}

struct history *history_free(struct history *h) {
        if (!h)
                return NULL;

        pthread_mutex_lock(&h->lock);
        h->stop = true;
        pthread_cond_signal(&h->work);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
        history_report(h);
        history_done(h);
        return NULL;
}

uint64_t history_last_seq(struct history *h) {
        uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + START_USEC;

        pthread_mutex_lock(&h->lock);
        while (!h->opened && clock_usec(CLOCK_MONOTONIC) < deadline)
                wait_until(&h->progress, &h->lock, deadline);
        uint64_t last = h->last_seq;
        pthread_mutex_unlock(&h->lock);
        return last;
}

uint64_t history_last_time(struct history *h) {
        pthread_mutex_lock(&h->lock);
        uint64_t last = h->last_time;
        pthread_mutex_unlock(&h->lock);
        return last;
}

static bool is_kept(const struct event *e) {
        const char *class = event_string(e, FIELD_CLASS);

        if (!class || (strcmp(class, "use") != 0 && strcmp(class, "look") != 0))
                return true;
        return event_has(e, FIELD_CALLS) || severity_alerts(e);
}

void history_offer(struct history *h, const struct event *e) {
        if (!is_kept(e))
                return;

        pthread_mutex_lock(&h->lock);
        size_t before = h->queue.n;
        if (before < h->options.queue_bytes)
                flat_put(&h->queue, e);
        if (before >= h->options.queue_bytes || h->queue.failed) {
                h->queue.n = before;
                h->queue.failed = false;
                h->lost++;
        } else {
                h->offered++;
                if (before == 0 || (before < WAKE_BYTES && h->queue.n >= WAKE_BYTES))
                        pthread_cond_signal(&h->work);
        }
        pthread_mutex_unlock(&h->lock);
}

void history_lost(struct history *h, const char *class, const char *where, uint64_t count) {
        make_lost(h->own_event, where, count);
        if (class && strcmp(class, "traffic") == 0)
                event_set_static(h->own_event, FIELD_CLASS, "traffic");
        history_offer(h, h->own_event);
}

int history_seen(struct history *h, void (*pair)(const struct seen_pair *p, void *userdata),
                 void *userdata) {
        _cleanup_bytes_ struct bytes seen = {};

        pthread_mutex_lock(&h->lock);
        bool news = h->seen_news;
        h->seen_news = false;
        seen = h->seen;
        h->seen = (struct bytes){};
        pthread_mutex_unlock(&h->lock);
        for (size_t i = 0; i < seen.n / sizeof(struct seen_pair); i++)
                pair(&((const struct seen_pair *) seen.data)[i], userdata);
        return news;
}

void history_keep_seen(struct history *h, const struct seen_pair *pair) {
        pthread_mutex_lock(&h->lock);
        if (h->pairs.n < PAIRS_MAX * sizeof(*pair))
                bytes_put(&h->pairs, pair, sizeof(*pair));
        pthread_mutex_unlock(&h->lock);
}

uint64_t history_mark(struct history *h) {
        pthread_mutex_lock(&h->lock);
        uint64_t mark = h->offered;
        pthread_mutex_unlock(&h->lock);
        return mark;
}

void history_wait(struct history *h, uint64_t mark, uint64_t usec) {
        uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + usec;

        pthread_mutex_lock(&h->lock);
        while (h->finished < mark && clock_usec(CLOCK_MONOTONIC) < deadline) {
                if (h->taken < mark && !h->hurry) {
                        h->hurry = true;
                        pthread_cond_signal(&h->work);
                }
                wait_until(&h->progress, &h->lock, deadline);
        }
        pthread_mutex_unlock(&h->lock);
}

void history_status(struct history *h, struct history_status *ret) {
        pthread_mutex_lock(&h->lock);
        *ret = (struct history_status){h->stored, h->lost, h->size, h->working};
        pthread_mutex_unlock(&h->lock);
}

const char *history_path(const struct history *h) {
        return h->path;
}
