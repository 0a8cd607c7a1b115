/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loader.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "kernel-side.h"
#include "util.h"

struct loader {
        struct loader_order order;
        pthread_t thread;
        bool running; /* until it was joined */
        int result;   /* the thread's, until then */
        int fd;       /* eventfd: it is at its end */
        sd_event_source *source;
        void (*done)(int result, void *userdata);
        void *userdata;
};

static void *load(void *userdata) {
        struct loader *l = userdata;
        const struct loader_order *o = &l->order;
        const uint64_t one = 1;

        l->result = kernel_side_load(o->kernel, o->options, o->kprobes, o->cpus, o->handover);
        (void) !write(l->fd, &one, sizeof(one)); /* cannot fail: nobody else writes */
        return NULL;
}

static void join(struct loader *l) {
        if (l->running)
                (void) pthread_join(l->thread, NULL);
        l->running = false;
}

static int on_end(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t events,
                  void *userdata) {
        struct loader *l = userdata;

        join(l);
        l->source = sd_event_source_disable_unref(l->source);
        l->done(l->result, l->userdata); /* may free it */
        return 0;
}

struct loader *loader_free(struct loader *l) {
        if (!l)
                return NULL;

        join(l);
        sd_event_source_disable_unref(l->source);
        closep(&l->fd);
        free(l);
        return NULL;
}

DEFINE_CLEANUP(struct loader *, loader_free);

int loader_new(struct loader **ret, sd_event *loop, const struct loader_order *order,
               void (*done)(int result, void *userdata), void *userdata) {
        _cleanup_(loader_freep) struct loader *l = calloc(1, sizeof(*l));
        int k;

        if (!l)
                return -ENOMEM;

        l->order = *order;
        l->done = done;
        l->userdata = userdata;
        l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (l->fd < 0)
                return -errno;
        k = sd_event_add_io(loop, &l->source, l->fd, EPOLLIN, on_end, l);
        if (k < 0)
                return k;
        k = -pthread_create(&l->thread, NULL, load, l);
        if (k < 0)
                return k;
        l->running = true;
        *ret = TAKE_PTR(l);
        return 0;
}
