/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What passes through sockets before Linux 6.3, where no tracepoint tells it.
 *
 * TCP: whoever has sent or received lets go of the socket, and its counters tell what has passed. A
 * call that waits lets go in between, and is counted as several.
 * AF_UNIX: a call that sends or receives may wait there for as long as it likes, so it is seen when
 * it brings or takes something: as several where that is in several pieces. sendfile() and splice()
 * are followed to their end. */

#include "connection-use.h"

enum { SENDERS_MAX = 4096 };

/* The socket that a thread is sending pages to. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, SENDERS_MAX);
        __type(key, u64);
        __type(value, u64);
} connection_senders SEC(".maps");

/* TCP ------------------------------------------------------------------------------------------ */

/* What a program gave to the socket grows while it is open alone: behind that comes the FIN. */
static __always_inline u64 given_now(struct sock *sk, const struct connection *c) {
        struct sock___connection *more = (void *) sk;
        u8 state = BPF_CORE_READ(more, __sk_common.skc_state);

        if (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT)
                return tcp_given((void *) sk);
        return c ? c->sent : 0;
}

/* Its first use that is seen: if nothing but that has passed, it has just opened. */
static __always_inline void tcp_appears(struct sock *sk, struct connection *c) {
        if (c->sent && c->received)
                return;
        c->flags |= CONNECTION_WHOLE;
        connection_count(c, c->sent > 0, 0);
        connection_open((u64) sk, c, HOOK_RELEASE_SOCK);
}

/* release_sock(sk): its owner has done something with it. */
SEC("kprobe/release_sock")
int BPF_KPROBE(tcp_released, struct sock *sk) {
        void *all = connections();
        u64 key = (u64) sk, given, taken;
        struct connection *c;
        bool made, sends;

        if (!all || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP ||
            BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
                return 0;
        c = bpf_map_lookup_elem(all, &key);
        given = given_now(sk, c);
        taken = tcp_taken((void *) sk);
        sends = given > (c ? c->sent : 0);
        if (!sends && taken <= (c ? c->received : 0))
                return 0;
        c = used(all, sk, HOOK_RELEASE_SOCK, &made);
        if (!c || c->flags & CONNECTION_IGNORED)
                return 0;
        hit(HOOK_RELEASE_SOCK);
        if (made) {
                tcp_appears(sk, c);
                return 0;
        }
        c->sent = given;
        c->received = taken;
        connection_count(c, sends, 0);
        connection_sample(c, sk);
        return 0;
}

/* AF_UNIX -------------------------------------------------------------------------------------- */

/* skb_copy_datagram_from_iter(skb, offset, from, length): what is sent is copied to its socket's
 * buffer. */
SEC("kprobe/skb_copy_datagram_from_iter")
int BPF_KPROBE(unix_brings, struct sk_buff___connection *skb, int offset, void *from, int length) {
        struct sock *sk = BPF_CORE_READ(skb, sk);

        if (sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
                moved(sk, length, true, HOOK_SKB_COPY_FROM);
        return 0;
}

/* unix_stream_sendpage(socket, page, offset, size, flags): sendfile() and splice() */
SEC("kprobe/unix_stream_sendpage")
int BPF_KPROBE(unix_sends_page, struct socket *socket) {
        u64 thread = bpf_get_current_pid_tgid(), sk;

        if (!connections())
                return 0;
        hit(HOOK_UNIX_SENDPAGE);
        sk = (u64) BPF_CORE_READ(socket, sk);
        bpf_map_update_elem(&connection_senders, &thread, &sk, BPF_ANY);
        return 0;
}

SEC("kretprobe/unix_stream_sendpage")
int BPF_KRETPROBE(unix_has_sent_page, int ret) {
        u64 thread = bpf_get_current_pid_tgid(), *sk;

        sk = bpf_map_lookup_elem(&connection_senders, &thread);
        if (!sk)
                return 0;
        moved((void *) *sk, ret, true, HOOK_UNIX_SENDPAGE_RETURN);
        bpf_map_delete_elem(&connection_senders, &thread);
        return 0;
}

/* unix_stream_read_actor(skb, skip, chunk, state) */
SEC("kprobe/unix_stream_read_actor")
int BPF_KPROBE(unix_takes, void *skb, int skip, int chunk, struct unix_stream_read_state *state) {
        if (!(BPF_CORE_READ(state, flags) & MSG_PEEK))
                moved(BPF_CORE_READ(state, socket, sk), chunk, false, HOOK_UNIX_READ_ACTOR);
        return 0;
}
