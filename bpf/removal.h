/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What leaves in the middle of something else, whether or not a call or message is behind it: each
 * removal is an action of its own. */

#include "action.h"
#include "acts.h"

/* A frame beside the one of what this thread does. */
static __always_inline struct action_frame *frame_beside(u32 via, enum hook hook) {
        u64 key = ~thread_key();
        struct action_frame *frame;

        bpf_map_update_elem(&action_frames, &key, &blank_action_frame, BPF_ANY);
        frame = bpf_map_lookup_elem(&action_frames, &key);
        if (!frame) {
                lost_action();
                return NULL;
        }
        hit(hook);
        frame->entered = bpf_ktime_get_ns();
        frame->action = ACTION_ATTACH;
        frame->via = via;
        frame->flags = CALL_DETACHES;
        return frame;
}

/* Whether it is told that something leaves: with `acts` this thread takes it away. What the kernel
 * does later, on top of anybody (the daemon too), is done in nobody's name. */
static __always_inline bool observes_removal(bool acts) {
        return acts ? observes_current() : observe == OBSERVE_ALL;
}

/* NULL where nobody wants to know. */
static __always_inline struct action_frame *removal_open(struct pt_regs *ctx, u32 via,
                                                         enum hook hook) {
        bool acts = task_acts(ctx);
        struct action_frame *frame = observes_removal(acts) ? frame_beside(via, hook) : NULL;

        if (frame && acts)
                frame->flags |= CALL_ATTRIBUTED;
        return frame;
}

static __always_inline void removal_close(struct action_frame *frame, enum hook hook) {
        u64 key = ~thread_key();

        action_send(frame, 0, hook);
        bpf_map_delete_elem(&action_frames, &key);
}
