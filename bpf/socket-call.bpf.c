/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Watches the calls that bring filters to sockets and seccomp when they end, where kprobes are
 * missing: everything is read from the arguments and from where the filter should be by now. 32-bit
 * calls, io_uring and closed sockets are not seen. Where kprobes are there, only what they miss. */

#include "socket-call.h"

#define AT_END(call, name, function, hook)              \
        SEC("tp/syscalls/sys_exit_" #call)              \
        int name(struct syscall_exit_context *ctx) {    \
                return function(ctx->ret, hook, FIRST); \
        }

AT_END(setsockopt, exit_setsockopt, setsockopt_ends, HOOK_SYS_EXIT_SETSOCKOPT)
AT_END(setsockopt, exit_reuseport, reuseport_ends, HOOK_SYS_EXIT_SETSOCKOPT_REUSEPORT)
AT_END(setsockopt, exit_fanout, fanout_ends, HOOK_SYS_EXIT_SETSOCKOPT_FANOUT)
AT_END(seccomp, exit_seccomp, seccomp_ends, HOOK_SYS_EXIT_SECCOMP)
AT_END(prctl, exit_prctl, prctl_ends, HOOK_SYS_EXIT_PRCTL)
AT_END(setsockopt, end_setsockopt, setsockopt_missed, HOOK_END_SETSOCKOPT)
AT_END(seccomp, end_seccomp, seccomp_missed, HOOK_END_SECCOMP)
AT_END(prctl, end_prctl, prctl_missed, HOOK_END_PRCTL)
