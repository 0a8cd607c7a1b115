/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "clock.h"
#include "monitor-kind.h"
#include "probe.h"
#include "util.h"

static const struct {
        enum hook hook;
        const struct monitor_kind *kind;
} kinds[] = {
        {HOOK_RTNL_LINK, &monitor_rtnl_link},
        {HOOK_RTNL_TC, &monitor_rtnl_tc},
        {HOOK_PERF_BPF_EVENT, &monitor_perf},
};

static const struct monitor_kind *kind_of(enum hook hook) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (kinds[i].hook == hook)
                        return kinds[i].kind;
        return NULL;
}

int monitor_new(struct monitor **ret, enum hook hook, struct sd_event *loop,
                const struct probe_options *options, const struct monitor_handlers *handlers,
                void *userdata) {
        const struct monitor_kind *kind = kind_of(hook);
        _cleanup_free_ struct monitor *m = NULL;
        int k;

        if (!kind)
                return -EOPNOTSUPP;
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->kind = kind;
        m->hook = hook;
        m->handlers = *handlers;
        m->userdata = userdata;
        m->loop = loop;
        k = kind->prepare(m);
        if (k < 0)
                return k;
        k = kind->listen(m, options);
        if (k < 0) {
                kind->stop(m);
                return k;
        }
        sd_event_ref(loop);
        *ret = TAKE_PTR(m);
        return 0;
}

struct monitor *monitor_free(struct monitor *m) {
        if (!m)
                return NULL;
        m->kind->stop(m);
        sd_event_unref(m->loop);
        free(m);
        return NULL;
}

void monitor_hold(struct monitor *m, bool hold) {
        m->kind->hold(m, hold);
}

uint64_t monitor_hits(const struct monitor *m) {
        return m->hits;
}

bool monitor_settle(void *userdata) {
        struct monitor *m = userdata;

        return m->handlers.settle(m->userdata);
}

void monitor_idle(void *userdata) {
        struct monitor *m = userdata;

        m->handlers.idle(m->userdata);
}

void monitor_tell(struct monitor *m, struct record_action *r, uint64_t time) {
        r->header.kind = RECORD_ACTION;
        r->header.size = sizeof(*r);
        r->header.time = time ?: clock_now();
        r->source = m->hook;
        r->entered = m->parts;
        m->hits++;
        m->handlers.record(r, sizeof(*r), m->userdata);
}

void monitor_tell_filter(struct monitor *m, const void *code, size_t count) {
        const size_t size = count * sizeof(struct sock_filter),
                     room = size <= RECORD_PART_SMALL ? RECORD_PART_SMALL : RECORD_PART_LARGE;
        _cleanup_free_ struct record_part *p = NULL;

        if (count == 0 || count > BPF_MAXINSNS)
                return;
        p = calloc(1, sizeof(*p) + room);
        if (!p)
                return;
        p->header.kind = RECORD_PART;
        p->header.size = (uint32_t) (sizeof(*p) + room);
        p->header.time = clock_now();
        p->entered = ++m->parts;
        p->part = PART_FILTER;
        p->total = (uint32_t) size;
        for (size_t at = 0; at < size; at += room) {
                p->offset = (uint32_t) at;
                p->size = (uint32_t) MIN(size - at, room);
                memcpy(p->data, (const char *) code + at, p->size);
                m->handlers.record(p, p->header.size, m->userdata);
        }
}

void monitor_fill_program(struct record_object *o, uint32_t id) {
        struct bpf_prog_info info = {};
        uint32_t size = sizeof(info);
        _cleanup_close_ int fd = -1;

        memset(o, 0, sizeof(*o));
        o->kind = OBJECT_PROG;
        o->id = id;
        fd = bpf_prog_get_fd_by_id(id);
        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
                return;
        o->type = info.type;
        memcpy(o->name, info.name, sizeof(o->name));
        memcpy(o->tag, info.tag, sizeof(o->tag));
        o->load_time = info.load_time;
        o->instructions = info.xlated_prog_len / sizeof(struct bpf_insn);
        o->jited_size = info.jited_prog_len;
        o->btf_id = info.btf_id;
        o->gpl = info.gpl_compatible;
}
