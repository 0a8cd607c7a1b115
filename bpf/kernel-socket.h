/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's types of sockets, and of what filters are kept in. As in kernel.h. */

#include "kernel-device.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Classic filters. */
struct sock_filter {
        u16 code;
};

struct sock_fprog {
        u16 len;
        struct sock_filter *filter; /* in the caller's memory */
};

struct sock_fprog_kern {
        u16 len;
        struct sock_filter *filter;
};

struct bpf_prog___filter {
        u32 len;
        struct sock_fprog_kern *orig_prog;
        struct sock_filter insns[0]; /* before it is translated */
};

struct proto {
        char name[32];
};

struct in6_addr {
        u8 in6_u[16];
};

struct sock_common {
        u32 skc_daddr;
        u32 skc_rcv_saddr;
        u16 skc_dport;
        unsigned short skc_family;
        struct proto *skc_prot;
        possible_net_t skc_net;
        struct in6_addr skc_v6_daddr;
        struct in6_addr skc_v6_rcv_saddr;
};

typedef struct refcount_struct {
        atomic_t refs;
} refcount_t;

struct sk_filter {
        refcount_t refcnt;
        struct bpf_prog *prog;
};

struct sock_reuseport {
        struct bpf_prog *prog;
};

struct sock {
        struct sock_common __sk_common;
        u16 sk_type;
        u16 sk_protocol;
        struct sk_filter *sk_filter;
        struct sock_reuseport *sk_reuseport_cb;
};

struct socket {
        struct file *file;
        struct sock *sk;
};

struct inet_sock {
        u16 inet_sport;
};

struct sockaddr_un {
        char sun_path[108];
};

struct unix_address {
        int len; /* with the family */
        struct sockaddr_un name[0];
};

struct unix_sock {
        struct unix_address *addr;
};

struct packet_type {
        struct net_device *dev;
};

struct packet_fanout {
        u8 type;
        struct bpf_prog *bpf_prog;
        refcount_t sk_ref;
};

struct packet_sock {
        struct packet_fanout *fanout;
        int ifindex;
        struct packet_type prot_hook;
};

/* A module: missing where it is not loaded, and before Linux 5.11. */
struct tun_prog {
        struct bpf_prog *prog;
};

struct tun_struct {
        struct net_device *dev;
        struct tun_prog *steering_prog;
        struct tun_prog *filter_prog;
};

struct tun_file {
        struct sock sk;
        struct tun_struct *tun;
};

struct seccomp_filter {
        struct bpf_prog *prog;
};

struct seccomp {
        struct seccomp_filter *filter;
};

struct task_struct___filters {
        struct seccomp seccomp;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs___call {
        unsigned long di, si, dx, r10;
        unsigned long bx, cx;
        unsigned long orig_ax;
};

/* Linux 6.2 to 6.14. */
struct pcpu_hot {
        int preempt_count;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs___call {
        u64 regs[31];
        u64 orig_x0;
        int syscallno;
};

struct thread_info___preempt {
        struct {
                u32 count;
        } preempt;
};

struct task_struct___preempt {
        struct thread_info___preempt thread_info;
};
#endif

#pragma clang attribute pop
