/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's types of connections. As in kernel.h; what the filters of sockets read of the same
 * types is in kernel-socket.h. */

#include "kernel-socket.h"

/* Of the tracepoints of group sock: include/trace/events/sock.h. */
struct sock_length_context {
        u64 common;
        struct sock *sk;
        u16 family, protocol;
        int ret;
        int flags;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode___connection {
        unsigned long i_ino;
};

struct socket_alloc {
        struct socket socket;
        struct inode___connection vfs_inode;
};

struct sock_common___connection {
        unsigned short skc_num;
        unsigned char skc_state;
        unsigned long skc_flags;
};

struct sock___connection {
        struct sock_common___connection __sk_common;
        struct socket *sk_socket;
        struct pid *sk_peer_pid;
        u8 sk_shutdown;
};

struct sk_buff___connection {
        struct sock *sk;
};

struct tcp_sock {
        u64 bytes_received;
        u64 bytes_sent; /* with what was sent again */
        u64 bytes_acked;
        u64 bytes_retrans;
        u32 copied_seq;
        u32 rcv_nxt;
        u32 snd_una;
        u32 snd_nxt;
        u32 write_seq;
        u32 srtt_us; /* eighths */
        u32 total_retrans;
};

struct unix_sock___connection {
        struct unix_address *addr;
        struct sock *peer;
};

struct unix_stream_read_state {
        struct socket *socket;
        int flags;
};

struct bpf_iter_meta;

struct bpf_iter__tcp {
        struct bpf_iter_meta *meta;
        struct sock_common *sk_common;
};

/* Since Linux 5.16. */
struct bpf_iter__unix {
        struct bpf_iter_meta *meta;
        struct unix_sock *unix_sk;
};

#pragma clang attribute pop
