/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Second and third programs at tracepoints of system calls, behind those that may miss some of
 * them: see HOOK_AGAIN() in hooks.def. */

#include "call.h"
#include "perf-call.h"
#include "socket-call.h"

/* Threads that share their counters have no state that could say whether they were told of. */
static __always_inline struct caller *caller_again(u64 thread, enum hook hook) {
        struct caller *c = caller_get(thread);

        if (!c || is_shared(c))
                return NULL;
        hit(hook);
        return c;
}

SEC("tp/syscalls/sys_exit_bpf")
int sys_exit_bpf_again(struct syscall_exit_context *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_again(thread, HOOK_SYS_EXIT_BPF_AGAIN);

        if (!c || c->ended)
                return 0;
        call_ends(c, thread, ctx->ret);
        c->ended = 1;
        return 0;
}

SEC("tp/syscalls/sys_exit_bpf")
int sys_exit_bpf_last(struct syscall_exit_context *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_again(thread, HOOK_SYS_EXIT_BPF_LAST);

        if (!c)
                return 0;
        if (!c->ended && c->depth)
                drop_frames(c, thread, 0);
        else if (!c->ended)
                lost_by_probe(syscall_argument(0));
        c->ended = 0;
        return 0;
}

/* Whether the second of two programs is at such a call, too. What both miss is counted when the
 * frame is found. */
static __always_inline bool is_set_again(u32 cmd, enum hook hook) {
        if (cmd != PERF_EVENT_IOC_SET_BPF || !observes_current())
                return false;
        hit(hook);
        return true;
}

SEC("tp/syscalls/sys_enter_ioctl")
int sys_enter_ioctl_again(struct syscall_enter_context *ctx) {
        struct action_frame *frame = action_current();

        if (is_set_again(ctx->args[1], HOOK_SYS_ENTER_IOCTL_AGAIN) &&
            !(frame && frame->hook == HOOK_SYS_ENTER_IOCTL))
                call_begins(ctx->args[0], ctx->args[1], ctx->args[2], HOOK_SYS_ENTER_IOCTL);
        return 0;
}

SEC("tp/syscalls/sys_exit_ioctl")
int sys_exit_ioctl_again(struct syscall_exit_context *ctx) {
        if (is_set_again(syscall_argument(1), HOOK_SYS_EXIT_IOCTL_AGAIN))
                set_ends(ctx->ret, HOOK_SYS_EXIT_IOCTL);
        return 0;
}

#define AGAIN(call, name, function, hook, turn)        \
        SEC("tp/syscalls/sys_exit_" #call)             \
        int name(struct syscall_exit_context *ctx) {   \
                return function(ctx->ret, hook, turn); \
        }

AGAIN(setsockopt, exit_setsockopt_again, setsockopt_ends, HOOK_SYS_EXIT_SETSOCKOPT_AGAIN, SECOND)
AGAIN(setsockopt, exit_setsockopt_last, setsockopt_ends, HOOK_SYS_EXIT_SETSOCKOPT_LAST, LAST)
AGAIN(setsockopt, exit_reuseport_again, reuseport_ends, HOOK_SYS_EXIT_SETSOCKOPT_REUSEPORT_AGAIN,
      SECOND)
AGAIN(setsockopt, exit_reuseport_last, reuseport_ends, HOOK_SYS_EXIT_SETSOCKOPT_REUSEPORT_LAST,
      LAST)
AGAIN(setsockopt, exit_fanout_again, fanout_ends, HOOK_SYS_EXIT_SETSOCKOPT_FANOUT_AGAIN, SECOND)
AGAIN(setsockopt, exit_fanout_last, fanout_ends, HOOK_SYS_EXIT_SETSOCKOPT_FANOUT_LAST, LAST)
AGAIN(seccomp, exit_seccomp_again, seccomp_ends, HOOK_SYS_EXIT_SECCOMP_AGAIN, SECOND)
AGAIN(seccomp, exit_seccomp_last, seccomp_ends, HOOK_SYS_EXIT_SECCOMP_LAST, LAST)
AGAIN(prctl, exit_prctl_again, prctl_ends, HOOK_SYS_EXIT_PRCTL_AGAIN, SECOND)
AGAIN(prctl, exit_prctl_last, prctl_ends, HOOK_SYS_EXIT_PRCTL_LAST, LAST)

AGAIN(setsockopt, end_setsockopt_again, setsockopt_missed, HOOK_END_SETSOCKOPT_AGAIN, SECOND)
AGAIN(setsockopt, end_setsockopt_last, setsockopt_missed, HOOK_END_SETSOCKOPT_LAST, LAST)
AGAIN(seccomp, end_seccomp_again, seccomp_missed, HOOK_END_SECCOMP_AGAIN, SECOND)
AGAIN(seccomp, end_seccomp_last, seccomp_missed, HOOK_END_SECCOMP_LAST, LAST)
AGAIN(prctl, end_prctl_again, prctl_missed, HOOK_END_PRCTL_AGAIN, SECOND)
AGAIN(prctl, end_prctl_last, prctl_missed, HOOK_END_PRCTL_LAST, LAST)
