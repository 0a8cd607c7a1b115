/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What the end of a call that brings a filter to a socket or to seccomp tells: of all such calls
 * where kprobes are missing, else of those that they missed. Each function is for several
 * programs, one after the other. */

#include "socket.h"

enum what { CLASSIC, BPF, NOTHING };

/* Of several programs at the end of the same call: see HOOK_AGAIN(). */
enum turn { FIRST, SECOND, LAST };

/* What setsockopt() was given for a filter: `what` comes by the road `via`. */
static __always_inline int tell_option(s64 ret, u32 via, enum what what, enum hook hook) {
        struct action_frame *f = action_open(ACTION_ATTACH, via,
                                             what == NOTHING ? CALL_DETACHES : 0, hook);
        struct sock *sk;

        if (!f)
                return 0;
        f->flags &= ~CALL_TIMED;
        sk = socket_of_fd(syscall_argument(0));
        if (sk) {
                f->subject = (u64) sk;
                fill_socket(&f->target, sk);
        }
        if (what == CLASSIC)
                take_user_fprog(f, call_argument3());
        else if (what == BPF)
                take_user_fd(f, call_argument3());
        return close_filter(ret, hook, hook);
}

/* Whether the program whose `turn` it is tells of the end of the call that this thread is in. */
static __always_inline bool is_to_tell(enum hook hook, enum turn turn) {
        u64 thread = bpf_get_current_pid_tgid();
        u8 yes = 1;

        if (!observes_current())
                return false;
        if (turn != FIRST)
                hit(hook);
        if (turn == LAST) {
                if (bpf_map_delete_elem(&told_ends, &thread))
                        lost_action();
                return false;
        }
        if (turn == SECOND && bpf_map_lookup_elem(&told_ends, &thread))
                return false;
        if (preempts_programs)
                bpf_map_update_elem(&told_ends, &thread, &yes, BPF_ANY);
        return true;
}

static __always_inline int setsockopt_ends(s64 ret, enum hook hook, enum turn turn) {
        u32 option = syscall_argument(2);

        if ((u32) syscall_argument(1) != SOL_SOCKET ||
            (option != SO_ATTACH_FILTER && option != SO_ATTACH_BPF && option != SO_DETACH_FILTER) ||
            !is_to_tell(hook, turn))
                return 0;
        return tell_option(ret, ROAD_SETSOCKOPT,
                           option == SO_ATTACH_FILTER ? CLASSIC
                           : option == SO_ATTACH_BPF  ? BPF
                                                      : NOTHING,
                           HOOK_SYS_EXIT_SETSOCKOPT);
}

static __always_inline int reuseport_ends(s64 ret, enum hook hook, enum turn turn) {
        u32 option = syscall_argument(2);

        if ((u32) syscall_argument(1) != SOL_SOCKET ||
            (option != SO_ATTACH_REUSEPORT_CBPF && option != SO_ATTACH_REUSEPORT_EBPF &&
             option != SO_DETACH_REUSEPORT_BPF) ||
            !is_to_tell(hook, turn))
                return 0;
        return tell_option(ret, ROAD_SETSOCKOPT_REUSEPORT,
                           option == SO_ATTACH_REUSEPORT_CBPF   ? CLASSIC
                           : option == SO_ATTACH_REUSEPORT_EBPF ? BPF
                                                                : NOTHING,
                           HOOK_SYS_EXIT_SETSOCKOPT_REUSEPORT);
}

static __always_inline int fanout_ends(s64 ret, enum hook hook, enum turn turn) {
        struct sock *sk;
        u32 type;

        if ((u32) syscall_argument(1) != SOL_PACKET ||
            (u32) syscall_argument(2) != PACKET_FANOUT_DATA || !is_to_tell(hook, turn))
                return 0;
        sk = socket_of_fd(syscall_argument(0));
        if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_PACKET)
                return 0;
        type = BPF_CORE_READ((struct packet_sock *) sk, fanout, type);
        return tell_option(ret, ROAD_PACKET_FANOUT, type == PACKET_FANOUT_EBPF_TYPE ? BPF : CLASSIC,
                           HOOK_SYS_EXIT_SETSOCKOPT_FANOUT);
}

static __always_inline int tell_seccomp(s64 ret, u32 via, u32 flags, enum hook hook) {
        struct task_struct___filters *task = (void *) bpf_get_current_task();
        struct action_frame *f = action_open(ACTION_ATTACH, via, 0, hook);

        if (!f)
                return 0;
        f->flags &= ~CALL_TIMED;
        f->road_flags = flags;
        fill_process(&f->target, flags & SECCOMP_FILTER_FLAG_TSYNC);
        take_user_fprog(f, syscall_argument(2));
        ret = seccomp_result(ret, flags);
        if (ret >= 0)
                take_program(f, (u64) BPF_CORE_READ(task, seccomp.filter, prog));
        return close_filter(ret, hook, hook);
}

static __always_inline int seccomp_ends(s64 ret, enum hook hook, enum turn turn) {
        if ((u32) syscall_argument(0) != SECCOMP_SET_MODE_FILTER || !is_to_tell(hook, turn))
                return 0;
        return tell_seccomp(ret, ROAD_SECCOMP, syscall_argument(1), HOOK_SYS_EXIT_SECCOMP);
}

static __always_inline int prctl_ends(s64 ret, enum hook hook, enum turn turn) {
        if ((u32) syscall_argument(0) != PR_SET_SECCOMP ||
            syscall_argument(1) != SECCOMP_MODE_FILTER || !is_to_tell(hook, turn))
                return 0;
        return tell_seccomp(ret, ROAD_PRCTL, 0, HOOK_SYS_EXIT_PRCTL);
}

/* Where the calls themselves are hooked, but the end of a function was missed: the kernel sees only
 * so many threads return from one at a time, and anybody can keep more in there. The socket may be
 * another's by now: of it nothing more is read. */
static __always_inline int end_missed(s64 ret, bool is_its_end, struct action_frame *f,
                                      enum hook hook, enum turn turn) {
        enum hook opener;

        if (!is_its_end || f->action != ACTION_ATTACH || f->flags & (CALL_URING | CALL_COMPAT))
                return 0;
        if (turn == LAST) {
                action_lost(bpf_get_current_pid_tgid());
                return 0;
        }
        hit(hook);
        f->subject = 0;
        opener = f->hook;
        return close_filter(ret, opener, hook);
}

/* The programs behind the first one have nothing to do where it has closed the frame. */
static __always_inline int setsockopt_missed(s64 ret, enum hook hook, enum turn turn) {
        struct action_frame *f = action_current();

        if (turn != FIRST && (u32) syscall_argument(1) == SOL_SOCKET && observes_current())
                hit(hook);
        return f ? end_missed(ret,
                              f->via == ROAD_SETSOCKOPT || f->via == ROAD_SETSOCKOPT_REUSEPORT ||
                                      f->via == ROAD_PACKET_FANOUT,
                              f, HOOK_END_SETSOCKOPT, turn)
                 : 0;
}

static __always_inline int seccomp_missed(s64 ret, enum hook hook, enum turn turn) {
        struct action_frame *f = action_current();

        if (turn != FIRST && observes_current())
                hit(hook);
        return f ? end_missed(seccomp_result(ret, f->road_flags), f->via == ROAD_SECCOMP, f,
                              HOOK_END_SECCOMP, turn)
                 : 0;
}

static __always_inline int prctl_missed(s64 ret, enum hook hook, enum turn turn) {
        struct action_frame *f = action_current();

        if (turn != FIRST && (u32) syscall_argument(0) == PR_SET_SECCOMP && observes_current())
                hit(hook);
        return f ? end_missed(ret, f->via == ROAD_PRCTL, f, HOOK_END_PRCTL, turn) : 0;
}
