/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Settings, maps and counters of the kernel side. Each *.bpf.c has its own copy, all of them weak:
 * the linker makes one of them. */

/* libbpf then takes the kernel's names of registers. */
#define __VMLINUX_H__
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "record.h"

char LICENSE[] SEC("license") __weak = "Dual BSD/GPL";

#define barrier_value(v) asm volatile("" : "+r"(v))

enum {
        CALLERS_MAX = 2048,
        FRAMES_MAX = 1024,
        ACTIONS_MAX = 512, /* threads at a time */
        WORKING_MAX = 128, /* threads that are inside of a program at a time */
        OBSERVED_MAX = 8192,
        PATH_COMPONENTS_MAX = 20,
        PATH_COMPONENT_SIZE = 256, /* NAME_MAX with NUL */

        ANON_INODE_FS_MAGIC = 0x09041934, /* include/uapi/linux/magic.h */

        /* include/uapi/asm-generic/errno-base.h */
        EPERM = 1,
        EACCES = 13,
        ENOSPC = 28,

        /* include/linux/sched.h: of task_struct.flags */
        PF_EXITING = 0x4,
        PF_IO_WORKER = 0x10,
        PF_KTHREAD = 0x200000,

        COMMON_ATTRS = 1 << 16, /* BPF_COMMON_ATTRS: rides inside cmd since Linux 7.0 */

        /* arch/x86/include/asm/thread_info.h, arch/arm64/include/asm/thread_info.h */
        TS_COMPAT = 1 << 1,
        TIF_32BIT = 1 << 22,
        /* Both architectures, without KASAN; only used before Linux 5.15. */
        THREAD_SIZE = 16 * 1024,

        /* A record after this silence wakes the daemon; the ones after it wait for its timer (of
         * 5 ms), or until so much is pending. A wake-up a record costs 6 to 18 µs a call. */
        WAKE_SILENCE_NS = 1000000,
        WAKE_PENDING_BYTES = 64 * 1024,
};

/* Settings, fixed at load. */
const volatile __u32 observe __weak;
const volatile __u32 preempts_programs __weak; /* of tracepoints: hooks.def */

/* Set by the daemon at any time. */
__u64 wanted __weak;   /* commands that send records, by slot */
__u32 own_tgid __weak; /* the daemon, as the initial pid namespace has it: see whoami() */

__u32 sees_verifier __weak; /* bpf_check() is hooked */
__u32 wants_content __weak; /* somebody asks for keys and values */

/* For the wake-ups: when the last record was sent, when the daemon was last woken. */
__u64 last_record __weak;
__u64 last_wake __weak;

struct frame_key {
        u64 thread;
        u32 depth;
        u32 pad;
};

struct frame {
        u64 entered;
        u64 user_attr; /* the caller's pointer */
        u64 link;      /* struct bpf_link: its id comes at the end of the call */
        u32 cmd;
        u32 size;
        u32 flags; /* enum call_flags */
        u32 attr_size;
        u32 maps; /* that the verifier found in the program */
        u32 pad;
        struct record_object object;
        u8 attr[RECORD_ATTR_MAX];
};

/* Where the verifier writes its log: in the caller's memory, but for the last. */
struct log_place {
        u64 text;
        u32 size;
        u32 level;
        u64 true_size; /* where the kernel says how long the log is; 0: nowhere */
};

/* What was seen behind an fd. */
struct fd_space {
        u64 address; /* of the program, map, link or BTF */
        struct record_object object;
};

/* What was found beside the attributes, when they were used. Apart from the frame: element
 * operations do without. */
struct frame_detail {
        u64 entered;        /* as in the frame */
        struct fd_space fd; /* the one looked at last */
        struct log_place log;
        struct record_fd fds[RECORD_FDS_MAX];
        struct record_target target;
        u32 string_size; /* with NUL, 0: none */
        u32 pad;
        union {
                char string[RECORD_STRING_MAX];
                struct element_content content;
        };
};

/* What is known of an action between its beginning and its end. */
struct action_frame {
        __u64 entered;
        __u64 subject; /* the kernel's object that the road works on, as the road likes */
        __u64 filter;  /* classic instructions: pointer of the caller */
        __u64 extra;   /* as the road likes */
        __u32 action;  /* as in struct record_action */
        __u32 via;
        __u32 flags;
        __u32 road_flags;
        __u32 filter_length;
        __u32 hook; /* that opened it */
        struct record_object object;
        struct record_target target;
};

/* Where a struct record_process is put together: see add_component(). */
struct context_space {
        struct record_process process;
        char room[PATH_COMPONENT_SIZE];
};

static const struct caller blank_caller;
static const struct action_frame blank_action_frame;
static const struct frame blank_frame;
static const struct frame_detail blank_frame_detail;
static const struct context_space blank_context_space;

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 2 * 1024 * 1024);
} ring __weak SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, CALLERS_MAX);
        __type(key, u64);
        __type(value, struct caller);
} callers __weak SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, FRAMES_MAX);
        __type(key, struct frame_key);
        __type(value, struct frame);
} frames __weak SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, FRAMES_MAX);
        __type(key, struct frame_key);
        __type(value, struct frame_detail);
} frame_details __weak SEC(".maps");

/* Key: bpf_get_current_pid_tgid(). Apart from bpf() calls, a thread does one thing at a time. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, ACTIONS_MAX);
        __type(key, u64);
        __type(value, struct action_frame);
} action_frames __weak SEC(".maps");

/* Threads whose call has been told of at its end: for the hooks behind the one that did it. Key:
 * bpf_get_current_pid_tgid(). */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, ACTIONS_MAX);
        __type(key, u64);
        __type(value, u8);
} told_ends __weak SEC(".maps");

/* One element per possible CPU: the daemon sets the size. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, struct cpu_stats);
} stats __weak SEC(".maps");

/* Key: thread_key(). Not one for each CPU: in newer kernels a program of a tracepoint
 * may be preempted by another task's. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, WORKING_MAX);
        __type(key, u64);
        __type(value, struct context_space);
} context_spaces __weak SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, u32);
} observed_cgroup __weak SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, OBSERVED_MAX);
        __type(key, u32);
        __type(value, u8);
} observed_tgids __weak SEC(".maps");

/* Names the current thread. Those of idle processors, on top of which interrupts do work, share an
 * id. */
static __always_inline u64 thread_key(void) {
        u64 thread = bpf_get_current_pid_tgid();

        return thread ? thread : bpf_get_smp_processor_id();
}

static __always_inline struct cpu_stats *cpu_stats(void) {
        u32 cpu = bpf_get_smp_processor_id();

        return bpf_map_lookup_elem(&stats, &cpu);
}

static __always_inline void hit(enum hook hook) {
        struct cpu_stats *s = cpu_stats();

        if (s)
                s->hits[hook]++;
}

static __always_inline u64 slot_of(u32 cmd) {
        u64 slot = cmd & ~COMMON_ATTRS;

        /* Compared as written, register with number: verifiers before Linux 6.8 lose the bounds of
         * a register that is compared once more the other way round. */
        asm volatile("if %0 < %1 goto +1\n\t%0 = %2"
                     : "+r"(slot)
                     : "i"(COMMAND_SLOTS), "i"(COMMAND_SLOTS - 1));
        return slot;
}

/* Atomic: a task may be preempted by another one of the same CPU that loses a record too. */
static __always_inline void lost_in_ring(u32 cmd) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_ring[slot_of(cmd)], 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void lost_by_probe(u32 cmd) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_probe[slot_of(cmd)], 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void lost_other(void) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_other, 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void lost_action(void) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_actions, 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void lost_connection(void) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_connections, 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void count_left(void) {
        struct cpu_stats *s = cpu_stats();

        if (s)
                __sync_fetch_and_add(&s->left, 1);
}

static __always_inline bool is_wanted(u32 cmd) {
        return wanted & (1ULL << slot_of(cmd));
}

static __always_inline bool is_element(u32 cmd) {
        const u64 elements = 1ULL << BPF_MAP_LOOKUP_ELEM | 1ULL << BPF_MAP_UPDATE_ELEM |
                             1ULL << BPF_MAP_DELETE_ELEM | 1ULL << BPF_MAP_GET_NEXT_KEY |
                             1ULL << BPF_MAP_LOOKUP_AND_DELETE_ELEM | 1ULL << BPF_MAP_LOOKUP_BATCH |
                             1ULL << BPF_MAP_LOOKUP_AND_DELETE_BATCH |
                             1ULL << BPF_MAP_UPDATE_BATCH | 1ULL << BPF_MAP_DELETE_BATCH;

        return elements & (1ULL << slot_of(cmd));
}
