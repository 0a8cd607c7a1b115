/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What links attach to. See target.h. */

#include "target-object.h"

/* Sends a list of `count` numbers, of which `held` are there at most, as far as it fits one piece.
 * Without `entered` there is no record that it could belong to. */
static __always_inline void send_list(u64 entered, enum part_kind part, const void *list, u64 count,
                                      u64 held) {
        struct record_part what = {
                .thread = bpf_get_current_pid_tgid(),
                .entered = entered,
                .part = part,
                .total = count * sizeof(u64),
        };
        u64 size = (count < held ? count : held) * sizeof(u64);

        if (!entered)
                return;
        if (size <= RECORD_PART_SMALL)
                send_piece(&what, 0, size, list, false, RECORD_PART_SMALL);
        else
                send_piece(&what, 0, size, list, false, RECORD_PART_LARGE);
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
        send_list(entered, PART_ADDRESSES, s->gathered, count, GATHERED_MAX);
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
        send_list(entered, PART_ADDRESSES, addresses, s->target.count, s->target.count);
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
        send_list(entered, PART_OFFSETS, s->gathered, count, GATHERED_MAX);
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
