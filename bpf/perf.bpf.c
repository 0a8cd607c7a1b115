/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that are attached to perf events by ioctl(): kprobes, uprobes, tracepoints, and events
 * of software and hardware.
 *
 * Such a program goes with its event, when the last fd of that is closed. Where a link holds it,
 * nothing is said here: the event has no program any more when it goes. */

#include "perf-call.h"

/* Where the arguments of 32-bit calls are. */
#if defined(__TARGET_ARCH_x86)
#define COMPAT_ARGUMENT(regs, x86, n) BPF_CORE_READ(regs, x86)
#else
#define COMPAT_ARGUMENT(regs, x86, n) BPF_CORE_READ(regs, regs[n])
#endif

/* Attaching ------------------------------------------------------------------------------------ */

SEC("kprobe/perf_ioctl")
int BPF_KPROBE(perf_ioctl, struct file *file, u32 cmd, u64 fd) {
        if (cmd == PERF_EVENT_IOC_SET_BPF)
                set_begins(file, fd, HOOK_PERF_IOCTL);
        return 0;
}

/* Of 32-bit calls: the compiler may have put the other into this one. */
SEC("kprobe/perf_compat_ioctl")
int BPF_KPROBE(perf_compat_ioctl, struct file *file, u32 cmd, u64 fd) {
        if (cmd == PERF_EVENT_IOC_SET_BPF)
                set_begins(file, fd, HOOK_PERF_COMPAT_IOCTL);
        return 0;
}

/* The event is still held: which program it has now is what the kernel made of the fd. */
static __always_inline int set_returns(s64 ret, enum hook hook) {
        struct action_frame *frame = action_current();
        struct perf_event *event;
        struct bpf_prog *prog;

        if (!frame || (frame->hook != HOOK_PERF_IOCTL && frame->hook != HOOK_PERF_COMPAT_IOCTL))
                return 0;
        event = (void *) frame->subject;
        prog = BPF_CORE_READ(event, prog);
        if (ret >= 0 && prog)
                fill_prog(&frame->object, prog);
        action_close(ret, hook);
        return 0;
}

SEC("kretprobe/perf_ioctl")
int BPF_KRETPROBE(perf_ioctl_return, s64 ret) {
        return set_returns(ret, HOOK_PERF_IOCTL_RETURN);
}

SEC("kretprobe/perf_compat_ioctl")
int BPF_KRETPROBE(perf_compat_ioctl_return, s64 ret) {
        return set_returns(ret, HOOK_PERF_COMPAT_IOCTL_RETURN);
}

/* Before Linux 5.15 the functions of perf cannot be hooked. */
SEC("kprobe/security_file_ioctl")
int BPF_KPROBE(security_file_ioctl, struct file *file, u32 cmd, u64 fd) {
        if (cmd == PERF_EVENT_IOC_SET_BPF && is_perf_event(file))
                set_begins(file, fd, HOOK_SECURITY_FILE_IOCTL);
        return 0;
}

SEC("tp/syscalls/sys_enter_ioctl")
int sys_enter_ioctl(struct syscall_enter_context *ctx) {
        return call_begins(ctx->args[0], ctx->args[1], ctx->args[2], HOOK_SYS_ENTER_IOCTL);
}

/* With the registers as the caller set them. 32-bit calls pass neither the tracepoints nor always
 * security_file_ioctl(). */
SEC("kprobe/" COMPAT_IOCTL_FUNCTION)
int BPF_KPROBE(compat_ioctl, struct pt_regs *regs) {
        return call_begins(COMPAT_ARGUMENT(regs, bx, 0), COMPAT_ARGUMENT(regs, cx, 1),
                           COMPAT_ARGUMENT(regs, dx, 2), HOOK_COMPAT_IOCTL);
}

SEC("tp/syscalls/sys_exit_ioctl")
int sys_exit_ioctl(struct syscall_exit_context *ctx) {
        return set_ends(ctx->ret, HOOK_SYS_EXIT_IOCTL);
}

SEC("kretprobe/" COMPAT_IOCTL_FUNCTION)
int BPF_KRETPROBE(compat_ioctl_return, s64 ret) {
        return set_ends(ret, HOOK_COMPAT_IOCTL_RETURN);
}

/* Detaching ------------------------------------------------------------------------------------ */

static __always_inline int event_goes(struct perf_event *event, enum hook hook) {
        struct task_struct *task = (void *) bpf_get_current_task();
        struct bpf_prog *prog = BPF_CORE_READ(event, prog);
        struct action_frame *frame;

        /* An inherited event has the program of its parent, which stays. */
        if (!prog || BPF_CORE_READ(event, parent))
                return 0;
        frame = action_open(ACTION_ATTACH, ROAD_PERF_IOCTL, CALL_DETACHES, hook);
        if (!frame)
                return 0;
        frame->flags &= ~CALL_TIMED;
        if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
                frame->flags &= ~CALL_ATTRIBUTED;
        fill_prog(&frame->object, prog);
        fill_perf_target(&frame->target, event);
        action_send(frame, 0, hook);
        action_drop();
        return 0;
}

SEC("kprobe/perf_release")
int BPF_KPROBE(perf_release, void *inode, struct file *file) {
        return event_goes(BPF_CORE_READ(file, private_data), HOOK_PERF_RELEASE);
}

/* Called before the event lets go of its program; since Linux 6.16 after that. */
SEC("kprobe/security_perf_event_free")
int BPF_KPROBE(security_perf_event_free, struct perf_event *event) {
        return event_goes(event, HOOK_SECURITY_PERF_EVENT_FREE);
}
