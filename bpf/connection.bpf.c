/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections, TCP and AF_UNIX streams: what passes through their sockets is added up here, and the
 * daemon reads it when somebody asks. Attached only while somebody does.
 *
 * From Linux 6.3 on tracepoints say what each call has moved. Before, kprobes do
 * (connection-early.bpf.c); where there are none, TCP's own counters say what has passed in all. */

#include "connection-use.h"

/* Opening and closing ------------------------------------------------------------------------- */

/* connect(): the last moment at which the task is the one that does it. */
static __always_inline void tcp_connects(void *all, u64 key, struct sock *sk) {
        struct connection *c;

        if (!observes_this_task()) {
                connection_remove(all, key);
                return;
        }
        c = connection_make(all, key, false);
        if (!c)
                return;
        c->family = BPF_CORE_READ(sk, __sk_common.skc_family);
        c->flags = CONNECTION_CLIENT | CONNECTION_WHOLE;
        connection_take(c);
}

/* In whose name, is not known: often that of an interrupt. */
static __always_inline void tcp_establishes(void *all, u64 key, struct sock *sk, int before) {
        struct connection *c;

        if (before == TCP_SYN_SENT) {
                c = bpf_map_lookup_elem(all, &key);
                if (!c)
                        return;
                fill_tcp_addresses(c, sk);
                c->start = bpf_ktime_get_ns();
                connection_open(key, c, HOOK_INET_STATE);
                return;
        }
        if (observe != OBSERVE_ALL) {
                connection_remove(all, key);
                return;
        }
        c = connection_make(all, key, false);
        if (!c)
                return;
        c->flags = CONNECTION_SERVER | CONNECTION_WHOLE;
        fill_tcp_addresses(c, sk);
}

/* Whether a program before has seen it: only what was missed changes anything. */
static __always_inline bool is_seen(const struct connection *c, int before, int after) {
        if (after == TCP_CLOSE)
                return !c; /* it is gone */
        if (!c || !(c->flags & CONNECTION_WHOLE))
                return false;
        if (after == TCP_SYN_SENT)
                return c->flags & CONNECTION_CLIENT && !(c->flags & CONNECTION_TOLD);
        return before == TCP_SYN_SENT ? c->flags & CONNECTION_TOLD
                                      : c->flags & CONNECTION_SERVER && !c->sent && !c->received;
}

static __always_inline void tcp_closes(void *all, u64 key, struct sock *sk, int before) {
        struct connection *c = bpf_map_lookup_elem(all, &key);

        if (!c)
                return;
        if (before == TCP_SYN_SENT) {
                connection_remove(all, key);
                return;
        }
        end_tcp(c, sk);
        connection_close(all, key, c, HOOK_INET_STATE);
}

/* inet_sock_set_state(sk, oldstate, newstate) */
static __always_inline int state_changes(struct bpf_raw_tracepoint_args *ctx, enum hook hook,
                                         bool again) {
        struct sock *sk = (void *) ctx->args[0];
        int before = ctx->args[1], after = ctx->args[2];
        u64 key = (u64) sk;
        void *all;

        if (after != TCP_SYN_SENT && after != TCP_ESTABLISHED && after != TCP_CLOSE)
                return 0;
        all = connections();
        if (!all || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
                return 0;
        hit(hook);
        if (again && is_seen(bpf_map_lookup_elem(all, &key), before, after))
                return 0;
        if (after == TCP_SYN_SENT)
                tcp_connects(all, key, sk);
        else if (after == TCP_ESTABLISHED)
                tcp_establishes(all, key, sk, before);
        else
                tcp_closes(all, key, sk, before);
        return 0;
}

SEC("raw_tp/inet_sock_set_state")
int inet_state(struct bpf_raw_tracepoint_args *ctx) {
        return state_changes(ctx, HOOK_INET_STATE, false);
}

SEC("raw_tp/inet_sock_set_state")
int inet_state_again(struct bpf_raw_tracepoint_args *ctx) {
        return state_changes(ctx, HOOK_INET_STATE_AGAIN, true);
}

/* Using, since Linux 6.3 --------------------------------------------------------------------------
 *
 * By raw tracepoints. Where the kernel preempts their programs, by classic ones, whose programs it
 * does not; but it leaves these out while somebody's call of bpf() is at a map. */

static __always_inline int received(struct sock *sk, int ret, int flags, enum hook hook) {
        if (!(flags & (MSG_PEEK | MSG_ERRQUEUE)))
                moved(sk, ret, false, hook);
        return 0;
}

/* sock_send_length(sk, ret, flags) */
SEC("raw_tp/sock_send_length")
int sock_send(struct bpf_raw_tracepoint_args *ctx) {
        moved((void *) ctx->args[0], ctx->args[1], true, HOOK_SOCK_SEND);
        return 0;
}

/* sock_recv_length(sk, ret, flags) */
SEC("raw_tp/sock_recv_length")
int sock_receive(struct bpf_raw_tracepoint_args *ctx) {
        return received((void *) ctx->args[0], ctx->args[1], ctx->args[2], HOOK_SOCK_RECEIVE);
}

SEC("tp/sock/sock_send_length")
int sock_send_classic(struct sock_length_context *ctx) {
        moved(ctx->sk, ctx->ret, true, HOOK_SOCK_SEND_CLASSIC);
        return 0;
}

SEC("tp/sock/sock_recv_length")
int sock_receive_classic(struct sock_length_context *ctx) {
        return received(ctx->sk, ctx->ret, ctx->flags, HOOK_SOCK_RECEIVE_CLASSIC);
}

/* AF_UNIX, where there are kprobes ------------------------------------------------------------- */

/* security_unix_stream_connect(sock, other, newsk): connect(), in the client's name. `newsk` is
 * what the server will accept. */
SEC("kprobe/security_unix_stream_connect")
int BPF_KPROBE(unix_connect, struct sock *sk, struct sock *listener, struct sock *accepted) {
        struct unix_sock___connection *u = (void *) listener;
        void *all = connections();
        struct connection *c;
        struct unix_address *address;

        if (!all || !observes_this_task() || BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
                return 0;
        address = BPF_CORE_READ(u, addr);
        if (!address)
                return 0;
        hit(HOOK_UNIX_CONNECT);
        if (observe == OBSERVE_ALL) {
                c = connection_make(all, (u64) accepted, false);
                if (c) {
                        c->family = AF_UNIX;
                        c->flags = CONNECTION_SERVER | CONNECTION_WHOLE;
                        c->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
                        c->peer = (u64) sk;
                        c->client = socket_inode(sk);
                        fill_unix_path(c, address);
                }
        }
        c = connection_make(all, (u64) sk, false);
        if (!c)
                return 0;
        c->family = AF_UNIX;
        c->flags = CONNECTION_CLIENT | CONNECTION_WHOLE;
        c->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
        c->inode = c->client = socket_inode(sk);
        c->peer = (u64) accepted;
        fill_unix_path(c, address);
        connection_take(c);
        connection_open((u64) sk, c, HOOK_UNIX_CONNECT);
        return 0;
}

SEC("kprobe/unix_release_sock")
int BPF_KPROBE(unix_release, struct sock *sk) {
        void *all = connections();
        u64 key = (u64) sk;
        struct connection *c = all ? bpf_map_lookup_elem(all, &key) : NULL;

        if (!c)
                return 0;
        hit(HOOK_UNIX_RELEASE);
        connection_close(all, key, c, HOOK_UNIX_RELEASE);
        return 0;
}

/* Rounds over all sockets ---------------------------------------------------------------------- */

/* Those that were open before are picked up, but where only some processes are observed: it is not
 * known whose they are. Of the others it is noted that they are still there. */
SEC("iter/tcp")
int iterate_tcp(struct bpf_iter__tcp *ctx) {
        struct sock *sk = (void *) ctx->sk_common;
        struct sock___connection *more = (void *) sk;
        u64 key = (u64) sk;
        void *all = connections();
        struct connection *c;
        u8 state;

        if (!sk || !all)
                return 0;
        state = BPF_CORE_READ(more, __sk_common.skc_state);
        c = bpf_map_lookup_elem(all, &key);
        if (!c) {
                if (observe != OBSERVE_ALL || (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT))
                        return 0;
                c = connection_make(all, key, true);
                if (!c)
                        return 0;
                pick_up_tcp(c, sk);
        } else if (!connections_counted) {
                c->sent = tcp_given((void *) sk);
                c->received = tcp_taken((void *) sk);
        }
        sample_tcp(c, (void *) sk);
        c->generation = connection_generation;
        return 0;
}

SEC("iter/unix")
int iterate_unix(struct bpf_iter__unix *ctx) {
        struct sock *sk = (void *) ctx->unix_sk;
        u64 key = (u64) sk;
        void *all = connections();
        struct connection *c;

        if (!sk || !all || !connections_counted)
                return 0;
        c = bpf_map_lookup_elem(all, &key);
        if (!c) {
                if (observe != OBSERVE_ALL || BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
                        return 0;
                c = connection_make(all, key, true);
                if (!c)
                        return 0;
                if (!pick_up_unix(c, sk)) {
                        connection_remove(all, key);
                        return 0;
                }
        }
        c->generation = connection_generation;
        return 0;
}
