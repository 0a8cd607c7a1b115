/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that leave the network: told to go, displaced, or gone with what they were attached to.
 * Each is an action of its own, whether or not a message of netlink is behind it. */

#include "net.h"
#include "removal.h"

/* Whether a program has just come by the message that this thread is in: a message that fails takes
 * back what it began. */
__weak int is_of_message(u64 prog) {
        struct message *m = message_current();

        if (!m)
                return 0;
        for (u32 i = 0; i < PROGRAMS_MAX; i++)
                if (m->programs[i] == prog)
                        return 1;
        return 0;
}

/* XDP: dev_xdp_install(dev, mode, bpf_op, extack, flags, prog) for every change. A message tells it
 * at its end; a device that goes takes what it ran with it. */
SEC("kprobe/dev_xdp_install")
int BPF_KPROBE(xdp_install, struct net_device *dev, u64 mode) {
        struct action_frame *frame = message_frame();
        struct message *m = message_current();
        struct bpf_xdp_entity now = {};
        bool goes = BPF_CORE_READ(dev, dismantle);

        if (mode >= 3)
                return 0;
        if (!goes && (!frame || !m || frame->via != ROAD_NETLINK_XDP))
                return 0; /* by a link: the call tells it */
        bpf_probe_read_kernel(&now, sizeof(now), &dev->xdp_state[mode]);
        if (!goes) {
                hit(HOOK_DEV_XDP_INSTALL);
                m->installed = 1;
                m->program = ARGUMENT6(ctx);
                frame->road_flags = ARGUMENT5(ctx);
                set_device(&frame->target, dev);
                set_program(frame, now.prog);
                return 0;
        }
        if (!now.prog && !now.link) /* one of them */
                return 0;
        frame = removal_open(ctx, now.link ? ROAD_LINK : ROAD_NETLINK_XDP, HOOK_DEV_XDP_INSTALL);
        if (!frame)
                return 0;
        set_device(&frame->target, dev);
        if (now.link)
                fill_link(&frame->object, &now.link->link);
        else
                set_program(frame, now.prog);
        removal_close(frame, HOOK_DEV_XDP_INSTALL);
        return 0;
}

static __always_inline bool is_bpf(const char *kind) {
        u32 name = 0;

        bpf_probe_read_kernel(&name, sizeof(name), kind);
        return name == KIND_BPF;
}

static __always_inline bool is_bpf_filter(struct tcf_proto *tp) {
        const struct tcf_proto_ops *ops = BPF_CORE_READ(tp, ops);

        return is_bpf(ops->kind);
}

/* `rest`: of the struct cls_bpf_prog that the filter is. */
static __always_inline void tell_filter(struct pt_regs *ctx, struct tcf_proto *tp,
                                        struct bpf_prog *prog, const void *rest, enum hook hook) {
        struct action_frame *frame;
        struct cls_bpf_rest r = {};

        if (!is_prog(prog) || is_of_message((u64) prog))
                return;
        frame = removal_open(ctx, ROAD_NETLINK_TC, hook);
        if (!frame)
                return;
        bpf_probe_read_kernel(&r, sizeof(r), rest);
        set_filter(&frame->target, tp);
        frame->target.handle = r.handle;
        set_program(frame, prog);
        if (!frame->object.kind)
                frame->filter_length = r.instructions;
        removal_close(frame, hook);
}

/* tc_setup_cb_destroy(block, tp, type, offload, …): cls_bpf asks the devices to forget a filter,
 * whether or not they know it: deleted, or gone with its qdisc, device or network namespace. */
SEC("kprobe/tc_setup_cb_destroy")
int BPF_KPROBE(filter_destroy, void *block, struct tcf_proto *tp, u32 type, void *offload) {
        struct bpf_prog *prog = NULL;
        void *exts = NULL;

        if (!is_bpf_filter(tp))
                return 0;
        bpf_probe_read_kernel(&prog, sizeof(prog), offload + OFFLOAD_OLD);
        bpf_probe_read_kernel(&exts, sizeof(exts), offload + OFFLOAD_EXTS);
        tell_filter(ctx, tp, prog, exts + bpf_core_type_size(struct tcf_exts),
                    HOOK_TC_SETUP_CB_DESTROY);
        return 0;
}

/* tcf_queue_work(rwork, function): what a filter was before it was changed goes. */
SEC("kprobe/tcf_queue_work")
int BPF_KPROBE(filter_replaced, void *rwork) {
        struct action_frame *frame = message_frame();
        const void *rest = rwork - CLS_BPF_RWORK;
        struct bpf_prog *prog = NULL;
        struct tcf_proto *tp;

        /* Of a message that deletes, tc_setup_cb_destroy() has told. */
        if (!frame || frame->via != ROAD_NETLINK_TC || frame->flags & CALL_DETACHES)
                return 0;
        tp = (void *) frame->subject;
        if (!tp || !is_bpf_filter(tp))
                return 0;
        bpf_probe_read_kernel(&prog, sizeof(prog),
                              rest - bpf_core_type_size(struct tcf_exts) - CLS_BPF_EXTS);
        tell_filter(ctx, tp, prog, rest, HOOK_TCF_QUEUE_WORK);
        return 0;
}

/* What an action runs: struct tcf_bpf { struct tc_action common; struct bpf_prog *filter; … } */
static __always_inline struct bpf_prog *program_of_action(struct tc_action *action) {
        const struct tc_action_ops *ops = BPF_CORE_READ(action, ops);
        struct bpf_prog *prog = NULL;

        if (is_bpf(ops->kind))
                bpf_probe_read_kernel(&prog, sizeof(prog),
                                      (void *) action + bpf_core_type_size(struct tc_action));
        return prog;
}

static __always_inline void tell_action(struct pt_regs *ctx, struct tc_action *action,
                                        struct bpf_prog *prog, enum hook hook) {
        struct action_frame *frame;

        if (!is_prog(prog))
                return;
        frame = removal_open(ctx, ROAD_NETLINK_TC, hook);
        if (!frame)
                return;
        frame->target.kind = TARGET_NETNS;
        frame->target.netns = BPF_CORE_READ(action, idrinfo, net, ns.inum);
        set_program(frame, prog);
        removal_close(frame, hook);
}

SEC("kprobe/tcf_action_cleanup")
int BPF_KPROBE(action_cleanup, struct tc_action *action) {
        struct bpf_prog *prog = program_of_action(action);

        if (prog && !is_of_message((u64) prog))
                tell_action(ctx, action, prog, HOOK_TCF_ACTION_CLEANUP);
        return 0;
}

/* An action is set up, or changed: then it has a program already. */
SEC("kprobe/tcf_action_set_ctrlact")
int BPF_KPROBE(action_replaced, struct tc_action *action) {
        struct bpf_prog *prog = program_of_action(action);

        if (prog && message_frame())
                tell_action(ctx, action, prog, HOOK_TCF_ACTION_SET_CTRLACT);
        return 0;
}

static __always_inline void tell_route(struct bpf_prog *prog) {
        struct action_frame *frame;

        if (!is_prog(prog) || is_of_message((u64) prog))
                return;
        frame = frame_beside(ROAD_NETLINK_LWT, HOOK_LWTSTATE_FREE);
        if (!frame)
                return;
        set_program(frame, prog);
        removal_close(frame, HOOK_LWTSTATE_FREE);
}

/* The last holder of a route's program is a callback of the kernel's, which runs whatever thread is
 * on the processor: the daemon's too. */
SEC("kprobe/lwtstate_free")
int BPF_KPROBE(lwt_free, struct lwtunnel_state *state) {
        struct bpf_lwt *lwt = (void *) &state->data;

        if (observe != OBSERVE_ALL || BPF_CORE_READ(state, type) != ENCAP_BPF)
                return 0;
        tell_route(BPF_CORE_READ(lwt, in.prog));
        tell_route(BPF_CORE_READ(lwt, out.prog));
        tell_route(BPF_CORE_READ(lwt, xmit.prog));
        return 0;
}
