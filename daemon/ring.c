/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/libbpf.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <systemd/sd-event.h>

#include "ring.h"
#include "util.h"

enum {
        /* Records of one turn: the loop serves the bus between two turns. */
        TURN_RECORDS = 1024,
        /* The kernel side wakes us after a silence of 1 ms and when much is pending; what comes in
         * between waits for this timer. */
        TIMER_USEC = 5000,
        TIMER_ACCURACY_USEC = 1000,
};

struct ring {
        struct ring_buffer *buffer;
        struct ring_handlers handlers;
        void *userdata;
        sd_event_source *io, *timer, *again;
        const unsigned long *consumer, *producer; /* positions, one page each */
        size_t page_size;
        unsigned left; /* records that this turn may still read */
};

static int ring_record(void *userdata, void *data, size_t size) {
        struct ring *r = userdata;

        r->handlers.record(data, size, r->userdata);
        return --r->left > 0 ? 0 : -EAGAIN;
}

static bool ring_pending(const struct ring *r) {
        return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) !=
               __atomic_load_n(r->consumer, __ATOMIC_RELAXED);
}

/* Counts from now, not from when the loop's turn began: after a long turn the timer would fire at
 * once, before records that wake nobody have come. */
static int ring_arm(struct ring *r) {
        struct timespec now;
        uint64_t usec;
        int k;

        clock_gettime(CLOCK_MONOTONIC, &now);
        usec = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000 + TIMER_USEC;
        k = sd_event_source_set_time(r->timer, usec);
        return k < 0 ? k : sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

static int ring_turn(struct ring *r) {
        int consumed, k;

        r->left = TURN_RECORDS;
        consumed = ring_buffer__consume(r->buffer); /* negative where the turn ended first */
        r->handlers.drained(r->userdata);

        /* A record that another CPU has reserved and not yet sent holds up those behind it. */
        if (consumed != 0 || ring_pending(r)) {
                k = ring_arm(r);
                if (k < 0)
                        return k;
        }
        return r->left == 0 ? sd_event_source_set_enabled(r->again, SD_EVENT_ONESHOT) : 0;
}

static int ring_on_io(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t events,
                      void *userdata) {
        return ring_turn(userdata);
}

static int ring_on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        return ring_turn(userdata);
}

static int ring_on_again(_unused_ sd_event_source *s, void *userdata) {
        return ring_turn(userdata);
}

static int ring_map_positions(struct ring *r, int map_fd) {
        void *p;

        r->page_size = (size_t) sysconf(_SC_PAGESIZE);
        p = mmap(NULL, r->page_size, PROT_READ, MAP_SHARED, map_fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        r->consumer = p;
        p = mmap(NULL, r->page_size, PROT_READ, MAP_SHARED, map_fd, (off_t) r->page_size);
        if (p == MAP_FAILED)
                return -errno;
        r->producer = p;
        return 0;
}

DEFINE_CLEANUP(struct ring *, ring_free);

int ring_new(struct ring **ret, int map_fd, struct sd_event *loop,
             const struct ring_handlers *handlers, void *userdata) {
        _cleanup_(ring_freep) struct ring *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;
        r->handlers = *handlers;
        r->userdata = userdata;
        r->buffer = ring_buffer__new(map_fd, ring_record, r, NULL);
        if (!r->buffer)
                return -errno;
        k = ring_map_positions(r, map_fd);
        if (k < 0)
                return k;
        k = sd_event_add_io(loop, &r->io, ring_buffer__epoll_fd(r->buffer), EPOLLIN, ring_on_io, r);
        if (k < 0)
                return k;
        k = sd_event_add_time_relative(loop, &r->timer, CLOCK_MONOTONIC, TIMER_USEC,
                                       TIMER_ACCURACY_USEC, ring_on_timer, r);
        if (k < 0)
                return k;
        k = sd_event_add_defer(loop, &r->again, ring_on_again, r);
        if (k < 0)
                return k;
        k = sd_event_source_set_enabled(r->again, SD_EVENT_OFF);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

void ring_drain(struct ring *r) {
        (void) ring_turn(r);
}

struct ring *ring_free(struct ring *r) {
        if (!r)
                return NULL;
        sd_event_source_disable_unref(r->io);
        sd_event_source_disable_unref(r->timer);
        sd_event_source_disable_unref(r->again);
        ring_buffer__free(r->buffer);
        if (r->consumer)
                munmap((void *) r->consumer, r->page_size);
        if (r->producer)
                munmap((void *) r->producer, r->page_size);
        free(r);
        return NULL;
}
