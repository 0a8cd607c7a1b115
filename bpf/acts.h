/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Whether it is the current task that acts. */

#include "maps.h"

struct pt_regs___acts {
        unsigned long sp;
} __attribute__((preserve_access_index));

/* Not so of a worker of the kernel's, nor of an interrupt or an RCU callback, which run on top of
 * any task but on a stack of their own. */
static __always_inline bool task_acts(struct pt_regs *ctx) {
        struct task_struct *task = (void *) bpf_get_current_task();
        u64 stack = (u64) BPF_CORE_READ(task, stack);
        u64 sp = BPF_CORE_READ((struct pt_regs___acts *) ctx, sp);
        u64 top = stack + THREAD_SIZE;

        if (bpf_core_enum_value_exists(enum bpf_func_id___helpers, BPF_FUNC_task_pt_regs___helpers))
                top = bpf_task_pt_regs(bpf_get_current_task_btf());
        return !(BPF_CORE_READ(task, flags) & PF_KTHREAD) && sp >= stack && sp < top;
}
