/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The counters of a thread. */

#include "send.h"

/* Whether these are the counters of all the threads that found the map full. */
static __always_inline bool is_shared(const struct caller *c) {
        return !c->start_time;
}

/* The counters that threads share. */
static __always_inline struct caller *shared_caller(void) {
        u64 key = 0;

        bpf_map_update_elem(&callers, &key, &blank_caller, BPF_NOEXIST);
        return bpf_map_lookup_elem(&callers, &key);
}

/* The id was that of a thread whose counters are still here: they go to the shared ones. */
static __always_inline void caller_fold(u64 thread, const struct caller *c) {
        struct caller *o = shared_caller();

        for (u32 i = 0; o && i < COMMAND_SLOTS; i++) {
                __sync_fetch_and_add(&o->commands[i].calls, c->commands[i].calls);
                __sync_fetch_and_add(&o->commands[i].errors, c->commands[i].errors);
                __sync_fetch_and_add(&o->commands[i].timed, c->commands[i].timed);
                __sync_fetch_and_add(&o->commands[i].ns, c->commands[i].ns);
        }
        bpf_map_delete_elem(&callers, &thread);
}

/* The counters of a thread that is to be observed, NULL for any other one. */
static __always_inline struct caller *caller_get(u64 thread) {
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);
        struct task_struct *task;

        if (c && c->left) {
                caller_fold(thread, c);
                c = NULL;
        }
        /* A process never leaves its tree of processes, but may be moved to another cgroup. */
        if (c && observe != OBSERVE_CGROUP)
                return c;
        if (thread >> 32 == own_tgid || !is_observed(thread >> 32))
                return NULL;
        if (c)
                return c;

        bpf_map_update_elem(&callers, &thread, &blank_caller, BPF_NOEXIST);
        c = bpf_map_lookup_elem(&callers, &thread);
        if (!c)
                return shared_caller(); /* the map is full */
        task = (void *) bpf_get_current_task();
        c->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
        return c;
}

static __always_inline void count_shared(struct command_counter *counter, s64 ret) {
        __sync_fetch_and_add(&counter->calls, 1);
        if (ret < 0)
                __sync_fetch_and_add(&counter->errors, 1);
}

static __always_inline void count(struct caller *c, u32 cmd, s64 ret, u64 entered, bool timed) {
        struct command_counter *counter = &c->commands[slot_of(cmd)];

        if (is_shared(c)) {
                count_shared(counter, ret);
                return;
        }
        counter->calls++;
        if (ret < 0)
                counter->errors++;
        if (timed) {
                counter->timed++;
                counter->ns += bpf_ktime_get_ns() - entered;
        }
}

/* The thread leaves, or becomes another program: its counters go to the daemon. Returns false when
 * the ring has no room for them. */
static __always_inline bool send_counters(const struct caller *c) {
        struct record_caller *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

        if (!r)
                return false;
        fill_header(&r->header, RECORD_CALLER, sizeof(*r));
        fill_task(&r->task);
        r->task.start_time = c->start_time;
        bpf_probe_read_kernel(r->commands, sizeof(r->commands), c->commands);
        submit(&r->header);
        return true;
}
