/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that are unloaded, as perf tells it: PERF_RECORD_BPF_EVENT, one ring a processor. Loads
 * are known from bpf(). A hook of the kernel side knows more of an unload, and its record comes
 * first; but the kernel leaves out a program where it would interrupt another one. */

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <systemd/sd-event.h>

#include "monitor-kind.h"
#include "probe.h"
#include "util.h"

enum {
        RING_PAGES = 32, /* a power of two */
        RECORD_MAX = 256,
        DELAY_USEC = 50000, /* until the hook's record has come for sure */
};

/* Includes the time behind it, for sample_id_all with PERF_SAMPLE_TIME. */
struct bpf_event {
        struct perf_event_header header;
        uint16_t type; /* enum perf_bpf_event_type */
        uint16_t flags;
        uint32_t id;
        uint8_t tag[8];
        uint64_t time;
};

struct lost_event {
        struct perf_event_header header;
        uint64_t id;
        uint64_t lost;
};

/* Of one processor. */
struct ring {
        struct monitor *monitor;
        int fd;
        struct perf_event_mmap_page *page; /* and RING_PAGES of data behind it */
        uint64_t head;                     /* up to where it is to be read */
        sd_event_source *io;
};

struct state {
        sd_event_source *timer;
        struct ring *rings;
        size_t count, page_size;
        bool held;
};

static void tell(struct monitor *m, const struct bpf_event *e) {
        struct record_action a = {
                .action = ACTION_FREE,
                .object = {.kind = OBJECT_PROG, .id = e->id},
        };

        memcpy(a.object.tag, e->tag, sizeof(a.object.tag));
        monitor_tell(m, &a, e->time);
}

static void on_record(struct monitor *m, const void *data) {
        const struct perf_event_header *h = data;
        const struct lost_event *lost = data;
        const struct bpf_event *e = data;

        if (h->type == PERF_RECORD_LOST && h->size >= sizeof(*lost))
                m->handlers.lost(lost->lost, m->userdata);
        else if (h->type == PERF_RECORD_BPF_EVENT && h->size >= sizeof(*e) &&
                 e->type == PERF_BPF_EVENT_PROG_UNLOAD && e->id != 0)
                tell(m, e);
}

static void read_ring(struct state *s, struct ring *r) {
        const char *data = (const char *) r->page + s->page_size;
        const size_t room = RING_PAGES * s->page_size;
        uint64_t head = r->head, tail = r->page->data_tail;
        char record[RECORD_MAX] __attribute__((aligned(8)));
        struct perf_event_header h;

        while (head - tail >= sizeof(h)) {
                /* Records begin at eight bytes: the header never wraps. */
                memcpy(&h, data + tail % room, sizeof(h));
                if (h.size < sizeof(h) || h.size > head - tail)
                        break;
                if (h.size <= sizeof(record)) {
                        for (size_t i = 0; i < h.size; i += 8)
                                memcpy(record + i, data + (tail + i) % room, 8);
                        on_record(r->monitor, record);
                }
                tail += h.size;
        }
        __atomic_store_n(&r->page->data_tail, head, __ATOMIC_RELEASE);
}

static void read_soon(struct monitor *m);

/* A hook sends its record before the kernel writes the notice: of the notices that are there now,
 * all records are in the ring. */
static int on_time(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        struct monitor *m = userdata;
        struct state *s = m->state;

        s->timer = sd_event_source_disable_unref(s->timer);
        if (s->held)
                return 0;
        for (size_t i = 0; i < s->count; i++)
                s->rings[i].head = __atomic_load_n(&s->rings[i].page->data_head, __ATOMIC_ACQUIRE);
        if (!m->handlers.settle(m->userdata)) {
                read_soon(m);
                return 0;
        }
        for (size_t i = 0; i < s->count; i++)
                read_ring(s, &s->rings[i]);
        m->handlers.idle(m->userdata);
        return 0;
}

static void read_soon(struct monitor *m) {
        struct state *s = m->state;

        /* Out of memory: the next notice tries again. */
        if (!s->timer)
                (void) sd_event_add_time_relative(m->loop, &s->timer, CLOCK_MONOTONIC, DELAY_USEC,
                                                  0, on_time, m);
}

static int on_io(sd_event_source *source, _unused_ int fd, uint32_t events, void *userdata) {
        read_soon(((struct ring *) userdata)->monitor);
        /* The processor has gone: there is nothing to come. */
        return events & EPOLLHUP ? sd_event_source_set_enabled(source, SD_EVENT_OFF) : 0;
}

static int open_event(int cpu, int cgroup) {
        struct perf_event_attr attr = {
                .type = PERF_TYPE_SOFTWARE,
                .size = sizeof(attr),
                .config = PERF_COUNT_SW_DUMMY,
                .sample_type = PERF_SAMPLE_TIME,
                .sample_id_all = 1,
                .bpf_event = 1,
                .watermark = 1,
                .wakeup_watermark = 1,
                .use_clockid = 1,
                .clockid = CLOCK_MONOTONIC,
        };
        long fd = syscall(SYS_perf_event_open, &attr, cgroup, cpu, -1,
                          PERF_FLAG_FD_CLOEXEC | (cgroup >= 0 ? PERF_FLAG_PID_CGROUP : 0));

        return fd < 0 ? -errno : (int) fd;
}

static int open_ring(struct monitor *m, struct ring *r, int cpu, int cgroup) {
        const struct state *s = m->state;
        void *page;

        r->monitor = m;
        r->fd = open_event(cpu, cgroup);
        if (r->fd < 0)
                return r->fd;
        page = mmap(NULL, (1 + RING_PAGES) * s->page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                    r->fd, 0);
        if (page == MAP_FAILED)
                return -errno;
        r->page = page;
        return sd_event_add_io(m->loop, &r->io, r->fd, EPOLLIN, on_io, r);
}

static void close_ring(const struct state *s, struct ring *r) {
        sd_event_source_disable_unref(r->io);
        if (r->page)
                munmap(r->page, (1 + RING_PAGES) * s->page_size);
        closep(&r->fd);
}

static void stop(struct monitor *m) {
        struct state *s = m->state;

        sd_event_source_disable_unref(s->timer);
        for (size_t i = 0; i < s->count; i++)
                close_ring(s, &s->rings[i]);
        free(s->rings);
        free(s);
}

static void hold(struct monitor *m, bool hold) {
        struct state *s = m->state;

        s->held = hold;
        if (!hold)
                read_soon(m);
}

static int prepare(struct monitor *m) {
        struct state *s = m->state = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->page_size = (size_t) sysconf(_SC_PAGESIZE);
        return 0;
}

static int open_rings(struct monitor *m, int cgroup) {
        const long cpus = sysconf(_SC_NPROCESSORS_CONF);
        struct state *s = m->state;
        int k;

        s->rings = calloc((size_t) cpus, sizeof(*s->rings));
        if (!s->rings)
                return -ENOMEM;
        for (int cpu = 0; cpu < cpus; cpu++) {
                s->rings[s->count].fd = -1;
                k = open_ring(m, &s->rings[s->count], cpu, cgroup);
                if (k == -ENODEV)
                        continue; /* switched off */
                s->count++;
                if (k < 0)
                        return k;
        }
        return s->count > 0 ? 0 : -ENODEV;
}

static int listen_perf(struct monitor *m, const struct probe_options *options) {
        _cleanup_close_ int cgroup = -1;

        /* What a process starts cannot be followed once it runs. */
        if (options->observe == OBSERVE_PID)
                return -EOPNOTSUPP;
        if (options->observe == OBSERVE_CGROUP) {
                cgroup = open(options->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (cgroup < 0)
                        return -errno;
        }
        return open_rings(m, cgroup);
}

const struct monitor_kind monitor_perf = {prepare, listen_perf, stop, hold, on_record};
