/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What happens to a connection when bytes pass through its socket. */

#include "connection.h"

/* The end of a socket that bytes pass through, made where there is none. Sets `ret_made` where it
 * was; what it counts has these bytes already, if it is TCP's. NULL: not observed, or no
 * connection. */
static __always_inline struct connection *used(void *all, struct sock *sk, enum hook hook,
                                               bool *ret_made) {
        u64 key = (u64) sk;
        struct connection *c = bpf_map_lookup_elem(all, &key);
        u16 family;

        *ret_made = false;
        if (c && c->family == AF_UNIX && c->inode != socket_inode(sk)) {
                if (c->inode) {
                        connection_close(all, key, c, hook); /* its end was not seen */
                        c = NULL;
                } else {
                        c->inode = socket_inode(sk); /* it was not accepted yet */
                }
        }
        if (c) {
                if (!(c->flags & CONNECTION_TASK) && bpf_get_current_pid_tgid() >> 32 != own_tgid)
                        connection_take(c);
                connection_open(key, c, hook);
                return c;
        }

        family = BPF_CORE_READ(sk, __sk_common.skc_family);
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
                return NULL;
        if (family == AF_UNIX ? BPF_CORE_READ(sk, sk_type) != SOCK_STREAM
                              : BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
                return NULL;
        if (!observes_this_task())
                return NULL;
        c = connection_make(all, key, false);
        if (!c)
                return NULL;
        *ret_made = true;
        if (family != AF_UNIX) {
                pick_up_tcp(c, sk);
        } else if (!pick_up_unix(c, sk)) {
                connection_remove(all, key);
                return NULL;
        } else if (connections_seeded) {
                c->flags |= CONNECTION_WHOLE;
        }
        connection_take(c);
        return c;
}

/* The other end of an AF_UNIX connection is closed, and nothing is left to read: both have ended.
 */
static __always_inline void unix_ended(void *all, struct sock *sk, enum hook hook) {
        struct sock___connection *more = (void *) sk;
        u64 key = (u64) sk, peer;
        struct connection *c = bpf_map_lookup_elem(all, &key), *o;

        if (!c || c->family != AF_UNIX || BPF_CORE_READ(more, sk_shutdown) != SHUTDOWN_MASK)
                return;
        peer = c->peer;
        connection_close(all, key, c, hook);
        o = bpf_map_lookup_elem(all, &peer);
        if (o)
                connection_close(all, peer, o, hook);
}

/* Not at each call: these numbers change slowly. */
static __always_inline void connection_sample(struct connection *c, struct sock *sk) {
        if (c->family != AF_UNIX && !((c->send_calls + c->receive_calls) & 15))
                sample_tcp(c, (void *) sk);
}

/* A call has moved `ret` bytes, or failed. */
static __always_inline void moved(struct sock *sk, int ret, bool out, enum hook hook) {
        void *all = connections();
        struct connection *c;
        bool made;

        if (!all || !sk)
                return;
        if (ret == 0 || ret == -EPIPE) {
                unix_ended(all, sk, hook);
                return;
        }
        if (ret < 0)
                return;
        c = used(all, sk, hook, &made);
        if (!c || c->flags & CONNECTION_IGNORED)
                return;
        hit(hook);
        if (made && c->family != AF_UNIX) {
                /* TCP's numbers have these bytes: nothing but them means that it has just opened.
                 */
                if (c->sent + c->received == (u32) ret)
                        c->flags |= CONNECTION_WHOLE;
                connection_count(c, out, 0);
        } else {
                connection_count(c, out, ret);
        }
        if (made)
                connection_open((u64) sk, c, hook);
        connection_sample(c, sk);
}
