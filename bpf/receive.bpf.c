/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fds of the daemon's own objects that somebody gets without bpf(): copied out of the daemon, or in
 * a message from who did so. */

#include "action.h"
#include "own.h"

enum {
        NR_PIDFD_GETFD = 438, /* on every architecture, for 32-bit calls too */
        SERVICE_MANAGER = 1,  /* its process id */
};

struct pt_regs___number {
#if defined(__TARGET_ARCH_x86)
        unsigned long orig_ax;
#else
        int syscallno;
#endif
} __attribute__((preserve_access_index));

static __always_inline u32 current_call(void) {
        struct task_struct *task = (void *) bpf_get_current_task();
        struct pt_regs___number *regs;

        if (bpf_core_enum_value_exists(enum bpf_func_id___helpers, BPF_FUNC_task_pt_regs___helpers))
                regs = (void *) bpf_task_pt_regs(bpf_get_current_task_btf());
        else
                regs = BPF_CORE_READ(task, stack) + THREAD_SIZE -
                       bpf_core_type_size(struct pt_regs);
#if defined(__TARGET_ARCH_x86)
        return BPF_CORE_READ(regs, orig_ax);
#else
        return BPF_CORE_READ(regs, syscallno);
#endif
}

static __always_inline void fill_file(struct record_object *o, struct file *file) {
        void *object = BPF_CORE_READ(file, private_data);
        u64 name = inode_name(file);

        if (name == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o'))
                fill_prog(o, object);
        else if (name == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p'))
                fill_map(o, object);
        else if (name == NAME8('b', 't', 'f', 0, 0, 0, 0))
                fill_btf(o, object);
        else
                fill_link(o, object);
}

static __always_inline int tell_received(struct file *file, u32 action, enum hook hook) {
        struct action_frame *frame;

        if (!file_is_own((u64) file))
                return 0;
        own_exposed = 1;
        frame = action_open(action, ROAD_NONE, 0, hook);
        if (!frame)
                return 0;
        frame->flags &= ~CALL_TIMED;
        frame->flags |= CALL_OWN;
        fill_file(&frame->object, file);
        action_send(frame, 0, hook);
        action_drop();
        return 0;
}

/* Whoever gets an fd of another process passes here, but for binder. The daemon itself leaves its
 * fds with the service manager. */
SEC("kprobe/security_file_receive")
int BPF_KPROBE(file_received, struct file *file) {
        u32 action = current_call() == NR_PIDFD_GETFD ? ACTION_TAKE : ACTION_RECEIVE;

        if (action == ACTION_RECEIVE && bpf_get_current_pid_tgid() >> 32 == SERVICE_MANAGER)
                return 0;
        return tell_received(file, action, HOOK_FILE_RECEIVE);
}

/* Without kprobes: nobody can send what nobody has taken. */
SEC("tp/syscalls/sys_exit_pidfd_getfd")
int exit_pidfd_getfd(struct syscall_exit_context *ctx) {
        return ctx->ret < 0 ? 0
                            : tell_received(file_of_fd(ctx->ret), ACTION_TAKE,
                                            HOOK_SYS_EXIT_PIDFD_GETFD);
}
