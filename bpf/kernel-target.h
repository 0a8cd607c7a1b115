/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's types that say what a program is attached to: links, perf events, and what they
 * point at. As in kernel.h. Types may be missing from a kernel's BTF altogether. */

#include "kernel-device.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
        struct list_head *next;
};

/* Files ---------------------------------------------------------------------------------------- */

struct inode___target {
        void *i_private; /* cgroup: its kernfs_node; nsfs: the ns_common */
};

struct file___target {
        struct inode___target *f_inode;
};

struct kernfs_node___target {
        u16 flags;
        u64 id;
        void *priv;
};

struct proc_ns_operations {
        const char *name;
};

struct ns_common___target {
        const struct proc_ns_operations *ops;
        u32 inum;
};

/* Perf events ---------------------------------------------------------------------------------- */

struct perf_event_attr___target {
        u32 type;
        u64 config;
        u64 bp_addr;
};

struct tracepoint {
        const char *name;
};

struct trace_event_class {
        const char *system;
};

struct trace_event_call {
        struct trace_event_class *class;
        union {
                const char *name;
                struct tracepoint *tp;
        };
        void *filter; /* until Linux 6.12 */
        void *module; /* since Linux 5.15 */
        int flags;
};

struct perf_event {
        struct perf_event_attr___target attr;
        u32 orig_type;             /* since Linux 6.4 attr.type is not always what was asked for */
        struct perf_event *parent; /* of an inherited event */
        struct bpf_prog *prog;
        struct trace_event_call *tp_event;
};

/* An event that was made on request; its probes are a list. */
struct trace_probe_event {
        struct trace_event_call call;
        struct list_head probes;
};

struct trace_probe {
        struct list_head list;
        struct trace_probe_event *event;
};

struct kprobe {
        void *addr;
        unsigned int offset;
};

struct kretprobe {
        struct kprobe kp;
        void *handler; /* NULL: it is a kprobe */
};

struct trace_kprobe {
        struct kretprobe rp;
        const char *symbol; /* NULL: an address was asked for */
        struct trace_probe tp;
};

struct uprobe_consumer {
        void *handler;
        void *ret_handler; /* NULL: not on return */
};

struct trace_uprobe {
        struct uprobe_consumer consumer;
        struct path path;
        unsigned long offset;
        struct trace_probe tp;
};

/* Links ---------------------------------------------------------------------------------------- */

struct bpf_prog_aux___target {
        u32 id;
        const char *attach_func_name;
};

struct bpf_prog___target {
        struct bpf_prog_aux___target *aux;
};

struct bpf_trampoline {
        struct {
                void *addr;
        } func;
};

struct bpf_tracing_link {
        struct bpf_trampoline *trampoline;
        struct bpf_prog *tgt_prog;
};

/* Since Linux 7.1. */
struct bpf_tracing_multi_node {
        struct bpf_trampoline *trampoline;
};

struct bpf_tracing_multi_link {
        int nodes_cnt;
        struct bpf_tracing_multi_node nodes[1];
};

struct bpf_raw_event_map {
        struct tracepoint *tp;
};

struct bpf_raw_tp_link {
        struct bpf_raw_event_map *btp;
};

struct bpf_cgroup_link {
        struct cgroup *cgroup;
};

struct bpf_netns_link {
        struct net *net;
};

struct bpf_xdp_link {
        struct net_device *dev;
};

struct tcx_link {
        struct net_device *dev;
};

struct netkit_link {
        struct net_device *dev;
};

struct nf_hook_ops {
        u8 pf;
        unsigned int hooknum;
        int priority;
};

struct bpf_nf_link {
        struct nf_hook_ops hook_ops;
        struct net *net;
};

struct bpf_perf_link {
        struct file *perf_file;
};

struct fprobe {
        void *entry_handler; /* NULL: on return alone */
};

struct bpf_kprobe_multi_link {
        struct fprobe fp;
        unsigned long *addrs;
        u32 cnt;
};

struct bpf_uprobe {
        s64 offset;
        struct uprobe_consumer consumer;
};

struct bpf_uprobe_multi_link {
        struct path path;
        struct bpf_link link;
        u32 cnt;
        struct bpf_uprobe *uprobes;
};

struct bpf_struct_ops {
        const char *name;
};

struct bpf_struct_ops_desc {
        struct bpf_struct_ops *st_ops;
};

struct bpf_struct_ops_map {
        const struct bpf_struct_ops_desc *st_ops_desc;
};

/* Until Linux 6.9. */
struct bpf_struct_ops_map___old {
        const struct bpf_struct_ops *st_ops;
};

struct bpf_struct_ops_link {
        struct bpf_map *map;
};

struct bpf_iter_reg {
        const char *target;
};

struct bpf_iter_target_info {
        const struct bpf_iter_reg *reg_info;
};

struct bpf_iter_aux_info {
        struct bpf_map *map;
};

struct bpf_iter_link {
        struct bpf_iter_aux_info aux;
        struct bpf_iter_target_info *tinfo;
};

struct sockmap_link {
        struct bpf_map *map;
};

struct inode___file {
        unsigned long i_ino;
};

struct super_block___file {
        u32 s_dev;
};

struct dentry___file {
        struct inode___file *d_inode;
        struct super_block___file *d_sb;
};

#pragma clang attribute pop

/* include/uapi/linux/bpf.h; the header that we are built with may be older. */
enum {
        LINK_RAW_TRACEPOINT = 1,
        LINK_TRACING,
        LINK_CGROUP,
        LINK_ITER,
        LINK_NETNS,
        LINK_XDP,
        LINK_PERF_EVENT,
        LINK_KPROBE_MULTI,
        LINK_STRUCT_OPS,
        LINK_NETFILTER,
        LINK_TCX,
        LINK_UPROBE_MULTI,
        LINK_NETKIT,
        LINK_SOCKMAP,
        LINK_TRACING_MULTI,
};
