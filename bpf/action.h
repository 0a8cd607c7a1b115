/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What is done without bpf(): a frame between the beginning and the end of it, and the record that
 * it becomes. */

#include "object.h"
#include "send.h"

/* Whether this task's actions are to be told. */
static __always_inline bool observes_current(void) {
        u32 tgid = bpf_get_current_pid_tgid() >> 32;

        return tgid != own_tgid && is_observed(tgid);
}

/* Forgets what a thread left open: its end was not seen. */
static __always_inline void action_lost(u64 thread) {
        if (!bpf_map_delete_elem(&action_frames, &thread))
                lost_action();
}

/* Begins an action of this thread. NULL: it is not observed, there are too many at a time, or the
 * ring is not for the likes of it. What the thread left open before is lost. */
static __always_inline struct action_frame *action_open(u32 action, u32 via, u32 flags,
                                                        enum hook hook) {
        u64 thread = bpf_get_current_pid_tgid();
        struct action_frame *frame;

        if (!observes_current())
                return NULL;
        hit(hook);
        action_lost(thread);
        if (is_crowded() && !is_privileged()) {
                lost_action();
                return NULL;
        }
        bpf_map_update_elem(&action_frames, &thread, &blank_action_frame, BPF_ANY);
        frame = bpf_map_lookup_elem(&action_frames, &thread);
        if (!frame) {
                lost_action();
                return NULL;
        }
        frame->entered = bpf_ktime_get_ns();
        frame->action = action;
        frame->via = via;
        frame->flags = flags | CALL_TIMED | CALL_ATTRIBUTED | (is_compat() ? CALL_COMPAT : 0);
        frame->hook = hook;
        return frame;
}

/* The frame of the action that this thread is in, or NULL. */
static __always_inline struct action_frame *action_current(void) {
        u64 thread = bpf_get_current_pid_tgid();

        return bpf_map_lookup_elem(&action_frames, &thread);
}

/* Forgets it without a word. */
static __always_inline void action_drop(void) {
        u64 thread = bpf_get_current_pid_tgid();

        bpf_map_delete_elem(&action_frames, &thread);
}

/* Sends the record of an action; the frame stays. `source`: the hook that saw it end. Of what is
 * done in nobody's name anybody may be the cause. */
static __always_inline void action_send(const struct action_frame *frame, s64 ret,
                                        enum hook source) {
        struct record_action *r;

        if (is_crowded() && !(frame->flags & CALL_ATTRIBUTED && is_privileged())) {
                lost_action();
                return;
        }
        if (frame->flags & CALL_ATTRIBUTED)
                tell_context(frame->entered);
        r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                lost_action();
                return;
        }
        fill_header(&r->header, RECORD_ACTION, sizeof(*r));
        fill_task(&r->task);
        r->duration = frame->flags & CALL_TIMED ? r->header.time - frame->entered : 0;
        r->ret = ret;
        r->entered = frame->entered;
        r->action = frame->action;
        r->via = frame->via;
        r->flags = frame->flags;
        r->source = source;
        r->filter_length = frame->filter_length;
        r->road_flags = frame->road_flags;
        __builtin_memcpy(&r->object, &frame->object, sizeof(r->object));
        bpf_probe_read_kernel(&r->target, sizeof(r->target), &frame->target);
        submit(&r->header);
}

/* Ends the action that this thread is in, if any, with what the kernel returned. */
static __always_inline void action_close(s64 ret, enum hook hook) {
        struct action_frame *frame = action_current();

        if (!frame)
                return;
        hit(hook);
        action_send(frame, ret, hook);
        action_drop();
}
