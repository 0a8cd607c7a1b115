/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Filters of sockets: what they are attached to, and what is in them. */

#include "action.h"
#include "kernel-socket.h"

enum {
        /* include/linux/socket.h */
        AF_UNIX = 1,
        AF_INET = 2,
        AF_INET6 = 10,
        AF_PACKET = 17,

        NR_IO_URING_ENTER = 426, /* on every architecture, for 32-bit calls too */

        FILTER_LENGTH_MAX = 4096,    /* BPF_MAXINSNS, include/uapi/linux/bpf_common.h */
        SOCK_FILTER_SIZE = 8,        /* struct sock_filter */
        SUN_PATH_OFFSET = 2,         /* struct sockaddr_un */
        PACKET_FANOUT_CBPF_TYPE = 6, /* PACKET_FANOUT_CBPF, include/uapi/linux/if_packet.h */
        PACKET_FANOUT_EBPF_TYPE = 7,

        /* asm/socket.h, include/linux/socket.h, include/uapi/linux/if_packet.h */
        SOL_SOCKET = 1,
        SOL_PACKET = 263,
        SO_ATTACH_FILTER = 26,
        SO_DETACH_FILTER = 27,
        SO_ATTACH_BPF = 50,
        SO_ATTACH_REUSEPORT_CBPF = 51,
        SO_ATTACH_REUSEPORT_EBPF = 52,
        SO_DETACH_REUSEPORT_BPF = 68,
        PACKET_FANOUT_DATA = 22,

        /* include/uapi/linux/seccomp.h, include/uapi/linux/prctl.h */
        SECCOMP_SET_MODE_FILTER = 1,
        SECCOMP_MODE_FILTER = 2,
        SECCOMP_FILTER_FLAG_TSYNC = 1 << 0,
        SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3,
        SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 1 << 4,
        PR_SET_SECCOMP = 22,

        ESRCH = 3,        /* include/uapi/asm-generic/errno-base.h */
        ERRNO_MAX = 4095, /* MAX_ERRNO, include/linux/err.h */
};

/* The call ------------------------------------------------------------------------------------- */

static __always_inline struct pt_regs___call *registers(void) {
        struct task_struct *task = (void *) bpf_get_current_task();

        if (bpf_core_enum_value_exists(enum bpf_func_id___helpers, BPF_FUNC_task_pt_regs___helpers))
                return (void *) bpf_task_pt_regs(bpf_get_current_task_btf());
        return BPF_CORE_READ(task, stack) + THREAD_SIZE - bpf_core_type_size(struct pt_regs);
}

/* Argument 0 or 3 of the system call that this thread is in, of a 32-bit call too. */
static __always_inline u64 call_argument0(void) {
#if defined(__TARGET_ARCH_x86)
        return is_compat() ? BPF_CORE_READ(registers(), bx) : BPF_CORE_READ(registers(), di);
#else
        return BPF_CORE_READ(registers(), orig_x0);
#endif
}

static __always_inline u64 call_argument3(void) {
#if defined(__TARGET_ARCH_x86)
        return BPF_CORE_READ(registers(), r10);
#else
        return BPF_CORE_READ(registers(), regs[3]);
#endif
}

static __always_inline u32 call_number(void) {
#if defined(__TARGET_ARCH_x86)
        return BPF_CORE_READ(registers(), orig_ax);
#else
        return BPF_CORE_READ(registers(), syscallno);
#endif
}

#if defined(__TARGET_ARCH_x86)
#define IS_IOCTL(nr) ((nr) == (is_compat() ? 54 : 16))
#else
#define IS_IOCTL(nr) ((nr) == (is_compat() ? 54 : 29))
#endif

static __always_inline u32 task_flags(void) {
        struct task_struct *task = (void *) bpf_get_current_task();

        return BPF_CORE_READ(task, flags);
}

/* CALL_URING where it is io_uring that does what this thread does: on its behalf, or in a thread of
 * its own. */
static __always_inline u32 uring_flag(void) {
        return task_flags() & PF_IO_WORKER || call_number() == NR_IO_URING_ENTER ? CALL_URING : 0;
}

/* Targets -------------------------------------------------------------------------------------- */

static __always_inline bool is_tun(struct sock *sk) {
        u32 name = 0;

        bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(sk, __sk_common.skc_prot)->name);
        return name == ('t' | 'u' << 8 | 'n' << 16);
}

static __always_inline void fill_interface(struct record_target *t, struct net_device *device) {
        s64 n = bpf_probe_read_kernel_str(t->text, sizeof(device->name), device->name);

        t->text_size = device && n > 0 ? n : 0;
}

static __always_inline void fill_tun(struct record_target *t, struct sock *sk) {
        struct tun_file *file = (void *) sk; /* begins with the socket */

        t->kind = TARGET_TUN;
        t->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
        if (bpf_core_type_exists(struct tun_file))
                fill_interface(t, BPF_CORE_READ(file, tun, dev));
}

static __always_inline void fill_unix_name(struct record_target *t, struct sock *sk) {
        struct unix_address *address = BPF_CORE_READ((struct unix_sock *) sk, addr);
        s64 n = BPF_CORE_READ(address, len);
        u64 size;

        if (!address || n <= SUN_PATH_OFFSET)
                return;
        size = n - SUN_PATH_OFFSET;
        barrier_value(size);
        if (size > sizeof(struct sockaddr_un))
                size = sizeof(struct sockaddr_un);
        barrier_value(size);
        if (size > sizeof(t->text) ||
            bpf_probe_read_kernel(t->text, size, address->name[0].sun_path))
                return;
        t->text_size = size;
}

static __noinline int fill_socket(struct record_target *t, struct sock *sk) {
        struct packet_sock *packet = (void *) sk;

        if (is_tun(sk)) {
                fill_tun(t, sk);
                return 0;
        }
        t->kind = TARGET_SOCKET;
        t->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
        t->family = BPF_CORE_READ(sk, __sk_common.skc_family);
        t->type = BPF_CORE_READ(sk, sk_type);
        t->protocol = BPF_CORE_READ(sk, sk_protocol);
        switch (t->family) {
        case AF_INET:
        case AF_INET6:
                t->local_port = __builtin_bswap16(
                        BPF_CORE_READ((struct inet_sock *) sk, inet_sport));
                t->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
                break;
        case AF_UNIX:
                fill_unix_name(t, sk);
                break;
        case AF_PACKET:
                t->ifindex = BPF_CORE_READ(packet, ifindex);
                fill_interface(t, BPF_CORE_READ(packet, prot_hook.dev));
                break;
        }
        if (t->family == AF_INET) {
                bpf_core_read(t->local, 4, &sk->__sk_common.skc_rcv_saddr);
                bpf_core_read(t->remote, 4, &sk->__sk_common.skc_daddr);
        } else if (t->family == AF_INET6) {
                bpf_core_read(t->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
                bpf_core_read(t->remote, 16, &sk->__sk_common.skc_v6_daddr);
        }
        return 0;
}

/* The process that is filtered: this thread, or all of them. */
static __always_inline void fill_process(struct record_target *t, bool all) {
        u64 thread = bpf_get_current_pid_tgid();

        t->kind = TARGET_PROCESS;
        t->id = thread >> 32;
        t->count = all ? 0 : (u32) thread;
}

/* The socket behind an fd of this thread, NULL where it is none. */
static __always_inline struct sock *socket_of_fd(u32 fd) {
        struct file *file = file_of_fd(fd);
        struct socket *socket = BPF_CORE_READ(file, private_data);

        /* No other file's data points back to it at that place. */
        if (!file || BPF_CORE_READ(socket, file) != file)
                return NULL;
        return BPF_CORE_READ(socket, sk);
}

/* Filters -------------------------------------------------------------------------------------- */

/* The program that is on a socket now, by the road of the action. */
static __noinline u64 installed(u32 via, struct sock *sk) {
        struct packet_fanout *fanout;
        u32 type;

        if (via == ROAD_SETSOCKOPT_REUSEPORT)
                return (u64) BPF_CORE_READ(sk, sk_reuseport_cb, prog);
        if (via != ROAD_PACKET_FANOUT)
                return (u64) BPF_CORE_READ(sk, sk_filter, prog);
        fanout = BPF_CORE_READ((struct packet_sock *) sk, fanout);
        type = BPF_CORE_READ(fanout, type);
        /* Other modes keep a counter there. */
        return type == PACKET_FANOUT_CBPF_TYPE || type == PACKET_FANOUT_EBPF_TYPE
                       ? (u64) BPF_CORE_READ(fanout, bpf_prog)
                       : 0;
}

/* Sends the instructions of a classic filter. A global function: it is walked once. */
__weak int send_filter(u64 entered, u64 from, u64 length, u32 user) {
        if (length <= FILTER_LENGTH_MAX)
                send_part(entered, PART_FILTER, (void *) from, length * SOCK_FILTER_SIZE, user);
        return 0;
}

/* What the caller says it is: `fprog` is a kernel's struct, its instructions are not. */
static __always_inline void take_fprog(struct action_frame *f, const struct sock_fprog *fprog) {
        f->filter_length = BPF_CORE_READ(fprog, len);
        f->filter = (u64) BPF_CORE_READ(fprog, filter);
}

/* The same with a struct of the caller's memory. */
static __always_inline void take_user_fprog(struct action_frame *f, u64 fprog) {
        struct {
                u16 length;
                u16 pad;
                u32 compat;
                u64 filter;
        } memory = {};

        if (is_compat()) {
                bpf_probe_read_user(&memory, 8, (void *) fprog);
                memory.filter = memory.compat;
        } else {
                bpf_probe_read_user(&memory, sizeof(memory), (void *) fprog);
        }
        f->filter_length = memory.length;
        f->filter = memory.filter;
}

/* The program behind an fd. */
static __always_inline void take_fd(struct action_frame *f, u32 fd) {
        struct file *file = file_of_fd(fd);

        if (file && inode_name(file) == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o'))
                fill_prog(&f->object, BPF_CORE_READ(file, private_data));
}

static __always_inline void take_user_fd(struct action_frame *f, u64 pointer) {
        u32 fd = (u32) -1;

        bpf_probe_read_user(&fd, sizeof(fd), (void *) pointer);
        take_fd(f, fd);
}

/* A program as the kernel has it: classic with the instructions that it was made from, where the
 * kernel keeps them, or BPF. */
static __noinline int take_program(struct action_frame *f, u64 program) {
        struct bpf_prog___filter *prog = (void *) program;
        struct sock_fprog_kern *origin;

        if (!f || !program)
                return 0;
        if (BPF_CORE_READ((struct bpf_prog *) program, type) != BPF_PROG_TYPE_UNSPEC) {
                fill_prog(&f->object, (void *) program);
                return 0;
        }
        origin = BPF_CORE_READ(prog, orig_prog);
        if (!origin || f->flags & CALL_KERNEL_ATTR)
                return 0;
        f->filter_length = BPF_CORE_READ(origin, len);
        f->flags |= CALL_KERNEL_ATTR;
        send_filter(f->entered, (u64) BPF_CORE_READ(origin, filter), f->filter_length, false);
        return 0;
}

/* Ends an action that the hook `opener` began, or the same one. */
static __always_inline int close_filter(s64 ret, enum hook opener, enum hook hook) {
        struct action_frame *f = action_current();

        if (!f || f->hook != opener)
                return 0;
        if (ret >= 0 && f->subject && !(f->flags & CALL_DETACHES))
                take_program(f, installed(f->via, (void *) f->subject));
        if (f->filter_length && f->filter_length <= FILTER_LENGTH_MAX && f->filter &&
            !(f->flags & CALL_KERNEL_ATTR)) {
                f->flags |= CALL_USER_ATTR;
                send_filter(f->entered, f->filter, f->filter_length, true);
        }
        if (opener != hook)
                hit(hook);
        action_send(f, ret, hook);
        action_drop();
        return 0;
}

/* What seccomp() came to: with SECCOMP_FILTER_FLAG_TSYNC it may return the id of a thread that
 * could not be brought along, and nothing was done then. */
static __always_inline s64 seccomp_result(s64 ret, u32 flags) {
        const u32 others = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;

        return ret > 0 && flags & SECCOMP_FILTER_FLAG_TSYNC && !(flags & others) ? -ESRCH : ret;
}
