/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Who is observed, and how records and their parts are sent. */

#include "task.h"

enum {
        /* include/uapi/linux/capability.h */
        CAPABILITY_NET_ADMIN = 12,
        CAPABILITY_SYS_ADMIN = 21,
        CAPABILITY_BPF = 39,

        INITIAL_USER_NAMESPACE = 0xeffffffd, /* include/linux/proc_ns.h: PROC_USER_INIT_INO */
};

static __always_inline bool is_observed(u32 tgid) {
        if (observe == OBSERVE_CGROUP)
                return bpf_current_task_under_cgroup(&observed_cgroup, 0) == 1;
        if (observe == OBSERVE_PID)
                return bpf_map_lookup_elem(&observed_tgids, &tgid);
        return true;
}

static __always_inline void fill_header(struct record_header *h, u32 kind, u32 size) {
        h->kind = kind;
        h->size = size;
        h->time = bpf_ktime_get_ns();
}

/* How a record of this time is to be sent. */
static __always_inline u64 wake_flags(u64 now) {
        u64 flags = BPF_RB_NO_WAKEUP;

        if ((s64) (now - last_record) > WAKE_SILENCE_NS ||
            ((s64) (now - last_wake) > WAKE_SILENCE_NS &&
             bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= WAKE_PENDING_BYTES)) {
                last_wake = now;
                flags = BPF_RB_FORCE_WAKEUP;
        }
        last_record = now;
        return flags;
}

/* Whether the half of the ring is taken. The other half is for those with privilege: anybody may
 * make calls that are refused, and attach filters, as fast as a processor goes. */
static __always_inline bool is_crowded(void) {
        return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
               bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2;
}

/* Whether this task may load programs, or rule the machine or its network; not only those of a user
 * namespace of its own. A global function: its callers need their stack for themselves. */
__weak int is_privileged(void) {
        const u64 privileges = 1ULL << CAPABILITY_NET_ADMIN | 1ULL << CAPABILITY_SYS_ADMIN |
                               1ULL << CAPABILITY_BPF;
        struct task_struct *task = (void *) bpf_get_current_task();
        const struct cred *cred = BPF_CORE_READ(task, cred);
        u64 capabilities = 0;

        BPF_CORE_READ_INTO(&capabilities, cred, cap_effective);
        return capabilities & privileges &&
               BPF_CORE_READ(cred, user_ns, ns.inum) == INITIAL_USER_NAMESPACE;
}

static __always_inline void submit(struct record_header *h) {
        u64 flags = wake_flags(h->time);

        bpf_ringbuf_submit(h, flags);
}

/* Tells who the current thread is: of the call or action that it `entered`, or, with 0, for what is
 * told of it from now on. Returns 0 where there was no room. A global function: the verifier walks
 * it once, not for every way that leads to it, and Linux 5.10 takes numbers alone. */
__weak int tell_context(u64 entered) {
        const u64 head = __builtin_offsetof(struct record_process, context.executable);
        u64 thread = thread_key(), size;
        struct context_space *s;
        int told;

        if (is_crowded() && !is_privileged()) {
                lost_other();
                return 0;
        }
        /* What is there already is in use: we are in an interrupt on top of it. */
        if (bpf_map_update_elem(&context_spaces, &thread, &blank_context_space, BPF_NOEXIST)) {
                lost_other();
                return 0;
        }
        s = bpf_map_lookup_elem(&context_spaces, &thread);
        if (!s)
                return 0;
        s->process.entered = entered;
        fill_task(&s->process.task);
        size = head + fill_context(&s->process.context, sizeof(*s) - head);
        asm volatile("if %0 < %1 goto +1\n\t%0 = %2"
                     : "+r"(size)
                     : "i"(sizeof(s->process) + 1), "i"(sizeof(s->process)));
        fill_header(&s->process.header, RECORD_PROCESS, size);
        told = !bpf_ringbuf_output(&ring, &s->process, size, wake_flags(s->process.header.time));
        if (!told)
                lost_other();
        bpf_map_delete_elem(&context_spaces, &thread);
        return told;
}

/* Pieces of one part that are sent at most; what is behind is missing. */
enum { PART_SMALL_PIECES_MAX = 4, PART_LARGE_PIECES_MAX = 128 };

/* Sends `n` bytes at `from` as one piece, or as many as fit. `room` is a constant, one of the two
 * sizes. */
static __always_inline bool send_piece(const struct record_part *what, u64 offset, u64 n,
                                       const void *from, bool user, const u32 room) {
        struct record_part *r = bpf_ringbuf_reserve(&ring, sizeof(*r) + room, 0);

        if (!r) {
                lost_other();
                return false;
        }
        fill_header(&r->header, RECORD_PART, sizeof(*r) + room);
        r->thread = what->thread;
        r->entered = what->entered;
        r->part = what->part;
        r->total = what->total;
        r->offset = offset;
        /* As in slot_of(): and a branch that is never taken must not look as if it were. */
        asm volatile("if %0 < %1 goto +1\n\t%0 = %2" : "+r"(n) : "i"(room + 1), "i"(room));
        r->size = n;
        if (user ? bpf_probe_read_user(r->data, n, from) : bpf_probe_read_kernel(r->data, n, from))
                r->size = 0; /* the part stays incomplete */
        submit(&r->header);
        return true;
}

/* Sends the large piece at `offset` of a part whose whole is at `from`. Returns whether there was
 * room. A global function: the verifier walks it once, not for every piece. */
__weak int send_large_piece(u64 entered, u64 part_user, u64 from, u64 total, u64 offset) {
        struct record_part what = {
                .thread = bpf_get_current_pid_tgid(),
                .entered = entered,
                .part = part_user & 0xff,
                .total = total,
        };

        if (is_crowded() && !is_privileged()) {
                lost_other();
                return false;
        }
        return send_piece(&what, offset, total - offset, (void *) (from + offset), part_user >> 8,
                          RECORD_PART_LARGE);
}

/* Sends `total` bytes at `from` (of the caller's memory with `user`) as a part of the call or
 * action that this thread `entered`. */
static __always_inline void send_part(u64 entered, enum part_kind part, const void *from, u64 total,
                                      bool user) {
        struct record_part what = {
                .thread = bpf_get_current_pid_tgid(),
                .entered = entered,
                .part = part,
                .total = total,
        };
        u64 at = 0;

        if (total <= RECORD_PART_SMALL) {
                send_piece(&what, 0, total, from, user, RECORD_PART_SMALL);
                return;
        }
        for (u32 i = 0; i < PART_LARGE_PIECES_MAX; i++) {
                if (at >= total)
                        break;
                if (!send_large_piece(entered, part | (user ? 1 << 8 : 0), (u64) from, total, at))
                        break;
                at += RECORD_PART_LARGE;
        }
}
