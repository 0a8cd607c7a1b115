/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* A program is attached to a perf event: the call begins and ends. */

#include "action.h"
#include "target.h"

enum { PERF_EVENT_IOC_SET_BPF = 0x40042408 /* include/uapi/linux/perf_event.h */ };

static __always_inline bool is_perf_event(struct file *file) {
        return inode_name(file) == NAME8('[', 'p', 'e', 'r', 'f', '_', 'e');
}

static __always_inline void set_begins(struct file *file, u32 fd, enum hook hook) {
        struct perf_event *event = BPF_CORE_READ(file, private_data);
        struct action_frame *frame = action_current();
        struct file *program = file_of_fd(fd);

        /* A 32-bit call may pass two of the hooks. */
        if (frame && frame->via == ROAD_PERF_IOCTL && frame->hook != hook &&
            frame->subject == (u64) event)
                action_drop();
        frame = action_open(ACTION_ATTACH, ROAD_PERF_IOCTL, 0, hook);
        if (!frame)
                return;
        frame->subject = (u64) event;
        if (program && inode_name(program) == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o'))
                fill_prog(&frame->object, BPF_CORE_READ(program, private_data));
        fill_perf_target(&frame->target, event);
}

/* Any ioctl(), by its fd. */
static __always_inline int call_begins(u32 fd, u32 cmd, u32 program, enum hook hook) {
        struct file *file;

        if (cmd != PERF_EVENT_IOC_SET_BPF)
                return 0;
        file = file_of_fd(fd);
        if (file && is_perf_event(file))
                set_begins(file, program, hook);
        return 0;
}

/* The end of any ioctl(), for those that began so. */
static __always_inline int set_ends(s64 ret, enum hook hook) {
        struct action_frame *frame = action_current();

        if (frame && frame->action == ACTION_ATTACH && frame->via == ROAD_PERF_IOCTL)
                action_close(ret, hook);
        return 0;
}
