/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Watches bpf() calls.
 *
 * A call is entered at __sys_bpf (or at the tracepoint, where kprobes are missing), passes
 * security_bpf() with the kernel's own copy of its attributes, and ends at the tracepoint, or at a
 * kretprobe if it is a 32-bit call or came from inside the kernel. Between, a *frame* keeps what is
 * known; a thread has as many as it has bpf() calls inside each other.
 *
 * Every call is counted, per thread and command. A record is sent for the commands in `wanted`. */

#include "action.h"
#include "call.h"
#include "map-ids.h"
#include "messages.h"

/* Where the arguments of 32-bit calls are. */
#if defined(__TARGET_ARCH_x86)
#define COMPAT_ARGUMENT(regs, x86, n) BPF_CORE_READ(regs, x86)
#else
#define COMPAT_ARGUMENT(regs, x86, n) BPF_CORE_READ(regs, regs[n])
#endif

SEC("tp/syscalls/sys_enter_bpf")
int sys_enter_bpf(struct syscall_enter_context *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);

        if (!c)
                return 0;
        hit(HOOK_SYS_ENTER_BPF);
        enter(c, thread, ctx->args[0]);
        return 0;
}

/* __sys_bpf(int cmd, bpfptr_t attr, unsigned size): bpfptr_t takes two registers, a pointer and
 * whether it points into the kernel. Every road to bpf() passes here; of 32-bit calls
 * compat_entry() keeps the frame. */
SEC("kprobe/__sys_bpf")
int BPF_KPROBE(sys_bpf, u32 cmd, u64 attr, u64 is_kernel, u32 size) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);
        struct frame *frame;

        if (!c)
                return 0;
        hit(HOOK_SYS_BPF);
        if (!(is_kernel & 1)) {
                if (!is_compat())
                        enter(c, thread, cmd);
                return 0;
        }

        if (is_shared(c)) {
                lost_by_probe(cmd);
                return 0;
        }
        c->depth++;
        if (c->depth > FRAME_DEPTH_MAX) {
                lost_by_probe(cmd);
                return 0;
        }
        frame = open_frame(c, thread, cmd, size, CALL_IN_KERNEL);
        if (!frame) {
                c->depth--;
                lost_by_probe(cmd);
                return 0;
        }
        frame->user_attr = attr;
        return 0;
}

/* A 32-bit call, with the registers as the caller set them. Not at __sys_bpf: before Linux 5.14
 * there is none, and __do_sys_bpf cannot be hooked. */
SEC("kprobe/" COMPAT_FUNCTION)
int BPF_KPROBE(compat_entry, struct pt_regs *regs) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);
        struct frame *frame;
        u32 cmd;

        if (!c || !is_compat())
                return 0;
        hit(HOOK_COMPAT_ENTRY);
        cmd = COMPAT_ARGUMENT(regs, bx, 0);
        enter(c, thread, cmd);
        frame = is_shared(c)
                        ? NULL
                        : open_frame(c, thread, cmd, COMPAT_ARGUMENT(regs, dx, 2), CALL_COMPAT);
        if (!frame) {
                c->depth = 0;
                lost_by_probe(cmd);
                return 0;
        }
        frame->user_attr = (u32) COMPAT_ARGUMENT(regs, cx, 1);
        return 0;
}

/* What was found beside the attributes of the innermost call. */
static __always_inline struct frame_detail *current_detail(const struct frame *frame) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);
        struct frame_key key = {.thread = thread, .depth = c ? c->depth : 1};

        return detail_of(&key, frame);
}

SEC("kprobe/security_bpf")
int BPF_KPROBE(security_bpf, u32 cmd, void *attr, u32 size) {
        u64 thread = bpf_get_current_pid_tgid(), n = size;
        struct caller *c = caller_get(thread);
        struct frame *frame;
        u32 flags = 0;

        if (!c)
                return 0;
        hit(HOOK_SECURITY_BPF);
        if (!c->depth) {
                /* Its beginning was not seen: no hook there works. */
                enter(c, thread, cmd);
                flags = is_compat() ? CALL_COMPAT : 0;
                if (flags && is_shared(c))
                        return 0;
        }
        frame = c->framed & 1 << (c->depth & FRAME_DEPTH_MAX) ? innermost(c, thread) : NULL;
        if (!frame && !flags && !is_wanted(cmd))
                return 0;
        if (!frame)
                frame = open_frame(c, thread, cmd, size, flags);
        if (!frame)
                return 0;
        if (n > RECORD_ATTR_MAX)
                n = RECORD_ATTR_MAX;
        barrier_value(n);
        if (n > RECORD_ATTR_MAX)
                return 0;
        if (bpf_probe_read_kernel(frame->attr, n, attr))
                return 0;
        frame->attr_size = n;
        frame->flags |= CALL_KERNEL_ATTR;
        if (!is_element(cmd)) {
                find_details(frame_depth(c));
                return 0;
        }
        fill_element_map(&frame->object, cmd, frame->attr);
        if (wants_content)
                find_content(frame_depth(c), 0, false);
        return 0;
}

static __always_inline struct frame *frame_of_current(enum hook hook) {
        u64 thread = bpf_get_current_pid_tgid(), shared = 0;
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);

        if (!c)
                c = bpf_map_lookup_elem(&callers, &shared);
        if (!c || (!c->depth && !is_shared(c)))
                return NULL;
        hit(hook);
        return innermost(c, thread);
}

/* bpf_check(prog, attr, uattr, log): uattr takes two registers. `log` is something else before
 * Linux 7.0. */
SEC("kprobe/bpf_check")
int BPF_KPROBE(bpf_check, struct bpf_prog **place, void *attr, u64 uattr, u64 is_kernel,
               struct bpf_log_attr *log) {
        struct frame *frame = frame_of_current(HOOK_BPF_CHECK);
        struct frame_detail *detail;
        struct bpf_prog *prog;

        if (!frame)
                return 0;
        frame->flags |= CALL_VERIFIED;
        detail = current_detail(frame);
        if (detail)
                take_log(&detail->log, log);
        if (!bpf_probe_read_kernel(&prog, sizeof(prog), place))
                send_instructions(frame->entered, instructions_of(prog), BPF_CORE_READ(prog, len),
                                  false);
        return 0;
}

/* The verifier keeps a map that it found in the program. */
SEC("kprobe/bpf_map_inc")
int BPF_KPROBE(bpf_map_inc, struct bpf_map *map) {
        struct frame *frame = frame_of_current(HOOK_BPF_MAP_INC);

        if (frame && frame->flags & CALL_VERIFIED && !(frame->flags & CALL_PROG_SEEN) &&
            frame->maps < USED_MAPS_MAX)
                send_map(frame->entered, frame->maps++, map);
        return 0;
}

/* An object of the daemon's is opened: that is told, so it takes a frame. */
static __always_inline struct frame *frame_of_own(struct frame *frame, u32 kind, u32 id) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c;

        if (!is_own(kind, id))
                return frame;
        own_exposed = 1;
        c = frame ? NULL : bpf_map_lookup_elem(&callers, &thread);
        if (c && c->depth)
                frame = open_frame(c, thread, c->cmd, 0, 0);
        if (frame)
                frame->flags |= CALL_OWN;
        return frame;
}

SEC("kprobe/security_bpf_prog")
int BPF_KPROBE(security_bpf_prog, struct bpf_prog *prog) {
        struct frame *frame = frame_of_current(HOOK_SECURITY_BPF_PROG);

        frame = frame_of_own(frame, OBJECT_PROG, BPF_CORE_READ(prog, aux, id));
        if (!frame)
                return 0;
        frame->flags |= CALL_PROG_SEEN;
        fill_prog(&frame->object, prog);
        if (!frame->maps && slot_of(frame->cmd) == BPF_PROG_LOAD)
                send_used_maps(frame->entered, (u64) prog);
        return 0;
}

SEC("kprobe/security_bpf_map")
int BPF_KPROBE(security_bpf_map, struct bpf_map *map) {
        struct frame *frame = frame_of_current(HOOK_SECURITY_BPF_MAP);
        u32 id = BPF_CORE_READ(map, id);

        remember_map(map, id);
        frame = frame_of_own(frame, OBJECT_MAP, id);
        if (frame)
                fill_map(&frame->object, map);
        return 0;
}

/* The program that PROG_ATTACH and PROG_DETACH take by its fd is the first one that is got; one
 * that is to be replaced comes later. The compiler may have put the function into its callers: then
 * the event says that the program was looked up by its fd. */
SEC("kretprobe/bpf_prog_get_type_dev")
int BPF_KRETPROBE(call_program, s64 prog) {
        struct frame *frame = frame_of_current(HOOK_CALL_PROGRAM);
        u32 cmd = frame ? slot_of(frame->cmd) : 0;

        if ((cmd != BPF_PROG_ATTACH && cmd != BPF_PROG_DETACH) ||
            !(frame->flags & CALL_OBJECT_FROM_FD) || (prog < 0 && prog >= -4095))
                return 0;
        /* Where the compiler has put it into bpf_prog_attach(), this is the one to be replaced. */
        if (cmd == BPF_PROG_ATTACH && ATTR32(frame, 12) & BPF_F_REPLACE)
                return 0;
        frame->flags &= ~CALL_OBJECT_FROM_FD;
        fill_prog(&frame->object, (void *) prog);
        if (is_own(OBJECT_PROG, frame->object.id))
                frame->flags |= CALL_OWN;
        return 0;
}

SEC("kprobe/bpf_link_prime")
int BPF_KPROBE(bpf_link_prime, void *link) {
        struct frame *frame = frame_of_current(HOOK_BPF_LINK_PRIME);

        if (frame)
                frame->link = (u64) link;
        return 0;
}

SEC("tp/syscalls/sys_exit_bpf")
int sys_exit_bpf(struct syscall_exit_context *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);

        if (!c)
                return 0;
        hit(HOOK_SYS_EXIT_BPF);
        call_ends(c, thread, ctx->ret);
        c->ended = 1;
        return 0;
}

/* The end of a call that makes no sys_exit_bpf. */
static __always_inline int leave(s64 ret, u32 kind, enum hook hook) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);
        struct frame_key key = {.thread = thread};
        struct ending end = {};
        struct frame *frame;

        if (!c || !c->depth)
                return 0;
        if (c->depth > FRAME_DEPTH_MAX) {
                c->depth--; /* counted as lost when it began */
                return 0;
        }
        key.depth = c->depth;
        frame = bpf_map_lookup_elem(&frames, &key);
        if (!frame || !(frame->flags & kind))
                return 0;
        hit(hook);
        c->framed &= ~(1 << (c->depth & FRAME_DEPTH_MAX));
        c->depth--;
        end.entered = frame->entered;
        end.user_attr = frame->user_attr;
        end.ret = ret;
        end.cmd = frame->cmd;
        end.size = frame->size;
        end.flags = frame->flags | sees_verifier;
        end.source = hook;
        if (may_touch_own(end.cmd) &&
            touches_own(end.cmd, ret, frame->user_attr, frame->flags & CALL_IN_KERNEL))
                end.flags |= CALL_OWN;
        count(c, end.cmd, end.ret, end.entered, true);
        send(c, &end, frame, &key);
        end_frame(&key, frame, end.cmd);
        return 0;
}

SEC("kretprobe/" COMPAT_FUNCTION)
int BPF_KRETPROBE(compat_return, s64 ret) {
        return leave(ret, CALL_COMPAT, HOOK_COMPAT_RETURN);
}

SEC("kretprobe/bpf_sys_bpf")
int BPF_KRETPROBE(in_kernel_return, s64 ret) {
        return leave(ret, CALL_IN_KERNEL, HOOK_IN_KERNEL_RETURN);
}

SEC("kretprobe/kern_sys_bpf")
int BPF_KRETPROBE(kern_sys_return, int ret) {
        return leave(ret, CALL_IN_KERNEL, HOOK_KERN_SYS_RETURN);
}

/* Processes ------------------------------------------------------------------------------------ */

/* What the thread was in the middle of comes to no end that is seen. A message that was not about
 * programs is no loss. */
static __always_inline void actions_leave(u64 thread) {
        struct message *m = bpf_map_lookup_elem(&messages, &thread);

        if (m && !m->is_bpf && !m->count)
                bpf_map_delete_elem(&action_frames, &thread);
        if (m)
                bpf_map_delete_elem(&messages, &thread);
        if (preempts_programs)
                bpf_map_delete_elem(&told_ends, &thread);
        action_lost(thread);
}

SEC("raw_tp/sched_process_exit")
int process_exit(void *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct task_struct *task;
        u32 tgid = thread >> 32;

        caller_leaves(thread, false, HOOK_PROCESS_EXIT);
        actions_leave(thread);
        if (observe != OBSERVE_PID && tgid != own_tgid)
                return 0;
        task = (void *) bpf_get_current_task();
        if (BPF_CORE_READ(task, signal, live.counter) != 0)
                return 0;
        if (tgid == own_tgid)
                own_tgid = 0; /* whoever gets this id next is somebody else */
        if (observe == OBSERVE_PID)
                bpf_map_delete_elem(&observed_tgids, &tgid);
        return 0;
}

/* sched_process_exec(task, old_pid, bprm): the thread may have had another tid. */
SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx) {
        u64 thread = bpf_get_current_pid_tgid() & 0xffffffff00000000ULL;

        thread |= (u32) ctx->args[1];
        caller_leaves(thread, true, HOOK_PROCESS_EXEC);
        actions_leave(thread);
        return 0;
}

/* sched_process_fork(parent, child): what an observed process starts is observed. */
SEC("raw_tp/sched_process_fork")
int process_fork(struct bpf_raw_tracepoint_args *ctx) {
        struct task_struct *child = (void *) ctx->args[1];
        u32 parent = bpf_get_current_pid_tgid() >> 32, tgid = BPF_CORE_READ(child, tgid);
        u8 yes = 1;

        if (tgid == parent || !bpf_map_lookup_elem(&observed_tgids, &parent))
                return 0;
        hit(HOOK_PROCESS_FORK);
        if (bpf_map_update_elem(&observed_tgids, &tgid, &yes, BPF_ANY))
                lost_other();
        return 0;
}

/* Run once by the daemon, never attached: a pid namespace lies to getpid(). Where it takes over,
 * the call that runs this was seen to begin: that it was our own is known only now, and it is told
 * as little as all that come after it. */
SEC("raw_tp")
int whoami(void *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct frame_key key = {.thread = thread, .depth = 1};

        own_tgid = thread >> 32;
        close_frame(&key);
        bpf_map_delete_elem(&callers, &thread);
        return 0;
}
