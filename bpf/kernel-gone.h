/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's types that keep what is attached to them, reduced as in kernel.h. */

#include "kernel-target.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Lists are of list_head, those of control groups of hlist_head since Linux 6.0. */
struct work_struct {
        int dummy;
};

struct cgroup_bpf {
        struct bpf_prog_array *effective[1]; /* by attach type, as many as there are of `progs` */
        struct list_head progs[1];
        struct work_struct release_work;
};

struct cgroup___bpf {
        struct cgroup_bpf bpf;
        struct kernfs_node *kn;
};

struct bpf_prog_list {
        struct list_head node;
        struct bpf_prog *prog; /* NULL: the link has it */
        struct bpf_cgroup_link *link;
};

struct netns_bpf {
        struct bpf_prog *progs[2];
        struct list_head links[2];
};

struct net___bpf {
        struct ns_common ns;
        struct netns_bpf bpf;
};

struct bpf_netns_link___node {
        struct bpf_link link;
        struct list_head node;
};

struct sk_psock_progs {
        struct bpf_prog *msg_parser; /* and two or three others, and then links */
};

struct bpf_stab {
        struct sk_psock_progs progs;
};

struct bpf_shtab {
        struct sk_psock_progs progs;
};

struct bpf_mprog_fp {
        struct bpf_prog *prog;
};

struct bpf_mprog_cp {
        struct bpf_link *link;
};

struct bpf_mprog_bundle {
        struct bpf_mprog_cp cp_items[1];
};

struct bpf_mprog_entry {
        struct bpf_mprog_fp fp_items[1];
        struct bpf_mprog_bundle *parent;
};

struct rtnl_link_ops {
        const char *kind;
};

struct net_device___mprog {
        struct bpf_mprog_entry *tcx_ingress;
        struct bpf_mprog_entry *tcx_egress;
        const struct rtnl_link_ops *rtnl_link_ops;
};

struct netkit {
        struct bpf_mprog_entry *active;
};

#pragma clang attribute pop
