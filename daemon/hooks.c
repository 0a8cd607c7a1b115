/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "hooks.h"

/* Where 32-bit calls come in. */
#if defined(__aarch64__)
#define COMPAT_FUNCTION "__arm64_sys_bpf"
#else
#define COMPAT_FUNCTION "__ia32_sys_bpf"
#endif

static const struct {
        const char *name;    /* as people write it */
        const char *program; /* of the kernel side */
} hooks[_HOOK_MAX] = {
        [HOOK_SYS_ENTER_BPF] = {"tracepoint:syscalls:sys_enter_bpf", "sys_enter_bpf"},
        [HOOK_SYS_EXIT_BPF] = {"tracepoint:syscalls:sys_exit_bpf", "sys_exit_bpf"},
        [HOOK_SYS_BPF] = {"kprobe:__sys_bpf", "sys_bpf"},
        [HOOK_COMPAT_ENTRY] = {"kprobe:" COMPAT_FUNCTION, "compat_entry"},
        [HOOK_COMPAT_RETURN] = {"kretprobe:" COMPAT_FUNCTION, "compat_return"},
        [HOOK_IN_KERNEL_RETURN] = {"kretprobe:bpf_sys_bpf", "in_kernel_return"},
        [HOOK_KERN_SYS_RETURN] = {"kretprobe:kern_sys_bpf", "kern_sys_return"},
        [HOOK_SECURITY_BPF] = {"kprobe:security_bpf", "security_bpf"},
        [HOOK_BPF_CHECK] = {"kprobe:bpf_check", "bpf_check"},
        [HOOK_SECURITY_BPF_PROG] = {"kprobe:security_bpf_prog", "security_bpf_prog"},
        [HOOK_SECURITY_BPF_MAP] = {"kprobe:security_bpf_map", "security_bpf_map"},
        [HOOK_BPF_LINK_PRIME] = {"kprobe:bpf_link_prime", "bpf_link_prime"},
        [HOOK_PROCESS_EXIT] = {"raw_tracepoint:sched_process_exit", "process_exit"},
        [HOOK_PROCESS_EXEC] = {"raw_tracepoint:sched_process_exec", "process_exec"},
        [HOOK_PROCESS_FORK] = {"raw_tracepoint:sched_process_fork", "process_fork"},
};

const struct probe_info probe_table[PROBES] = {
        {"call-exit",
         "the end of a bpf() call: what it returned",
         "any bpf() call",
         NULL,
         true,
         1,
         {{HOOK_SYS_EXIT_BPF, ALWAYS}}},
        {"call-entry",
         "the beginning of a bpf() call: how long it takes",
         "calls that BPF programs make inside the kernel",
         NULL,
         false,
         2,
         {{HOOK_SYS_BPF, ALWAYS}, {HOOK_SYS_ENTER_BPF, WHILE_TIMED, .as_good = true}}},
        {"call-entry-32bit",
         "the beginning of a 32-bit call",
         "32-bit calls",
         "this kernel takes no 32-bit calls",
         false,
         1,
         {{HOOK_COMPAT_ENTRY, ALWAYS}}},
        {"call-attributes",
         "the kernel's own copy of the attributes",
         "the attributes that the kernel acted on: they are read from the caller's memory, which "
         "the caller may have changed",
         NULL,
         false,
         1,
         {{HOOK_SECURITY_BPF, ALWAYS}}},
        {"call-exit-32bit",
         "the end of a 32-bit call",
         "32-bit calls",
         "this kernel takes no 32-bit calls",
         false,
         1,
         {{HOOK_COMPAT_RETURN, ALWAYS}}},
        {"call-exit-program",
         "the end of a call that a BPF program makes",
         "calls that BPF programs make inside the kernel",
         "BPF programs cannot call bpf() on this kernel",
         false,
         1,
         {{HOOK_IN_KERNEL_RETURN, ALWAYS}}},
        {"call-exit-kernel",
         "the end of a call that the kernel itself makes",
         "calls that the kernel makes itself, as for light skeletons in modules",
         "this kernel makes no such calls",
         false,
         1,
         {{HOOK_KERN_SYS_RETURN, ALWAYS}}},
        {"verifier",
         "whether a program reached the verifier",
         "whether a failed load was the verifier's refusal: only EACCES counts as one",
         NULL,
         false,
         1,
         {{HOOK_BPF_CHECK, ALWAYS}}},
        {"program-object",
         "the program that a call makes or opens",
         "which program a call made, where a second thread swaps the fd at once",
         NULL,
         false,
         1,
         {{HOOK_SECURITY_BPF_PROG, ALWAYS}}},
        {"map-object",
         "the map that a call makes or opens",
         "which map a call made, where a second thread swaps the fd at once",
         NULL,
         false,
         1,
         {{HOOK_SECURITY_BPF_MAP, ALWAYS}}},
        {"link-object",
         "the link that a call makes",
         "which link a call made, where a second thread swaps the fd at once",
         NULL,
         false,
         1,
         {{HOOK_BPF_LINK_PRIME, ALWAYS}}},
        {"process-exit",
         "keeps the counters of threads that leave",
         "the calls of threads that have left",
         NULL,
         true,
         1,
         {{HOOK_PROCESS_EXIT, ALWAYS}}},
        {"process-exec",
         "keeps the counters of a thread apart from those of the program it executes",
         "which of its programs a process ran when it called",
         NULL,
         false,
         1,
         {{HOOK_PROCESS_EXEC, ALWAYS}}},
        {"process-fork",
         "follows the process that is observed to its children",
         "children of the observed process",
         NULL,
         false,
         1,
         {{HOOK_PROCESS_FORK, WHEN_OBSERVING_PID}}},
};

const char *hook_name(enum hook hook) {
        return (unsigned) hook < _HOOK_MAX ? hooks[hook].name : NULL;
}

const char *hook_program(enum hook hook) {
        return hooks[hook].program;
}

const char *hook_function(enum hook hook) {
        return strchr(hooks[hook].name, ':') + 1;
}

bool hook_is_kprobe(enum hook hook) {
        return strncmp(hooks[hook].name, "kprobe:", 7) == 0 ||
               strncmp(hooks[hook].name, "kretprobe:", 10) == 0;
}
