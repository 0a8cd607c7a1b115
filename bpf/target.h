/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What programs are attached to, read from the kernel's own objects.
 *
 * The walks are global functions that take numbers: the verifier walks each of them once, and Linux
 * 5.10 takes them too. They leave their result in memory of this CPU, from which the functions at
 * the end of this file copy it. */

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

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, struct target_space);
} target_spaces __weak SEC(".maps");

static __always_inline struct target_space *target_space(void) {
        u32 zero = 0;

        return bpf_map_lookup_elem(&target_spaces, &zero);
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

/* Links ---------------------------------------------------------------------------------------- */

/* Sends a list of numbers as far as it fits one piece. Without `entered` there is no record that it
 * could belong to. */
static __always_inline void send_list(u64 entered, enum part_kind part, const void *list,
                                      u64 count) {
        struct record_part what = {
                .thread = bpf_get_current_pid_tgid(),
                .entered = entered,
                .part = part,
                .total = count * sizeof(u64),
        };

        if (!entered)
                return;
        if (what.total <= RECORD_PART_SMALL)
                send_piece(&what, 0, what.total, list, false, RECORD_PART_SMALL);
        else
                send_piece(&what, 0, what.total, list, false, RECORD_PART_LARGE);
}

__weak int target_tracing(u64 address) {
        struct bpf_tracing_link *link = (void *) address;
        struct bpf_prog *prog = BPF_CORE_READ((struct bpf_link *) address, prog), *traced;
        struct bpf_prog___target *named = (void *) prog;
        struct target_space *s = target_space();

        if (!s)
                return 0;
        s->target.kind = TARGET_FUNCTION;
        s->target.address = (u64) BPF_CORE_READ(link, trampoline, func.addr);
        s->target.is_return = BPF_CORE_READ(prog, expected_attach_type) == BPF_TRACE_FEXIT;
        set_text(&s->target, BPF_CORE_READ(named, aux, attach_func_name));
        traced = BPF_CORE_READ(link, tgt_prog);
        if (traced) {
                s->target.kind = TARGET_PROG;
                s->target.id = BPF_CORE_READ(traced, aux, id);
        }
        return 0;
}

__weak int target_tracing_multi(u64 address, u64 entered) {
        struct bpf_tracing_multi_link *link = (void *) address;
        struct bpf_tracing_multi_node *node;
        struct target_space *s = target_space();
        u32 count;

        if (!s || !bpf_core_type_exists(struct bpf_tracing_multi_link))
                return 0;
        count = BPF_CORE_READ(link, nodes_cnt);
        s->target.kind = TARGET_LIST;
        s->target.count = count;
        for (u32 i = 0; i < GATHERED_MAX; i++) {
                if (i >= count)
                        break;
                node = (void *) link + bpf_core_field_offset(struct bpf_tracing_multi_link, nodes) +
                       (u64) i * bpf_core_type_size(struct bpf_tracing_multi_node);
                s->gathered[i] = (u64) BPF_CORE_READ(node, trampoline, func.addr);
        }
        send_list(entered, PART_ADDRESSES, s->gathered, count);
        return 0;
}

__weak int target_kprobe_multi(u64 address, u64 entered) {
        struct bpf_kprobe_multi_link *link = (void *) address;
        struct target_space *s = target_space();
        unsigned long *addresses;

        if (!s || !bpf_core_type_exists(struct bpf_kprobe_multi_link))
                return 0;
        addresses = BPF_CORE_READ(link, addrs);
        s->target.kind = TARGET_LIST;
        s->target.count = BPF_CORE_READ(link, cnt);
        s->target.is_return = BPF_CORE_READ(link, fp.entry_handler) == NULL;
        if (s->target.count == 1) {
                s->target.kind = TARGET_FUNCTION;
                bpf_probe_read_kernel(&s->target.address, sizeof(s->target.address), addresses);
                return 0;
        }
        send_list(entered, PART_ADDRESSES, addresses, s->target.count);
        return 0;
}

__weak int target_uprobe_multi(u64 address, u64 entered) {
        struct bpf_uprobe_multi_link *link;
        struct target_space *s = target_space();
        struct bpf_uprobe *first, *place;
        u32 count;

        if (!s || !bpf_core_type_exists(struct bpf_uprobe_multi_link))
                return 0;
        link = (void *) address - bpf_core_field_offset(struct bpf_uprobe_multi_link, link);
        first = BPF_CORE_READ(link, uprobes);
        count = BPF_CORE_READ(link, cnt);
        target_file((u64) BPF_CORE_READ(link, path.dentry), (u64) BPF_CORE_READ(link, path.mnt));
        s->target.count = count;
        s->target.is_return = BPF_CORE_READ(first, consumer.handler) == NULL;
        if (count == 1) {
                s->target.offset = BPF_CORE_READ(first, offset);
                return 0;
        }
        s->target.kind = TARGET_LIST;
        for (u32 i = 0; i < GATHERED_MAX; i++) {
                if (i >= count)
                        break;
                place = (void *) first + (u64) i * bpf_core_type_size(struct bpf_uprobe);
                s->gathered[i] = BPF_CORE_READ(place, offset);
        }
        send_list(entered, PART_OFFSETS, s->gathered, count);
        return 0;
}

static __always_inline void target_netfilter(struct record_target *t, struct bpf_nf_link *link) {
        if (!bpf_core_type_exists(struct bpf_nf_link))
                return;
        t->kind = TARGET_NETFILTER;
        t->family = BPF_CORE_READ(link, hook_ops.pf);
        t->hook = BPF_CORE_READ(link, hook_ops.hooknum);
        t->priority = BPF_CORE_READ(link, hook_ops.priority);
        t->netns = BPF_CORE_READ(link, net, ns.inum);
}

static __always_inline void target_iter(struct record_target *t, struct bpf_iter_link *link) {
        struct bpf_map *map = BPF_CORE_READ(link, aux.map);

        t->kind = TARGET_ITER;
        set_text(t, BPF_CORE_READ(link, tinfo, reg_info, target));
        if (map)
                t->id = BPF_CORE_READ(map, id);
}

__weak int target_link(u64 address, u64 entered) {
        struct bpf_link *link = (void *) address;
        struct target_space *s = target_space();
        u32 type = BPF_CORE_READ(link, type);
        struct record_target *t;
        struct file *file;

        if (!s || !link)
                return 0;
        t = &s->target;
        switch (type) {
        case LINK_RAW_TRACEPOINT:
                t->kind = TARGET_TRACEPOINT;
                set_text(t, BPF_CORE_READ((struct bpf_raw_tp_link *) link, btp, tp, name));
                break;
        case LINK_TRACING:
                target_tracing(address);
                break;
        case LINK_CGROUP:
                target_cgroup((u64) BPF_CORE_READ((struct bpf_cgroup_link *) link, cgroup, kn));
                break;
        case LINK_ITER:
                target_iter(t, (void *) link);
                break;
        case LINK_NETNS:
                target_netns(t, BPF_CORE_READ((struct bpf_netns_link *) link, net));
                break;
        case LINK_XDP:
                target_interface(t, BPF_CORE_READ((struct bpf_xdp_link *) link, dev));
                break;
        case LINK_PERF_EVENT:
                if (!bpf_core_type_exists(struct bpf_perf_link))
                        break;
                file = BPF_CORE_READ((struct bpf_perf_link *) link, perf_file);
                target_event((u64) BPF_CORE_READ(file, private_data));
                break;
        case LINK_KPROBE_MULTI:
                target_kprobe_multi(address, entered);
                break;
        case LINK_STRUCT_OPS:
                if (bpf_core_type_exists(struct bpf_struct_ops_link))
                        target_struct_ops(t,
                                          BPF_CORE_READ((struct bpf_struct_ops_link *) link, map));
                break;
        case LINK_NETFILTER:
                target_netfilter(t, (void *) link);
                break;
        case LINK_TCX:
                if (bpf_core_type_exists(struct tcx_link))
                        target_interface(t, BPF_CORE_READ((struct tcx_link *) link, dev));
                break;
        case LINK_UPROBE_MULTI:
                target_uprobe_multi(address, entered);
                break;
        case LINK_NETKIT:
                if (bpf_core_type_exists(struct netkit_link))
                        target_interface(t, BPF_CORE_READ((struct netkit_link *) link, dev));
                break;
        case LINK_SOCKMAP:
                if (bpf_core_type_exists(struct sockmap_link))
                        target_map(t, BPF_CORE_READ((struct sockmap_link *) link, map));
                break;
        case LINK_TRACING_MULTI:
                target_tracing_multi(address, entered);
                break;
        }
        return 0;
}

/* Fds ------------------------------------------------------------------------------------------ */

static __always_inline void target_nsfs(struct record_target *t, struct ns_common___target *ns) {
        char name[4] = {};

        bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(ns, ops, name));
        if (*(u32 *) name != ('n' | 'e' << 8 | 't' << 16))
                return;
        t->kind = TARGET_NETNS;
        t->netns = BPF_CORE_READ(ns, inum);
}

static __always_inline void target_cgroup_directory(struct kernfs_node___target *node) {
        struct cgroup *cgroup = BPF_CORE_READ(node, priv);

        if (BPF_CORE_READ(node, flags) & KERNFS_DIR && cgroup)
                target_cgroup((u64) BPF_CORE_READ(cgroup, kn));
}

static __always_inline void target_prog(struct record_target *t, struct bpf_prog *prog) {
        t->kind = TARGET_PROG;
        t->id = BPF_CORE_READ(prog, aux, id);
}

__weak int target_fd(u32 fd) {
        struct target_space *s = target_space();
        struct file *file = file_of_fd(fd);
        void *inner, *object;
        u64 magic, name;

        if (!s || !file)
                return 0;
        magic = BPF_CORE_READ(file, f_path.dentry, d_sb, s_magic);
        inner = BPF_CORE_READ((struct file___target *) file, f_inode, i_private);
        object = BPF_CORE_READ(file, private_data);
        name = inode_name(file);
        if (magic == CGROUP2_SUPER_MAGIC)
                target_cgroup_directory(inner);
        else if (magic == NSFS_MAGIC)
                target_nsfs(&s->target, inner);
        else if (name == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p'))
                target_map(&s->target, object);
        else if (name == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o'))
                target_prog(&s->target, object);
        else if (name == NAME8('[', 'p', 'e', 'r', 'f', '_', 'e'))
                target_event((u64) object);
        return 0;
}

/* What others call: `t` is filled, or all of it is zero where nothing is known. ---------------- */

static __always_inline struct target_space *target_begin(void) {
        struct target_space *s = target_space();

        if (s)
                __builtin_memset(&s->target, 0, sizeof(s->target));
        return s;
}

static __always_inline void target_end(struct record_target *t, struct target_space *s) {
        bpf_probe_read_kernel(t, sizeof(*t), &s->target);
}

/* What a link attaches to. Its lists are sent as parts of the call or action that this thread
 * `entered`; 0: they are not. */
static __always_inline void fill_link_target(struct record_target *t, struct bpf_link *link,
                                             u64 entered) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_link((u64) link, entered);
        target_end(t, s);
}

/* What an fd of this thread is, where programs can be attached to it. */
static __always_inline void fill_fd_target(struct record_target *t, u32 fd) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_fd(fd);
        target_end(t, s);
}

static __always_inline void fill_perf_target(struct record_target *t, struct perf_event *event) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_event((u64) event);
        target_end(t, s);
}

static __always_inline void fill_interface_target(struct record_target *t, struct net_device *dev) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_interface(&s->target, dev);
        target_end(t, s);
}

/* The map of a set of functions that the kernel calls. */
static __always_inline void fill_struct_ops_target(struct record_target *t, struct bpf_map *map) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_struct_ops(&s->target, map);
        target_end(t, s);
}
