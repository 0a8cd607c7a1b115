/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that come by netlink: traffic control, XDP and routes.
 *
 * A message is an action from rtnetlink_rcv_msg() to its end: failures before any function of its
 * own, such as EPERM, are in there too. What the message says counts where it fails; what it does
 * is taken from the functions between: which programs were got, which was put where, which one it
 * displaced. cls_bpf and act_bpf are modules, which a hook of theirs would have to wait for; the
 * functions here are the kernel's own, and they pass through them whatever they do. Removals come
 * by many ways, with and without a message: each is a record of its own. */

#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include "net.h"

enum {
        ATTRIBUTES_MAX = 96, /* walked; IFLA_* are 70 */
        ATTR_HEADER = 4,
};

/* What messages say ---------------------------------------------------------------------------- */

/* The attribute of a type: the last one, as the kernel has it. 0 where there is none. */
__weak u64 find_attribute(u64 at, u64 bytes, u64 type) {
        struct nlattr a;
        u64 found = 0, step;

        for (u32 i = 0; i < ATTRIBUTES_MAX; i++) {
                if (bytes < sizeof(a) || bpf_probe_read_kernel(&a, sizeof(a), (void *) at) ||
                    a.nla_len < sizeof(a) || a.nla_len > bytes)
                        break;
                if ((a.nla_type & NLA_TYPE_MASK) == type)
                        found = at;
                step = NLA_ALIGN((u64) a.nla_len);
                if (step >= bytes)
                        break;
                at += step;
                bytes -= step;
        }
        return found;
}

/* An attribute among those that are nested in another one. */
static __always_inline u64 find_nested(u64 parent, u64 type) {
        struct nlattr a;

        if (!parent || bpf_probe_read_kernel(&a, sizeof(a), (void *) parent) ||
            a.nla_len < sizeof(a))
                return 0;
        return find_attribute(parent + ATTR_HEADER, a.nla_len - sizeof(a), type);
}

static __always_inline u32 attribute_u32(u64 at) {
        u32 v = 0;

        if (at)
                bpf_probe_read_kernel(&v, sizeof(v), (void *) at + ATTR_HEADER);
        return v;
}

static __always_inline void set_ifindex(struct record_target *t, struct sk_buff *skb, u32 ifindex) {
        struct net___devices *net = BPF_CORE_READ(skb, sk, __sk_common.skc_net.net);

        t->kind = TARGET_NETNS;
        t->netns = BPF_CORE_READ(net, ns.inum);
        if (!ifindex)
                return;
        t->kind = TARGET_INTERFACE;
        t->ifindex = ifindex;
        set_device(t, (void *) find_device((u64) net, ifindex));
}

/* The beginning of a message --------------------------------------------------------------------
 */

/* What a message left open that had nothing to do with programs is no loss. */
static __always_inline void message_forget(void) {
        struct message *m = message_frame() ? message_current() : NULL;

        if (m && !m->is_bpf && !m->count)
                action_drop();
}

static __always_inline struct action_frame *message_open(u32 via, u32 flags, enum hook hook) {
        u64 thread = bpf_get_current_pid_tgid();
        struct action_frame *frame;

        message_forget();
        frame = action_open(ACTION_ATTACH, via, flags, hook);
        if (frame && bpf_map_update_elem(&messages, &thread, &blank_message, BPF_ANY)) {
                lost_action();
                action_drop();
                return NULL;
        }
        return frame;
}

/* RTM_NEWLINK, RTM_SETLINK: IFLA_XDP. */
static __always_inline void open_link(struct sk_buff *skb, u64 nlh, u64 size) {
        struct ifinfomsg info = {};
        u64 attributes = nlh + NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(info)), xdp, name;
        struct action_frame *frame;
        struct message *m;
        s64 n;

        bpf_probe_read_kernel(&info, sizeof(info), (void *) nlh + NLMSG_HDRLEN);
        size -= NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(info));
        xdp = find_nested(find_attribute(attributes, size, IFLA_XDP), IFLA_XDP_FD);
        frame = message_open(ROAD_NETLINK_XDP,
                             xdp && (int) attribute_u32(xdp) < 0 ? CALL_DETACHES : 0,
                             HOOK_RTNETLINK_MESSAGE);
        m = message_current();
        if (!frame || !m)
                return;
        m->is_bpf = !!xdp;
        if (!xdp)
                return;
        frame->road_flags = attribute_u32(
                find_nested(find_attribute(attributes, size, IFLA_XDP), IFLA_XDP_FLAGS));
        set_ifindex(&frame->target, skb, info.ifi_index);
        name = find_attribute(attributes, size, IFLA_IFNAME);
        if (info.ifi_index || !name)
                return;
        n = bpf_probe_read_kernel_str(frame->target.text, 16, (void *) name + ATTR_HEADER);
        frame->target.kind = TARGET_INTERFACE;
        frame->target.text_size = n > 0 ? n : 0;
}

/* RTM_NEWTFILTER, RTM_DELTFILTER. */
static __always_inline void open_filter(struct sk_buff *skb, u64 nlh, u64 size, u32 flags) {
        struct tcmsg info = {};
        u64 attributes = nlh + NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(info));
        struct action_frame *frame;
        struct message *m;

        frame = message_open(ROAD_NETLINK_TC, flags, HOOK_RTNETLINK_MESSAGE);
        m = message_current();
        if (!frame || !m)
                return;
        bpf_probe_read_kernel(&info, sizeof(info), (void *) nlh + NLMSG_HDRLEN);
        size -= NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(info));
        m->is_bpf = attribute_u32(find_attribute(attributes, size, TCA_KIND)) == KIND_BPF;
        if (m->is_bpf)
                frame->road_flags = attribute_u32(
                        find_nested(find_attribute(attributes, size, TCA_OPTIONS), TCA_BPF_FLAGS));
        frame->target.priority = info.tcm_info >> 16;
        frame->target.protocol = __builtin_bswap16(info.tcm_info);
        frame->target.handle = info.tcm_handle;
        if (info.tcm_ifindex == (int) TCM_IFINDEX_MAGIC_BLOCK) {
                set_ifindex(&frame->target, skb, 0);
                return;
        }
        frame->target.parent = info.tcm_parent;
        set_ifindex(&frame->target, skb, info.tcm_ifindex);
}

/* RTM_NEWACTION, RTM_DELACTION: the kind of the first one is all that is looked at. */
static __always_inline void open_action(struct sk_buff *skb, u64 nlh, u64 size, u32 flags) {
        const u64 header = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct tcamsg));
        struct action_frame *frame;
        struct message *m;
        u64 first;

        frame = message_open(ROAD_NETLINK_TC, flags, HOOK_RTNETLINK_MESSAGE);
        m = message_current();
        if (!frame || !m)
                return;
        first = find_nested(find_attribute(nlh + header, size - header, TCA_ACT_TAB), 1);
        m->is_bpf = attribute_u32(find_nested(first, TCA_ACT_KIND)) == KIND_BPF;
        set_ifindex(&frame->target, skb, 0);
}

SEC("kprobe/rtnetlink_rcv_msg")
int BPF_KPROBE(rtnetlink_message, struct sk_buff *skb, u64 nlh) {
        struct nlmsghdr h;

        if (bpf_probe_read_kernel(&h, sizeof(h), (void *) nlh) || h.nlmsg_len < NLMSG_HDRLEN + 20)
                return 0;
        switch (h.nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_SETLINK:
                open_link(skb, nlh, h.nlmsg_len);
                break;
        case RTM_NEWTFILTER:
                open_filter(skb, nlh, h.nlmsg_len, 0);
                break;
        case RTM_DELTFILTER:
                open_filter(skb, nlh, h.nlmsg_len, CALL_DETACHES);
                break;
        case RTM_NEWACTION:
                open_action(skb, nlh, h.nlmsg_len, 0);
                break;
        case RTM_DELACTION:
                open_action(skb, nlh, h.nlmsg_len, CALL_DETACHES);
                break;
        }
        return 0;
}

/* bpf_build_state(net, attributes, family, configuration of the route, …): a route that may hold
 * several of them is one message. */
SEC("kprobe/bpf_build_state")
int BPF_KPROBE(lwt_program, struct net___devices *net, void *nla, u32 family, void *config) {
        struct action_frame *frame = message_frame();
        struct record_target *t;
        struct message *m;
        u32 ifindex;

        if (frame)
                return 0;
        frame = message_open(ROAD_NETLINK_LWT, 0, HOOK_BPF_BUILD_STATE);
        m = message_current();
        if (!frame || !m)
                return 0;
        m->is_bpf = 1;
        ifindex = family == 2 /* AF_INET */ ? BPF_CORE_READ((struct fib_config *) config, fc_oif)
                                            : BPF_CORE_READ((struct fib6_config *) config,
                                                            fc_ifindex);
        t = &frame->target;
        t->kind = TARGET_NETNS;
        t->netns = BPF_CORE_READ(net, ns.inum);
        if (ifindex)
                set_device(t, (void *) find_device((u64) net, ifindex));
        return 0;
}

/* What comes in between --------------------------------------------------------------------------
 */

static __always_inline void add_program(u64 prog, u32 length) {
        struct message *m = message_current();
        u64 i = m ? m->count : PROGRAMS_MAX;

        barrier_value(i);
        if (!m || i >= PROGRAMS_MAX)
                return;
        m->programs[i] = prog;
        m->lengths[i] = length;
        m->count = i + 1;
}

/* A module that a message needs is loaded: then all of the message is gone through once more. */
SEC("kprobe/__request_module")
int BPF_KPROBE(netlink_again) {
        struct message *m = message_frame() ? message_current() : NULL;

        if (!m)
                return 0;
        hit(HOOK_NETLINK_AGAIN);
        m->count = 0;
        return 0;
}

SEC("kretprobe/bpf_prog_get_type_dev")
int BPF_KRETPROBE(netlink_program, s64 prog) {
        struct action_frame *frame = message_frame();

        if (!frame)
                return 0;
        hit(HOOK_NETLINK_PROGRAM);
        add_program(prog < 0 && prog >= -4095 ? 0 : prog, 0);
        return 0;
}

/* The instructions go before the record of their program, with the number that it will have. */
SEC("kprobe/bpf_prog_create")
int BPF_KPROBE(netlink_filter, void *ret, struct sock_fprog_kern *classic) {
        struct action_frame *frame = message_frame();
        struct message *m = message_current();
        u64 length;

        if (!frame || !m)
                return 0;
        hit(HOOK_NETLINK_FILTER);
        length = BPF_CORE_READ(classic, len);
        send_part(frame->entered + m->count, PART_FILTER, BPF_CORE_READ(classic, filter),
                  length * 8 /* struct sock_filter */, false);
        add_program(0, length);
        return 0;
}

/* Tells where a filter really is: the kernel may have chosen its priority. */
SEC("kprobe/tcf_exts_validate")
int BPF_KPROBE(filter_place, void *net, struct tcf_proto *tp) {
        struct action_frame *frame = message_frame();

        if (!frame || frame->via != ROAD_NETLINK_TC)
                return 0;
        hit(HOOK_TCF_EXTS_VALIDATE);
        frame->subject = (u64) tp;
        set_filter(&frame->target, tp);
        return 0;
}

/* The end of a message ---------------------------------------------------------------------------
 */

/* At success the frame's object is the program that was there before. */
static __always_inline void tell_xdp(struct action_frame *frame, const struct message *m, s64 ret,
                                     enum hook source) {
        u32 attaches = frame->flags & ~CALL_DETACHES;
        u64 program = m->installed ? m->program : m->programs[0];

        if (ret < 0) {
                if (!m->is_bpf && !m->count)
                        return;
                if (!(frame->flags & CALL_DETACHES))
                        set_program(frame, (void *) program);
                action_send(frame, ret, source);
                return;
        }
        if (m->installed && frame->object.kind) {
                frame->flags |= CALL_DETACHES;
                action_send(frame, ret, source);
        } else if (frame->flags & CALL_DETACHES) {
                return; /* there was none */
        }
        if (!program || (!m->installed && !m->count))
                return;
        frame->flags = attaches;
        set_program(frame, (void *) program);
        action_send(frame, ret, source);
}

/* Removals have records of their own: of them only failures are told here. */
static __always_inline void tell_programs(struct action_frame *frame, const struct message *m,
                                          s64 ret, enum hook source) {
        if (frame->flags & CALL_DETACHES || !m->count) {
                if (ret < 0 && m->is_bpf)
                        action_send(frame, ret, source);
                return;
        }
        for (u32 i = 0; i < PROGRAMS_MAX; i++) {
                if (i >= m->count)
                        break;
                set_program(frame, (void *) m->programs[i]);
                frame->filter_length = m->lengths[i];
                if (frame->filter_length)
                        frame->flags |= CALL_KERNEL_ATTR;
                else
                        frame->flags &= ~CALL_KERNEL_ATTR;
                action_send(frame, ret, source);
                frame->entered++;
        }
}

__weak int tell_message(s64 ret, u32 source) {
        struct action_frame *frame = message_frame();
        struct message *m = message_current();

        if (!frame || !m)
                return 0;
        if (frame->via == ROAD_NETLINK_XDP)
                tell_xdp(frame, m, ret, source);
        else
                tell_programs(frame, m, ret, source);
        return 0;
}

static __always_inline int close_message(int ret, enum hook hook) {
        u64 thread = bpf_get_current_pid_tgid();

        tell_message(ret, hook);
        action_drop();
        bpf_map_delete_elem(&messages, &thread);
        return 0;
}

SEC("kretprobe/rtnetlink_rcv_msg")
int BPF_KRETPROBE(rtnetlink_done, int ret) {
        if (!message_frame())
                return 0;
        hit(HOOK_RTNETLINK_DONE);
        return close_message(ret, HOOK_RTNETLINK_DONE);
}

/* A kretprobe may be missed, where many threads wait for the lock of the network. Failures and
 * most successes are acknowledged behind it. */
SEC("kprobe/netlink_ack")
int BPF_KPROBE(netlink_acknowledged, void *skb, void *nlh, int ret) {
        if (!observes_current())
                return 0;
        hit(HOOK_NETLINK_ACK);
        return message_frame() ? close_message(ret, HOOK_NETLINK_ACK) : 0;
}
