/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "clock.h"
#include "inventory-scan.h"
#include "util.h"

enum { LOOK_NSEC = INT64_C(5000000000) /* for one: what is not found by then is left out */ };

/* A scan that several share. */
struct shared {
        struct scan *scan;
        size_t n; /* who hold it */
};

struct look {
        struct inventory *inventory;
        struct look *next;
        uid_t uid;
        unsigned parts;
        uint32_t link;
        look_done done; /* NULL: it has been called */
        void *userdata;
        bool running; /* is part of the look that is being taken */
        struct shared *shared;
};

struct inventory {
        sd_event *loop;
        const struct names *names;
        void (*looked)(const struct scan *scan, void *userdata);
        void *userdata;
        int fd; /* eventfd: the thread is done */
        sd_event_source *source;
        struct look *first;
        bool held;
        bool running;
        pthread_t thread;
        struct scan_question question;
        atomic_bool cancelled;
        struct scan *scan; /* what the thread has found */
        int result;
};

static void *look_around(void *userdata) {
        struct inventory *v = userdata;
        const uint64_t one = 1;

        v->result = scan_new(&v->scan, &v->question);
        /* The counter of an eventfd is never full of ones. */
        if (write(v->fd, &one, sizeof(one)) < 0)
                return NULL;
        return NULL;
}

static int start_thread(struct inventory *v) {
        sigset_t all, before;
        int error;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        error = pthread_create(&v->thread, NULL, look_around, v);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -error;
}

/* Those that wait and can share: one link at a time is looked at closely. */
static bool gather(struct inventory *v) {
        bool any = false;

        v->question = (struct scan_question){.names = v->names, .cancelled = &v->cancelled};
        for (struct look *l = v->first; l; l = l->next) {
                if (!l->done || (l->link && v->question.link && l->link != v->question.link))
                        continue;
                l->running = any = true;
                v->question.parts |= l->parts;
                v->question.link = v->question.link ?: l->link;
        }
        return any;
}

/* Gives those who share the look what came of it. */
static void hand_out(struct inventory *v, int r, struct scan *scan) {
        struct shared *shared = scan ? calloc(1, sizeof(*shared)) : NULL;

        if (scan && !shared) {
                scan_free(scan);
                r = -ENOMEM;
        }
        if (shared) {
                v->looked(scan, v->userdata);
                shared->scan = scan;
                shared->n = 1; /* ours, until all have it */
        }
        /* Who is called may let go of any of them. */
        for (;;) {
                struct look *l = v->first;

                while (l && !(l->running && l->done))
                        l = l->next;
                if (!l)
                        break;
                look_done done = l->done;

                l->done = NULL;
                l->running = false;
                if (shared) {
                        l->shared = shared;
                        shared->n++;
                }
                done(r, shared ? shared->scan : NULL, l->userdata);
        }
        if (shared && --shared->n == 0) {
                scan_free(shared->scan);
                free(shared);
        }
}

static void start(struct inventory *v) {
        int k;

        while (!v->held && !v->running && gather(v)) {
                v->question.deadline = clock_now() + LOOK_NSEC;
                atomic_store(&v->cancelled, false);
                v->scan = NULL;
                k = start_thread(v);
                if (k >= 0)
                        v->running = true;
                else
                        hand_out(v, k, NULL);
        }
}

static void wait_for_thread(struct inventory *v) {
        pthread_join(v->thread, NULL);
        v->running = false;
}

static int on_looked(_unused_ sd_event_source *source, int fd, _unused_ uint32_t events,
                     void *userdata) {
        struct inventory *v = userdata;
        uint64_t count;

        if (read(fd, &count, sizeof(count)) < 0)
                return errno == EAGAIN ? 0 : -errno;
        wait_for_thread(v);
        hand_out(v, v->result, TAKE_PTR(v->scan));
        start(v);
        return 0;
}

int inventory_new(struct inventory **ret, sd_event *loop, const struct names *names,
                  void (*looked)(const struct scan *scan, void *userdata), void *userdata) {
        struct inventory *v = calloc(1, sizeof(*v));
        int k;

        if (!v)
                return -ENOMEM;
        v->loop = sd_event_ref(loop);
        v->names = names;
        v->looked = looked;
        v->userdata = userdata;
        v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        k = v->fd < 0 ? -errno : sd_event_add_io(loop, &v->source, v->fd, EPOLLIN, on_looked, v);
        if (k < 0) {
                inventory_free(v);
                return k;
        }
        *ret = v;
        return 0;
}

struct inventory *inventory_free(struct inventory *v) {
        if (!v)
                return NULL;
        v->held = true;
        if (v->running) {
                atomic_store(&v->cancelled, true);
                wait_for_thread(v);
                scan_free(v->scan); /* whom it would be for may be gone */
        }
        for (struct look *l = v->first; l; l = l->next)
                l->running = true;
        hand_out(v, -ECANCELED, NULL);
        sd_event_source_disable_unref(v->source);
        sd_event_unref(v->loop);
        closep(&v->fd);
        free(v);
        return NULL;
}

void inventory_hold(struct inventory *v, bool hold) {
        v->held = hold;
        start(v);
}

int inventory_look(struct look **ret, struct inventory *v, uid_t uid, unsigned parts, uint32_t link,
                   look_done done, void *userdata) {
        struct look **end = &v->first, *l;
        size_t all = 0, own = 0;

        for (; *end; end = &(*end)->next) {
                all++;
                own += (*end)->uid == uid;
        }
        if (own >= INVENTORY_PENDING_PER_USER)
                return -EDQUOT;
        if (all >= INVENTORY_PENDING)
                return -ENOSPC;
        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->inventory = v;
        l->uid = uid;
        l->parts = parts;
        l->link = link;
        l->done = done;
        l->userdata = userdata;
        *end = *ret = l;
        start(v);
        return 0;
}

struct look *look_free(struct look *l) {
        struct look **link;

        if (!l)
                return NULL;
        for (link = &l->inventory->first; *link != l; link = &(*link)->next)
                ;
        *link = l->next;
        if (l->shared && --l->shared->n == 0) {
                scan_free(l->shared->scan);
                free(l->shared);
                malloc_trim(0); /* thousands of objects are megabytes */
        }
        free(l);
        return NULL;
}
