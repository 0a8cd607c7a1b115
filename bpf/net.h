/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Messages by netlink that bring programs, and where in the network programs are. */

#include "action.h"
#include "kernel-net.h"
#include "messages.h"

enum {
        DEVICES_HASH = 256,                    /* include/linux/netdevice.h: NETDEV_HASHENTRIES */
        DEVICES_BEHIND = 32,                   /* walked in a slot of it */
        KIND_BPF = 'b' | 'p' << 8 | 'f' << 16, /* of classifiers and actions, with its NUL */
};

/* The frame of the message that this thread is in, NULL if it is in none. */
static __always_inline struct action_frame *message_frame(void) {
        struct action_frame *frame = action_current();

        if (!frame || (frame->via != ROAD_NETLINK_XDP && frame->via != ROAD_NETLINK_TC &&
                       frame->via != ROAD_NETLINK_LWT))
                return NULL;
        return frame;
}

/* Devices -------------------------------------------------------------------------------------- */

static __always_inline void set_device(struct record_target *t, struct net_device *dev) {
        s64 n;

        if (!dev)
                return;
        t->kind = TARGET_INTERFACE;
        t->ifindex = BPF_CORE_READ(dev, ifindex);
        t->netns = BPF_CORE_READ(dev, nd_net.net, ns.inum);
        n = bpf_probe_read_kernel_str(t->text, sizeof(dev->name), dev->name);
        t->text_size = n > 0 ? n : 0;
}

/* The struct net_device of an index, 0 where there is none. */
__weak u64 find_device(u64 netns, u64 ifindex) {
        struct net___devices *net = (void *) netns;
        struct hlist_head *slots = BPF_CORE_READ(net, dev_index_head);
        struct hlist_node *node = NULL;
        struct net_device *dev;

        bpf_probe_read_kernel(&node, sizeof(node), slots + ifindex % DEVICES_HASH);
        for (u32 i = 0; node && i < DEVICES_BEHIND; i++) {
                dev = (void *) node - bpf_core_field_offset(struct net_device, index_hlist);
                if ((u32) BPF_CORE_READ(dev, ifindex) == ifindex)
                        return (u64) dev;
                node = BPF_CORE_READ(node, next);
        }
        return 0;
}

/* Where a filter of traffic control is. Those of a block that devices share have no device. */
static __always_inline void set_filter(struct record_target *t, struct tcf_proto *tp) {
        struct tcf_block *block = BPF_CORE_READ(tp, chain, block);
        struct net_device *dev = BPF_CORE_READ(block, q, dev_queue, dev);

        t->priority = BPF_CORE_READ(tp, prio) >> 16;
        t->protocol = __builtin_bswap16(BPF_CORE_READ(tp, protocol));
        if (dev) {
                set_device(t, dev);
                t->parent = BPF_CORE_READ(block, classid);
        } else if (t->kind == TARGET_NONE) {
                t->kind = TARGET_NETNS;
                t->netns = BPF_CORE_READ(block, net, ns.inum);
        }
}

static __always_inline bool is_prog(struct bpf_prog *prog) {
        struct bpf_prog_aux___prog *aux = (void *) BPF_CORE_READ(prog, aux);

        return prog && BPF_CORE_READ(aux, prog) == prog;
}

/* Classic filters are programs in the kernel, without an id. */
static __always_inline void set_program(struct action_frame *frame, struct bpf_prog *prog) {
        __builtin_memset(&frame->object, 0, sizeof(frame->object));
        if (is_prog(prog) && BPF_CORE_READ(prog, aux, id))
                fill_prog(&frame->object, prog);
}
