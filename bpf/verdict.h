/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What the verifier said: the end of the log that it wrote into the caller's memory. */

#include "kernel-call.h"
#include "send.h"

enum {
        LOG_TOLD_MAX = 4096, /* bytes of the end that are told */
        LOG_STEPS_MAX = 256, /* of RECORD_PART_LARGE, to the end of a log whose length is not told
                              */
};

/* Where a text ends, looking no further than `size` bytes; `room` is for use on the way. */
static __always_inline u64 text_length(u64 text, u64 size, void *room) {
        u64 at = 0;
        s64 n;

        for (u32 i = 0; i < LOG_STEPS_MAX; i++) {
                if (at >= size)
                        break;
                n = bpf_probe_read_user_str(room, RECORD_PART_LARGE, (void *) (text + at));
                if (n <= 0)
                        return 0;
                if (n < RECORD_PART_LARGE)
                        return at + n - 1 < size ? at + n - 1 : 0;
                at += RECORD_PART_LARGE - 1;
        }
        return 0;
}

/* Sends the end of the log in a buffer of `size` bytes. Since Linux 6.4 the kernel says how long
 * the log was to be (`true_size`, with NUL; else 0), and keeps its end where there is no room for
 * all. A global function: it is walked once, and Linux 5.10 takes numbers alone. */
__weak int send_log(u64 entered, u64 text, u64 size, u64 true_size) {
        struct record_part *r;
        u64 length, from, n;

        r = bpf_ringbuf_reserve(&ring, sizeof(*r) + RECORD_PART_LARGE, 0);
        if (!r) {
                lost_other();
                return 0;
        }
        if (true_size)
                length = (true_size < size ? true_size : size) - 1;
        else
                length = text_length(text, size, r->data);
        n = length;
        if (n > LOG_TOLD_MAX)
                n = LOG_TOLD_MAX;
        from = text + length - n;
        barrier_value(n);
        if (n > LOG_TOLD_MAX)
                n = LOG_TOLD_MAX;
        if (bpf_probe_read_user(r->data, n, (void *) from) || !n) {
                bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
                return 0;
        }
        fill_header(&r->header, RECORD_PART, sizeof(*r) + RECORD_PART_LARGE);
        r->thread = bpf_get_current_pid_tgid();
        r->entered = entered;
        r->part = PART_LOG;
        r->total = n;
        r->offset = 0;
        r->size = n;
        submit(&r->header);
        return 0;
}

/* Where the log of a load goes; offsets of union bpf_attr, include/uapi/linux/bpf.h. */
static __always_inline void find_log(const struct frame *frame, struct log_place *log) {
        if (slot_of(frame->cmd) == BPF_PROG_LOAD) {
                log->level = *(u32 *) (frame->attr + 24);
                log->size = *(u32 *) (frame->attr + 28);
                log->text = *(u64 *) (frame->attr + 32);
                log->true_size = frame->size >= 144 ? frame->user_attr + 140 : 0;
        } else if (slot_of(frame->cmd) == BPF_BTF_LOAD) {
                log->text = *(u64 *) (frame->attr + 8);
                log->size = *(u32 *) (frame->attr + 20);
                log->level = *(u32 *) (frame->attr + 24);
                log->true_size = frame->size >= 32 ? frame->user_attr + 28 : 0;
        }
}

/* Where it goes by the attributes that may stand beside those of any command, from Linux 7.0 on:
 * struct bpf_common_attr of the caller's, arguments 3 and 4 of the call. */
static __always_inline void find_common_log(const struct frame *frame, struct log_place *log) {
        struct {
                u64 text;
                u32 size;
                u32 level;
        } common = {};
        u64 at = syscall_argument(3);
        u32 size = syscall_argument(4);

        if (!(frame->cmd & COMMON_ATTRS) || frame->flags & (CALL_IN_KERNEL | CALL_COMPAT) ||
            size < sizeof(common) || bpf_probe_read_user(&common, sizeof(common), (void *) at))
                return;
        log->text = common.text;
        log->size = common.size;
        log->level = common.level;
        log->true_size = size >= sizeof(common) + sizeof(u32) ? at + sizeof(common) : 0;
}

/* The same, as the verifier was told. */
static __always_inline void take_log(struct log_place *log, struct bpf_log_attr *attr) {
        u32 offset;

        if (!bpf_core_type_exists(struct bpf_log_attr))
                return;
        offset = BPF_CORE_READ(attr, offsetof_true_size);
        log->text = (u64) BPF_CORE_READ(attr, ubuf);
        log->size = BPF_CORE_READ(attr, size);
        log->level = BPF_CORE_READ(attr, level);
        log->true_size = offset ? (u64) BPF_CORE_READ(attr, uattr.user) + offset : 0;
}

/* Sends what the log of a failed load says. */
static __always_inline void tell_verdict(const struct frame *frame, struct log_place *log) {
        u32 true_size = 0;

        if (!log->text)
                find_log(frame, log);
        if (!log->text)
                find_common_log(frame, log);
        if (!log->text || !log->size || !log->level)
                return;
        if (log->true_size && frame->flags & CALL_IN_KERNEL)
                bpf_probe_read_kernel(&true_size, sizeof(true_size), (void *) log->true_size);
        else if (log->true_size)
                bpf_probe_read_user(&true_size, sizeof(true_size), (void *) log->true_size);
        send_log(frame->entered, log->text, log->size, true_size);
}
