/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Where programs can be attached to, but for links: what each of the kernel's objects is as a
 * target. See target.h. */

#include "kernel-target.h"
#include "object.h"
#include "send.h"

enum {
        /* include/uapi/linux/magic.h */
        CGROUP2_SUPER_MAGIC = 0x63677270,
        NSFS_MAGIC = 0x6e736673,

        KERNFS_DIR = 1,           /* include/linux/kernfs.h */
        PERF_TYPE_BREAKPOINT = 5, /* include/uapi/linux/perf_event.h */

        GATHERED_MAX = 256, /* places of a list that are told where the kernel keeps them apart */
};

struct target_space {
        struct record_target target;
        char path[2 * RECORD_STRING_MAX]; /* half of it counts: see add_component() */
        u64 gathered[GATHERED_MAX];
};

static const struct target_space blank_target_space;

/* Key: thread_key(). See context_spaces. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, WORKING_MAX);
        __type(key, u64);
        __type(value, struct target_space);
} target_spaces __weak SEC(".maps");

/* That of this thread, between target_begin() and target_end(). */
static __always_inline struct target_space *target_space(void) {
        u64 thread = thread_key();

        return bpf_map_lookup_elem(&target_spaces, &thread);
}

static __always_inline void set_text(struct record_target *t, const char *text) {
        s64 n = bpf_probe_read_kernel_str(t->text, sizeof(t->text), text);

        t->text_size = n > 0 ? n : 0;
}

static __always_inline void set_path(struct target_space *s, u64 used, bool cut) {
        bpf_probe_read_kernel(s->target.text, sizeof(s->target.text), s->path);
        s->target.text_size = used;
        s->target.text_cut = cut;
}

/* Simple ones ---------------------------------------------------------------------------------- */

__weak int target_file(u64 dentry, u64 mount) {
        struct target_space *s = target_space();
        u64 used = 0;
        bool cut;

        if (!s)
                return 0;
        s->target.kind = TARGET_FILE;
        s->target.inode = BPF_CORE_READ((struct dentry___file *) dentry, d_inode, i_ino);
        s->target.device = BPF_CORE_READ((struct dentry___file *) dentry, d_sb, s_dev);
        cut = add_path(s->path, sizeof(s->path), sizeof(s->target.text), &used, (void *) dentry,
                       (void *) mount);
        set_path(s, used, cut);
        return 0;
}

__weak int target_cgroup(u64 kernfs) {
        struct kernfs_node___target *node = (void *) kernfs;
        struct target_space *s = target_space();
        u64 used = 0;
        bool cut;

        if (!s || !node)
                return 0;
        s->target.kind = TARGET_CGROUP;
        s->target.cgroup = BPF_CORE_READ(node, id);
        cut = add_kernfs_path(s->path, sizeof(s->path), sizeof(s->target.text), &used,
                              (void *) kernfs);
        set_path(s, used, cut);
        return 0;
}

static __always_inline void target_netns(struct record_target *t, struct net *net) {
        if (!net)
                return;
        t->kind = TARGET_NETNS;
        t->netns = BPF_CORE_READ(net, ns.inum);
}

static __always_inline void target_interface(struct record_target *t, struct net_device *dev) {
        if (!dev)
                return;
        t->kind = TARGET_INTERFACE;
        t->ifindex = BPF_CORE_READ(dev, ifindex);
        t->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
        set_text(t, dev->name);
}

static __always_inline void target_map(struct record_target *t, struct bpf_map *map) {
        if (!map)
                return;
        t->kind = TARGET_MAP;
        t->id = BPF_CORE_READ(map, id);
        set_text(t, map->name);
}

static __always_inline void target_struct_ops(struct record_target *t, struct bpf_map *map) {
        struct bpf_struct_ops_map___old *old = (void *) map;
        struct bpf_struct_ops_map *now = (void *) map;
        const char *name = NULL;

        if (!map)
                return;
        target_map(t, map);
        t->kind = TARGET_STRUCT_OPS;
        if (bpf_core_field_exists(now->st_ops_desc))
                name = BPF_CORE_READ(now, st_ops_desc, st_ops, name);
        else if (bpf_core_field_exists(old->st_ops))
                name = BPF_CORE_READ(old, st_ops, name);
        bpf_probe_read_kernel_str(t->group, sizeof(t->group), name);
}

/* Perf events ---------------------------------------------------------------------------------- */

/* The flags of events are of an enum without a name, which CO-RE cannot ask for. Its first bit was
 * dropped together with the member `filter`, and one came in before these together with `module`.
 * include/linux/trace_events.h */
static __always_inline u32 event_flag_tracepoint(void) {
        return bpf_core_field_exists(struct trace_event_call, filter) ? 1 << 4 : 1 << 3;
}

static __always_inline u32 event_flag_kprobe(void) {
        u32 next = event_flag_tracepoint() << 1;

        return bpf_core_field_exists(struct trace_event_call, module) ? next << 1 : next;
}

static __always_inline u32 event_flag_uprobe(void) {
        return event_flag_kprobe() << 1;
}

/* The first of an event's probes. */
static __always_inline struct trace_probe *first_probe(struct trace_event_call *call) {
        struct trace_probe_event *event = (void *) call -
                                          bpf_core_field_offset(struct trace_probe_event, call);

        return (void *) BPF_CORE_READ(event, probes.next) -
               bpf_core_field_offset(struct trace_probe, list);
}

static __always_inline void target_kprobe(struct record_target *t, struct trace_event_call *call) {
        struct trace_kprobe *probe;

        if (!bpf_core_type_exists(struct trace_kprobe))
                return;
        probe = (void *) first_probe(call) - bpf_core_field_offset(struct trace_kprobe, tp);
        t->kind = TARGET_FUNCTION;
        t->address = (u64) BPF_CORE_READ(probe, rp.kp.addr);
        t->offset = BPF_CORE_READ(probe, rp.kp.offset);
        t->is_return = BPF_CORE_READ(probe, rp.handler) != NULL;
        set_text(t, BPF_CORE_READ(probe, symbol));
}

static __always_inline void target_uprobe(struct record_target *t, struct trace_event_call *call) {
        struct trace_uprobe *probe;

        if (!bpf_core_type_exists(struct trace_uprobe))
                return;
        probe = (void *) first_probe(call) - bpf_core_field_offset(struct trace_uprobe, tp);
        t->offset = BPF_CORE_READ(probe, offset);
        t->is_return = BPF_CORE_READ(probe, consumer.ret_handler) != NULL;
        target_file((u64) BPF_CORE_READ(probe, path.dentry), (u64) BPF_CORE_READ(probe, path.mnt));
}

static __always_inline void target_tracepoint(struct record_target *t,
                                              struct trace_event_call *call, u32 flags) {
        t->kind = TARGET_TRACEPOINT;
        bpf_probe_read_kernel_str(t->group, sizeof(t->group), BPF_CORE_READ(call, class, system));
        set_text(t, flags & event_flag_tracepoint() ? BPF_CORE_READ(call, tp, name)
                                                    : BPF_CORE_READ(call, name));
}

__weak int target_event(u64 perf_event) {
        struct perf_event *event = (void *) perf_event;
        struct trace_event_call *call = BPF_CORE_READ(event, tp_event);
        struct target_space *s = target_space();
        struct record_target *t;
        u32 flags;

        if (!s || !event)
                return 0;
        t = &s->target;
        if (!call) {
                t->kind = TARGET_PERF;
                t->type = bpf_core_field_exists(event->orig_type) ? BPF_CORE_READ(event, orig_type)
                                                                  : BPF_CORE_READ(event, attr.type);
                t->config = BPF_CORE_READ(event, attr.config);
                if (t->type == PERF_TYPE_BREAKPOINT)
                        t->address = BPF_CORE_READ(event, attr.bp_addr);
                return 0;
        }
        flags = BPF_CORE_READ(call, flags);
        if (flags & event_flag_kprobe())
                target_kprobe(t, call);
        else if (flags & event_flag_uprobe())
                target_uprobe(t, call);
        else
                target_tracepoint(t, call, flags);
        return 0;
}
