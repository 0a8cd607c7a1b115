/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <systemd/sd-event.h>

#include "clock.h"
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
        struct ring_handlers handlers;
        void *userdata;
        sd_event_source *io, *timer, *again;
        volatile unsigned long *consumer;       /* how far is committed: one page, ours to write */
        const volatile unsigned long *producer; /* one page, and behind it the data, twice */
        const uint8_t *data;
        size_t page_size, size;
        unsigned long position; /* how far it was read */
        bool held;
};

static unsigned long ring_end(const struct ring *r) {
        return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

static bool ring_pending(const struct ring *r) {
        return ring_end(r) != r->position;
}

/* The record at the position: its length, or -EAGAIN where it is still being written. Positions and
 * the length are the kernel's, which nobody else can write. Documentation/bpf/ringbuf.rst */
static int ring_next(const struct ring *r, uint32_t *ret_header) {
        const uint32_t *header = (const void *) (r->data + (r->position & (r->size - 1)));
        uint32_t h = __atomic_load_n(header, __ATOMIC_ACQUIRE);

        if (h & BPF_RINGBUF_BUSY_BIT)
                return -EAGAIN;
        *ret_header = h;
        return 0;
}

/* Reads up to `max` records. Returns how many. */
static unsigned ring_read(struct ring *r, unsigned max) {
        unsigned long end = ring_end(r);
        unsigned n = 0;
        uint32_t header;

        while (n < max && r->position != end && ring_next(r, &header) >= 0) {
                size_t size = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT),
                       room = (size + BPF_RINGBUF_HDR_SZ + 7) & ~(size_t) 7;
                const uint8_t *record = r->data + (r->position & (r->size - 1)) +
                                        BPF_RINGBUF_HDR_SZ;

                if (room > end - r->position)
                        break;
                if (!(header & BPF_RINGBUF_DISCARD_BIT))
                        r->handlers.record(record, size, r->userdata);
                r->position += room;
                n++;
                if (r->position == end)
                        end = ring_end(r);
        }
        return n;
}

/* Counts from now, not from when the loop's turn began: after a long turn the timer would fire at
 * once, before records that wake nobody have come. */
static int ring_arm(struct ring *r) {
        int k = sd_event_source_set_time(r->timer, clock_usec(CLOCK_MONOTONIC) + TIMER_USEC);

        return k < 0 ? k : sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

/* Nothing is read, unless there is too much for that. */
static int ring_wait(struct ring *r) {
        if (ring_end(r) - r->position <= r->size / 2)
                return ring_arm(r);
        r->handlers.pressed(r->userdata);
        return 0;
}

static int ring_turn(struct ring *r) {
        unsigned n;
        int k;

        if (r->held)
                return ring_wait(r);
        n = ring_read(r, TURN_RECORDS);
        r->handlers.drained(r->userdata);

        /* A record that another CPU has reserved and not yet sent holds up those behind it. */
        if (n > 0 || ring_pending(r)) {
                k = ring_arm(r);
                if (k < 0)
                        return k;
        }
        return n == TURN_RECORDS ? sd_event_source_set_enabled(r->again, SD_EVENT_ONESHOT) : 0;
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

static int ring_map(struct ring *r, int map_fd) {
        struct bpf_map_info info = {};
        uint32_t size = sizeof(info);
        void *p;

        if (bpf_obj_get_info_by_fd(map_fd, &info, &size) < 0)
                return -errno;
        if (info.type != BPF_MAP_TYPE_RINGBUF || info.max_entries == 0 ||
            (info.max_entries & (info.max_entries - 1)))
                return -EINVAL;
        r->size = info.max_entries;
        r->page_size = (size_t) sysconf(_SC_PAGESIZE);
        p = mmap(NULL, r->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        r->consumer = p;
        p = mmap(NULL, r->page_size + 2 * r->size, PROT_READ, MAP_SHARED, map_fd,
                 (off_t) r->page_size);
        if (p == MAP_FAILED)
                return -errno;
        r->producer = p;
        r->data = (const uint8_t *) p + r->page_size;
        return 0;
}

/* Where to begin: what was committed is gone, and what comes later is not there yet. */
static unsigned long ring_begin(const struct ring *r, uint64_t from) {
        unsigned long committed = __atomic_load_n(r->consumer, __ATOMIC_RELAXED);

        return from - committed <= ring_end(r) - committed ? from : committed;
}

DEFINE_CLEANUP(struct ring *, ring_free);

int ring_new(struct ring **ret, int map_fd, uint64_t from, struct sd_event *loop,
             const struct ring_handlers *handlers, void *userdata) {
        _cleanup_(ring_freep) struct ring *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;
        r->handlers = *handlers;
        r->userdata = userdata;
        k = ring_map(r, map_fd);
        if (k < 0)
                return k;
        r->position = ring_begin(r, from);
        /* By its edges: what is read and not committed stays ready. */
        k = sd_event_add_io(loop, &r->io, map_fd, EPOLLIN | EPOLLET, ring_on_io, r);
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

bool ring_drain_all(struct ring *r) {
        const unsigned long end = ring_end(r);
        unsigned long before;

        do {
                before = r->position;
                (void) ring_turn(r);
        } while (r->position != before && (long) (end - r->position) > 0);
        return (long) (end - r->position) <= 0;
}

uint64_t ring_position(const struct ring *r) {
        return r->position;
}

bool ring_presses(const struct ring *r) {
        return r->position - *r->consumer > r->size / 4;
}

void ring_commit(struct ring *r) {
        __atomic_store_n(r->consumer, r->position, __ATOMIC_RELEASE);
}

void ring_hold(struct ring *r, bool hold) {
        r->held = hold;
        if (!hold)
                (void) sd_event_source_set_enabled(r->again, SD_EVENT_ONESHOT);
}

struct ring *ring_free(struct ring *r) {
        if (!r)
                return NULL;
        sd_event_source_disable_unref(r->io);
        sd_event_source_disable_unref(r->timer);
        sd_event_source_disable_unref(r->again);
        if (r->consumer)
                munmap((void *) r->consumer, r->page_size);
        if (r->producer)
                munmap((void *) r->producer, r->page_size + 2 * r->size);
        free(r);
        return NULL;
}
