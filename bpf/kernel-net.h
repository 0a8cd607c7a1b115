/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's own types of the network: as in kernel.h, just the fields that we read. */

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net___devices {
        struct ns_common ns;
        struct hlist_head *dev_index_head; /* by interface index; NETDEV_HASHENTRIES of them */
};

typedef struct {
        struct net___devices *net;
} possible_net_t;

struct hlist_node {
        struct hlist_node *next;
};

struct hlist_head {
        struct hlist_node *first;
};

struct sock_common {
        possible_net_t skc_net;
};

struct sock {
        struct sock_common __sk_common;
};

struct sk_buff {
        struct sock *sk;
};

struct bpf_xdp_link {
        struct bpf_link link;
};

struct bpf_xdp_entity {
        struct bpf_prog *prog;
        struct bpf_xdp_link *link;
};

struct net_device {
        char name[16];
        int ifindex;
        possible_net_t nd_net;
        struct hlist_node index_hlist;
        struct bpf_xdp_entity xdp_state[3]; /* by enum bpf_xdp_mode */
        bool dismantle;
};

struct netdev_queue {
        struct net_device *dev;
};

struct Qdisc {
        struct netdev_queue *dev_queue;
};

struct tcf_block {
        u32 index;
        u32 classid;
        struct net___devices *net;
        struct Qdisc *q;
};

struct tcf_chain {
        struct tcf_block *block;
};

struct tcf_proto_ops {
        char kind[16];
};

struct tcf_proto {
        u16 protocol; /* big endian */
        u32 prio;
        const struct tcf_proto_ops *ops;
        struct tcf_chain *chain;
};

struct tcf_exts {
        u32 type;
};

struct tc_action_ops {
        char kind[16];
};

struct tcf_idrinfo {
        struct net___devices *net;
};

struct tc_action {
        const struct tc_action_ops *ops;
        struct tcf_idrinfo *idrinfo;
};

struct sock_fprog_kern {
        u16 len;
        struct sock_filter *filter;
};

struct fib_config {
        int fc_oif;
};

struct fib6_config {
        int fc_ifindex;
};

struct bpf_lwt_prog {
        struct bpf_prog *prog;
};

struct bpf_lwt {
        struct bpf_lwt_prog in;
        struct bpf_lwt_prog out;
        struct bpf_lwt_prog xmit;
};

struct lwtunnel_state {
        u16 type;
        u8 data[0];
};

struct bpf_prog_aux___prog {
        struct bpf_prog *prog; /* that this belongs to */
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs___more {
        unsigned long r8, r9;
};
#endif

#pragma clang attribute pop

/* Arguments that BPF_KPROBE does not reach. */
#if defined(__TARGET_ARCH_x86)
#define ARGUMENT5(ctx) (((struct pt_regs___more *) (ctx))->r8)
#define ARGUMENT6(ctx) (((struct pt_regs___more *) (ctx))->r9)
#else
#define ARGUMENT5(ctx) (((struct user_pt_regs *) (ctx))->regs[4])
#define ARGUMENT6(ctx) (((struct user_pt_regs *) (ctx))->regs[5])
#endif

/* net/sched/cls_bpf.c is a module: its types are not in the kernel's BTF. What follows has been so
 * since Linux 4.20, and what is read there is checked: a program knows itself (prog->aux->prog). */

/* include/net/pkt_cls.h: struct tc_cls_bpf_offload { common, command, exts, prog, oldprog, … } */
enum {
        OFFLOAD_EXTS = 32,
        OFFLOAD_OLD = 48,
};

/* struct cls_bpf_prog { filter, link, res, exts_integrated, gen_flags, in_hw_count, exts, handle,
 * bpf_num_ops, bpf_ops, bpf_name, tp, rwork } */
enum {
        CLS_BPF_EXTS = 56,
        CLS_BPF_RWORK = 32, /* from handle */
};

/* From handle on. */
struct cls_bpf_rest {
        u32 handle;
        u16 instructions; /* of a classic filter */
};

/* include/uapi/linux/lwtunnel.h */
enum { ENCAP_BPF = 6 };
