/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Connections as the kernel side keeps them: where they are, how they begin and end, and how bytes
 * that pass are counted. */

#include "kernel-connection.h"
#include "send.h"

enum {
        TOLD_MAX = 1024,    /* processes */
        NUMBERS_MAX = 4096, /* that were given last */
        CONTEXTS_MAX = 4,   /* a task, and interrupts on top of it: linux/preempt.h */

        /* include/linux/socket.h */
        AF_UNIX = 1,
        AF_INET = 2,
        AF_INET6 = 10,
        MSG_PEEK = 2,
        MSG_ERRQUEUE = 0x2000,

        SOCK_STREAM = 1, /* include/linux/net.h */
        IPPROTO_TCP = 6, /* include/uapi/linux/in.h */

        /* include/net/tcp_states.h */
        TCP_ESTABLISHED = 1,
        TCP_SYN_SENT = 2,
        TCP_SYN_RECV = 3,
        TCP_CLOSE = 7,
        TCP_CLOSE_WAIT = 8,

        SOCK_DONE_BIT = 1,   /* enum sock_flags, include/net/sock.h */
        SHUTDOWN_MASK = 3,   /* include/net/sock.h */
        SUN_PATH_OFFSET = 2, /* struct sockaddr_un */
        EPIPE = 32,          /* include/uapi/asm-generic/errno-base.h */
};

/* Set by the daemon, while it asks for connections. */
__u32 connection_generation __weak; /* of the round over all sockets at hand */
__u32 connections_seeded __weak;    /* AF_UNIX: those that were open before are known */
__u32 connections_counted __weak;   /* it is seen what passes */
__u32 connection_slots __weak;      /* elements of connection_counts in use */
__u64 connections_missed __weak;    /* calls of which the daemon has told that they were missed */

static const struct connection blank_connection;

/* Made by the daemon, as large as it is told, and only while somebody asks. Key: the socket.
 * Without types: Linux 5.15 to 6.1 want that of the map that is put here to have the same BTF. */
struct connection_map {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 1);
        __uint(key_size, sizeof(u64));
        __uint(value_size, sizeof(struct connection));
};

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
        __uint(max_entries, 1);
        __type(key, u32);
        __array(values, struct connection_map);
} connection_space __weak SEC(".maps");

/* The daemon sets the size. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, struct connection_counts);
} connection_counts __weak SEC(".maps");

/* The processes that the daemon was told of, by which of their programs they ran. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, TOLD_MAX);
        __type(key, u32);
        __type(value, u64);
} connection_processes __weak SEC(".maps");

/* The numbers of connections that were given last. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, NUMBERS_MAX);
        __type(key, u64);
        __type(value, u8);
} connection_numbers __weak SEC(".maps");

struct task_struct___exec {
        u64 self_exec_id;
} __attribute__((preserve_access_index));

/* Where connections are kept; NULL: nobody asks. */
static __always_inline void *connections(void) {
        u32 zero = 0;

        return bpf_map_lookup_elem(&connection_space, &zero);
}

/* Iterators are interrupted by the other programs, and have a slot of their own: the last. */
static __always_inline struct connection_counts *counts(bool iterating) {
        u32 slot = iterating ? connection_slots - 1 : bpf_get_smp_processor_id();

        return bpf_map_lookup_elem(&connection_counts, &slot);
}

static __always_inline void count_removed(void) {
        struct connection_counts *n = counts(false);

        if (n)
                __sync_fetch_and_add(&n->removed, 1);
}

/* A number of its own. An interrupt on top of us may read the same counter: who writes the number
 * down first has it. 0: there is none to be had. */
static __always_inline u64 connection_number(struct connection_counts *n, u32 slot) {
        u8 taken = 1;
        u64 id;

#pragma unroll
        for (int i = 0; i < CONTEXTS_MAX; i++) {
                __sync_fetch_and_add(&n->numbers, 1);
                id = n->numbers * connection_slots + slot;
                if (!bpf_map_update_elem(&connection_numbers, &id, &taken, BPF_NOEXIST))
                        return id;
        }
        return 0;
}

/* Makes, or makes anew, the end of a socket. */
static __always_inline struct connection *connection_make(void *all, u64 key, bool iterating) {
        struct connection_counts *n = counts(iterating);
        u32 slot = iterating ? connection_slots - 1 : bpf_get_smp_processor_id();
        struct connection *c;
        u64 id;

        if (!n)
                return NULL;
        if (!bpf_map_delete_elem(all, &key))
                __sync_fetch_and_add(&n->removed, 1);
        id = connection_number(n, slot);
        if (!id || bpf_map_update_elem(all, &key, &blank_connection, BPF_NOEXIST))
                return NULL;
        c = bpf_map_lookup_elem(all, &key);
        if (!c)
                return NULL;
        __sync_fetch_and_add(&n->made, 1);
        c->start = bpf_ktime_get_ns();
        c->id = id;
        return c;
}

static __always_inline void connection_remove(void *all, u64 key) {
        if (!bpf_map_delete_elem(all, &key))
                count_removed();
}

/* Telling -------------------------------------------------------------------------------------- */

/* Lets the daemon know this process, once. */
static __always_inline void tell_process(const struct record_task *t) {
        struct task_struct___exec *task = (void *) bpf_get_current_task();
        u32 tgid = t->tgid;
        u64 program = t->start_time ^ BPF_CORE_READ(task, self_exec_id) << 56;
        u64 *told = bpf_map_lookup_elem(&connection_processes, &tgid);

        if (told && *told == program)
                return;
        if (tell_context(0))
                bpf_map_update_elem(&connection_processes, &tgid, &program, BPF_ANY);
}

/* Anybody may open connections as fast as a processor goes: the half of the ring that is kept for
 * the privileged is not for them. */
static __always_inline void connection_tell(u64 key, const struct connection *c, u32 what,
                                            enum hook hook) {
        struct record_connection *r;

        if (c->flags & CONNECTION_IGNORED)
                return;
        r = is_crowded() ? NULL : bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                lost_connection();
                return;
        }
        fill_header(&r->header, RECORD_CONNECTION, sizeof(*r));
        r->key = key;
        r->what = what;
        r->source = hook;
        bpf_probe_read_kernel(&r->connection, sizeof(r->connection), c);
        submit(&r->header);
}

static __always_inline void connection_open(u64 key, struct connection *c, enum hook hook) {
        if (!(c->flags & CONNECTION_WHOLE) || c->flags & CONNECTION_TOLD)
                return;
        c->flags |= CONNECTION_TOLD;
        connection_tell(key, c, CONNECTION_OPENS, hook);
}

static __always_inline void connection_close(void *all, u64 key, struct connection *c,
                                             enum hook hook) {
        connection_tell(key, c, CONNECTION_CLOSES, hook);
        connection_remove(all, key);
}

/* This task is who uses the end. */
static __always_inline void connection_take(struct connection *c) {
        fill_task(&c->task);
        c->flags |= CONNECTION_TASK;
        tell_process(&c->task);
}

static __always_inline bool observes_this_task(void) {
        u32 tgid = bpf_get_current_pid_tgid() >> 32;

        return tgid != own_tgid && is_observed(tgid);
}

/* Counting ------------------------------------------------------------------------------------- */

static __always_inline u32 bucket_of(u64 ns) {
        u32 n = 0;

        ns >>= CONNECTION_SHIFT;
        if (ns >> 32)
                return CONNECTION_BUCKETS - 1;
        if (ns >> 16) {
                n += 16;
                ns >>= 16;
        }
        if (ns >> 8) {
                n += 8;
                ns >>= 8;
        }
        if (ns >> 4) {
                n += 4;
                ns >>= 4;
        }
        if (ns >> 2) {
                n += 2;
                ns >>= 2;
        }
        if (ns >> 1) {
                n += 1;
                ns >>= 1;
        }
        n += ns;
        return n < CONNECTION_BUCKETS ? n : CONNECTION_BUCKETS - 1;
}

static __always_inline void count_latency(struct connection *c, u64 ns) {
        u32 bucket = bucket_of(ns) & (CONNECTION_BUCKETS - 1);

        c->requests++;
        c->latency += ns;
        if (ns > c->latency_max)
                c->latency_max = ns;
        c->histogram[bucket]++;
}

/* Bytes have left this end, or come to it. An end of which it is not known who connected counts as
 * the client's. */
static __always_inline void connection_turns(struct connection *c, bool out) {
        u64 now = bpf_ktime_get_ns();
        bool asks = c->flags & CONNECTION_SERVER ? !out : out;

        c->last = now;
        if (asks) {
                c->turn = CONNECTION_ASKED;
                c->asked = now;
        } else if (c->turn == CONNECTION_ASKED) {
                c->turn = CONNECTION_ANSWERED;
                count_latency(c, now > c->asked ? now - c->asked : 0);
        }
}

/* Several threads may use one socket. */
static __always_inline void connection_count(struct connection *c, bool out, u64 bytes) {
        /* Adding nothing would become an operation that Linux 5.10 lacks. */
        if (bytes > 0)
                __sync_fetch_and_add(out ? &c->sent : &c->received, bytes);
        __sync_fetch_and_add(out ? &c->send_calls : &c->receive_calls, 1);
        connection_turns(c, out);
}

/* TCP ------------------------------------------------------------------------------------------ */

static __always_inline void fill_tcp_addresses(struct connection *c, struct sock *sk) {
        struct sock___connection *more = (void *) sk;

        c->family = BPF_CORE_READ(sk, __sk_common.skc_family);
        c->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
        c->local_port = BPF_CORE_READ(more, __sk_common.skc_num);
        c->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
        if (c->family == AF_INET6) {
                BPF_CORE_READ_INTO(&c->local, sk, __sk_common.skc_v6_rcv_saddr);
                BPF_CORE_READ_INTO(&c->remote, sk, __sk_common.skc_v6_daddr);
        } else {
                *(u32 *) c->local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
                *(u32 *) c->remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
        }
}

/* Bytes that a program gave to the socket, whether they have left or not. */
static __always_inline u64 tcp_given(struct tcp_sock *tp) {
        return BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans) +
               (u32) (BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_nxt));
}

/* The other end has closed: its FIN takes a number like a byte. */
static __always_inline bool tcp_has_fin(struct tcp_sock *tp) {
        struct sock___connection *more = (void *) tp;

        return BPF_CORE_READ(more, __sk_common.skc_flags) >> SOCK_DONE_BIT & 1;
}

/* Bytes that a program has taken from it. */
static __always_inline u64 tcp_taken(struct tcp_sock *tp) {
        u32 left = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);

        return BPF_CORE_READ(tp, bytes_received) - left - (left == 0 && tcp_has_fin(tp));
}

static __always_inline void sample_tcp(struct connection *c, struct tcp_sock *tp) {
        c->rtt = BPF_CORE_READ(tp, srtt_us) >> 3;
        c->retransmits = BPF_CORE_READ(tp, total_retrans);
}

/* Who connected: of all that was sent, it has the SYN besides the bytes in the numbers of its
 * sequence. Only asked before the FIN, which takes one, too. */
static __always_inline u32 tcp_side(struct sock *sk) {
        struct sock___connection *more = (void *) sk;
        struct tcp_sock *tp = (void *) sk;
        u8 state = BPF_CORE_READ(more, __sk_common.skc_state);
        u64 numbers, bytes;

        if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
                return 0;
        numbers = BPF_CORE_READ(tp, bytes_acked) +
                  (u32) (BPF_CORE_READ(tp, snd_nxt) - BPF_CORE_READ(tp, snd_una));
        bytes = BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans);
        return numbers == bytes + 1 ? CONNECTION_CLIENT : numbers == bytes ? CONNECTION_SERVER : 0;
}

/* A socket that was open before, or whose beginning could not be attributed. */
static __always_inline void pick_up_tcp(struct connection *c, struct sock *sk) {
        struct tcp_sock *tp = (void *) sk;

        fill_tcp_addresses(c, sk);
        c->flags |= tcp_side(sk);
        c->sent = tcp_given(tp);
        c->received = tcp_taken(tp);
        sample_tcp(c, tp);
}

/* The kernel's own numbers are what counts in the end: without what was never acknowledged, and
 * without the FIN. */
static __always_inline void end_tcp(struct connection *c, struct sock *sk) {
        struct tcp_sock *tp = (void *) sk;
        u64 acked = BPF_CORE_READ(tp, bytes_acked);
        u64 sent = BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans);
        u64 received = BPF_CORE_READ(tp, bytes_received);

        c->sent = acked < sent ? acked : sent;
        c->received = received - (received && tcp_has_fin(tp));
        sample_tcp(c, tp);
}

/* AF_UNIX -------------------------------------------------------------------------------------- */

static __always_inline u64 socket_inode(struct sock *sk) {
        struct sock___connection *more = (void *) sk;
        struct socket *socket = BPF_CORE_READ(more, sk_socket);
        struct socket_alloc *alloc = (void *) socket -
                                     bpf_core_field_offset(struct socket_alloc, socket);

        return socket ? BPF_CORE_READ(alloc, vfs_inode.i_ino) : 0;
}

static __always_inline u32 peer_tgid(struct sock *sk) {
        struct sock___connection *more = (void *) sk;
        struct pid *pid = BPF_CORE_READ(more, sk_peer_pid);

        return pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
}

static __always_inline void fill_unix_path(struct connection *c, struct unix_address *address) {
        u64 size = (u32) BPF_CORE_READ(address, len) - SUN_PATH_OFFSET;
        const void *path = (void *) address + bpf_core_field_offset(struct unix_address, name) +
                           SUN_PATH_OFFSET;

        asm volatile("if %0 < %1 goto +1\n\t%0 = %2"
                     : "+r"(size)
                     : "i"(CONNECTION_PATH_MAX + 1), "i"(CONNECTION_PATH_MAX));
        c->path_size = size;
        bpf_probe_read_kernel(c->path, size, path);
}

/* The end of a socket that somebody uses, from the addresses: the server's is bound. Where both
 * are, the one that the other knows as this process is the client's. Returns false for those that
 * never were connected by an address, such as of socketpair(). */
static __always_inline bool pick_up_unix(struct connection *c, struct sock *sk) {
        struct unix_sock___connection *u = (void *) sk;
        struct sock *peer = BPF_CORE_READ(u, peer);
        struct unix_sock___connection *o = (void *) peer;
        struct unix_address *own = BPF_CORE_READ(u, addr),
                            *other = peer ? BPF_CORE_READ(o, addr) : NULL;
        bool server = own && (!other || peer_tgid(peer) != bpf_get_current_pid_tgid() >> 32);

        if (!peer || (!own && !other))
                return false;
        c->family = AF_UNIX;
        c->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
        c->inode = socket_inode(sk);
        c->peer = (u64) peer;
        c->client = server ? socket_inode(peer) : c->inode;
        c->flags |= server ? CONNECTION_SERVER : CONNECTION_CLIENT;
        if (peer_tgid(sk) == own_tgid)
                c->flags |= CONNECTION_IGNORED;
        fill_unix_path(c, server ? own : other);
        return true;
}
