/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Watches filters that come without bpf(), where the kernel takes them: those of sockets, of
 * seccomp, of tun devices and of io_uring, whoever calls and however; and those that go with their
 * socket. */

#include "socket.h"

enum { SOFTIRQ_OFFSET = 1 << 8 }; /* include/linux/preempt.h: in_serving_softirq() */

/* include/uapi/linux/if_tun.h */
#define TUNATTACHFILTER    0x401054d5U
#define TUNDETACHFILTER    0x401054d6U
#define TUNSETSTEERINGEBPF 0x800454e0U
#define TUNSETFILTEREBPF   0x800454e1U

/* As road_flags of ROAD_TUN_IOCTL. */
enum { TUN_STEERING = 1, TUN_FILTER = 2 };

/* Where a filter is told of that goes in nobody's call. No second one can begin meanwhile: the
 * kernel runs one program of a kprobe at a time on a CPU. */
struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, struct action_frame);
} loose_frame SEC(".maps");

/* Socket options ------------------------------------------------------------------------------- */

/* Begins an action on a socket. */
static __always_inline struct action_frame *open_socket(struct sock *sk, u32 via, u32 flags,
                                                        enum hook hook) {
        bool tun = is_tun(sk);
        struct action_frame *f = tun ? action_current() : NULL;

        /* It is the ioctl that is told. */
        if (f && f->hook == HOOK_TUN_IOCTL)
                return NULL;
        f = action_open(ACTION_ATTACH, tun ? ROAD_TUN_IOCTL : via, flags | uring_flag(), hook);
        if (!f)
                return NULL;
        f->subject = (u64) sk;
        fill_socket(&f->target, sk);
        if (flags & CALL_DETACHES)
                take_program(f, installed(via, sk));
        return f;
}

SEC("kprobe/sk_attach_filter")
int BPF_KPROBE(sk_attach_filter, struct sock_fprog *fprog, struct sock *sk) {
        struct action_frame *f = open_socket(sk, ROAD_SETSOCKOPT, 0, HOOK_SK_ATTACH_FILTER);

        if (f)
                take_fprog(f, fprog);
        return 0;
}

SEC("kretprobe/sk_attach_filter")
int BPF_KRETPROBE(sk_attach_filter_return, int ret) {
        return close_filter(ret, HOOK_SK_ATTACH_FILTER, HOOK_SK_ATTACH_FILTER_RETURN);
}

SEC("kprobe/sk_attach_bpf")
int BPF_KPROBE(sk_attach_bpf, u32 fd, struct sock *sk) {
        struct action_frame *f = open_socket(sk, ROAD_SETSOCKOPT, 0, HOOK_SK_ATTACH_BPF);

        if (f)
                take_fd(f, fd);
        return 0;
}

SEC("kretprobe/sk_attach_bpf")
int BPF_KRETPROBE(sk_attach_bpf_return, int ret) {
        return close_filter(ret, HOOK_SK_ATTACH_BPF, HOOK_SK_ATTACH_BPF_RETURN);
}

SEC("kprobe/sk_detach_filter")
int BPF_KPROBE(sk_detach_filter, struct sock *sk) {
        open_socket(sk, ROAD_SETSOCKOPT, CALL_DETACHES, HOOK_SK_DETACH_FILTER);
        return 0;
}

SEC("kretprobe/sk_detach_filter")
int BPF_KRETPROBE(sk_detach_filter_return, int ret) {
        return close_filter(ret, HOOK_SK_DETACH_FILTER, HOOK_SK_DETACH_FILTER_RETURN);
}

SEC("kprobe/sk_reuseport_attach_filter")
int BPF_KPROBE(reuseport_filter, struct sock_fprog *fprog, struct sock *sk) {
        struct action_frame *f = open_socket(sk, ROAD_SETSOCKOPT_REUSEPORT, 0,
                                             HOOK_REUSEPORT_FILTER);

        if (f)
                take_fprog(f, fprog);
        return 0;
}

SEC("kretprobe/sk_reuseport_attach_filter")
int BPF_KRETPROBE(reuseport_filter_return, int ret) {
        return close_filter(ret, HOOK_REUSEPORT_FILTER, HOOK_REUSEPORT_FILTER_RETURN);
}

SEC("kprobe/sk_reuseport_attach_bpf")
int BPF_KPROBE(reuseport_bpf, u32 fd, struct sock *sk) {
        struct action_frame *f = open_socket(sk, ROAD_SETSOCKOPT_REUSEPORT, 0, HOOK_REUSEPORT_BPF);

        if (f)
                take_fd(f, fd);
        return 0;
}

SEC("kretprobe/sk_reuseport_attach_bpf")
int BPF_KRETPROBE(reuseport_bpf_return, int ret) {
        return close_filter(ret, HOOK_REUSEPORT_BPF, HOOK_REUSEPORT_BPF_RETURN);
}

SEC("kprobe/reuseport_detach_prog")
int BPF_KPROBE(reuseport_detach, struct sock *sk) {
        open_socket(sk, ROAD_SETSOCKOPT_REUSEPORT, CALL_DETACHES, HOOK_REUSEPORT_DETACH);
        return 0;
}

SEC("kretprobe/reuseport_detach_prog")
int BPF_KRETPROBE(reuseport_detach_return, int ret) {
        return close_filter(ret, HOOK_REUSEPORT_DETACH, HOOK_REUSEPORT_DETACH_RETURN);
}

/* packet_setsockopt(sock, level, optname, optval, optlen): of the two words of `optval` the first
 * is the pointer. */
SEC("kprobe/packet_setsockopt")
int BPF_KPROBE(packet_setsockopt, struct socket *socket, int level, int option, u64 value) {
        struct packet_fanout *fanout;
        struct action_frame *f;
        struct sock *sk;

        if (level != SOL_PACKET || option != PACKET_FANOUT_DATA)
                return 0;
        sk = BPF_CORE_READ(socket, sk);
        f = open_socket(sk, ROAD_PACKET_FANOUT, 0, HOOK_PACKET_SETSOCKOPT);
        if (!f)
                return 0;
        fanout = BPF_CORE_READ((struct packet_sock *) sk, fanout);
        if (BPF_CORE_READ(fanout, type) == PACKET_FANOUT_EBPF_TYPE)
                take_user_fd(f, value);
        else if (fanout)
                take_user_fprog(f, value);
        return 0;
}

SEC("kretprobe/packet_setsockopt")
int BPF_KRETPROBE(packet_setsockopt_return, int ret) {
        return close_filter(ret, HOOK_PACKET_SETSOCKOPT, HOOK_PACKET_SETSOCKOPT_RETURN);
}

/* A classic filter that the kernel would not even copy: by its address, or by its size. */
SEC("kretprobe/copy_bpf_fprog_from_user")
int BPF_KRETPROBE(copy_fprog_return, int ret) {
        struct action_frame *f = action_current();
        u32 uring, via = ROAD_SETSOCKOPT;
        struct sock *sk;

        if (ret >= 0 || (f && f->hook == HOOK_PACKET_SETSOCKOPT))
                return 0;
        uring = uring_flag();
        if (!uring && (u32) syscall_argument(2) == SO_ATTACH_REUSEPORT_CBPF)
                via = ROAD_SETSOCKOPT_REUSEPORT;
        f = action_open(ACTION_ATTACH, via, uring, HOOK_COPY_FPROG_RETURN);
        if (!f)
                return 0;
        f->flags &= ~CALL_TIMED;
        sk = uring ? NULL : socket_of_fd(call_argument0());
        if (sk)
                fill_socket(&f->target, sk);
        if (sk && !is_compat())
                take_user_fprog(f, call_argument3());
        return close_filter(ret, HOOK_COPY_FPROG_RETURN, HOOK_COPY_FPROG_RETURN);
}

/* What the kernel has copied ------------------------------------------------------------------- */

/* Every classic filter passes here, checked and not yet translated. Those that are checked for
 * seccomp and io_uring are changed by then: of seccomp's the kernel has kept the original. */
SEC("kprobe/bpf_jit_compile")
int BPF_KPROBE(bpf_jit_compile, struct bpf_prog___filter *prog) {
        struct action_frame *f = action_current();
        struct sock_fprog_kern *origin;
        u64 length, from;

        if (!f || f->action != ACTION_ATTACH || f->via < ROAD_SETSOCKOPT ||
            f->via > ROAD_IO_URING || f->flags & CALL_KERNEL_ATTR)
                return 0;
        origin = BPF_CORE_READ(prog, orig_prog);
        if (origin) {
                length = BPF_CORE_READ(origin, len);
                from = (u64) BPF_CORE_READ(origin, filter);
        } else if (f->via == ROAD_PACKET_FANOUT) {
                length = BPF_CORE_READ(prog, len);
                from = (u64) prog + bpf_core_field_offset(prog->insns);
        } else {
                return 0;
        }
        hit(HOOK_BPF_JIT_COMPILE);
        f->filter_length = length;
        f->flags |= CALL_KERNEL_ATTR;
        send_filter(f->entered, from, length, false);
        return 0;
}

/* Filters that go with their socket ------------------------------------------------------------ */

#if defined(__TARGET_ARCH_x86)
extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot pcpu_hot __ksym __weak;

/* Yes where it cannot be known: Linux 5.10 does not describe its variables. */
static __always_inline bool serves_softirq(void) {
        u32 count = SOFTIRQ_OFFSET;

        if (&__preempt_count)
                bpf_probe_read_kernel(&count, sizeof(count), bpf_this_cpu_ptr(&__preempt_count));
        else if (&pcpu_hot)
                count = BPF_CORE_READ((struct pcpu_hot *) bpf_this_cpu_ptr(&pcpu_hot),
                                      preempt_count);
        return count & SOFTIRQ_OFFSET;
}

/* arch/x86/entry/syscalls/syscall_64.tbl: close, dup2, exit, exit_group, dup3, close_range */
#define CLOSES(nr) (nr == 3 || nr == 33 || nr == 60 || nr == 231 || nr == 292 || nr == 436)
#else
static __always_inline bool serves_softirq(void) {
        struct task_struct___preempt *task = (void *) bpf_get_current_task();

        return BPF_CORE_READ(task, thread_info.preempt.count) & SOFTIRQ_OFFSET;
}

/* include/uapi/asm-generic/unistd.h: dup3, close, exit, exit_group, close_range */
#define CLOSES(nr) (nr == 24 || nr == 57 || nr == 93 || nr == 94 || nr == 436)
#endif

/* CALL_ATTRIBUTED where it is certain that this thread closes the socket that goes now. Most go
 * later: in a softirq on top of anybody, or when a packet of theirs is freed. */
static __always_inline u32 closes_now(struct sock *sk) {
        u32 flags = task_flags(), nr;

        if (flags & PF_KTHREAD || serves_softirq() ||
            BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
                return 0;
        nr = call_number();
        return flags & PF_EXITING || (!is_compat() && CLOSES(nr)) ? CALL_ATTRIBUTED : 0;
}

/* Tells of a program that leaves a socket (NULL: nobody knows which) without a call for it. */
static __noinline int tell_gone(struct sock *sk, u64 program, u32 via, u32 flags, enum hook hook) {
        struct action_frame *f;
        u32 zero = 0;

        if (!observes_current() && (flags & CALL_ATTRIBUTED || observe != OBSERVE_ALL))
                return 0;
        f = bpf_map_lookup_elem(&loose_frame, &zero);
        if (!f)
                return 0;
        hit(hook);
        bpf_probe_read_kernel(f, sizeof(*f), &blank_action_frame);
        f->entered = bpf_ktime_get_ns();
        f->action = ACTION_ATTACH;
        f->via = via;
        f->flags = flags | CALL_DETACHES;
        if (sk)
                fill_socket(&f->target, sk);
        if (f->target.kind == TARGET_TUN)
                f->via = ROAD_TUN_IOCTL;
        take_program(f, program);
        action_send(f, 0, hook);
        return 0;
}

/* A socket that inherits a filter, as those do that are accepted, shares it: the last one takes it
 * away. What a call detaches or replaces is the call's to tell. */
SEC("kprobe/sk_filter_uncharge")
int BPF_KPROBE(sk_filter_uncharge, struct sock *sk, struct sk_filter *filter) {
        struct action_frame *f;

        if (BPF_CORE_READ(filter, refcnt.refs.counter) != 1)
                return 0;
        f = action_current();
        if (f && (f->subject == (u64) sk || f->hook == HOOK_TUN_IOCTL))
                return 0;
        return tell_gone(sk, (u64) BPF_CORE_READ(filter, prog), ROAD_SETSOCKOPT, closes_now(sk),
                         HOOK_SK_FILTER_UNCHARGE);
}

/* The last socket of a group is gone, or a call detaches or replaces the program. */
SEC("kprobe/sk_reuseport_prog_free")
int BPF_KPROBE(reuseport_prog_free, struct bpf_prog *prog) {
        struct action_frame *f;

        if (!prog)
                return 0;
        f = action_current();
        if (f && f->via == ROAD_SETSOCKOPT_REUSEPORT)
                return 0;
        return tell_gone(NULL, (u64) prog, ROAD_SETSOCKOPT_REUSEPORT, 0, HOOK_REUSEPORT_PROG_FREE);
}

/* The last socket of a fanout group takes its program along. */
SEC("kprobe/packet_release")
int BPF_KPROBE(packet_release, struct socket *socket) {
        struct sock *sk = BPF_CORE_READ(socket, sk);
        u64 program;

        if (BPF_CORE_READ((struct packet_sock *) sk, fanout, sk_ref.refs.counter) != 1)
                return 0;
        program = installed(ROAD_PACKET_FANOUT, sk);
        if (!program)
                return 0;
        return tell_gone(sk, program, ROAD_PACKET_FANOUT,
                         task_flags() & PF_KTHREAD ? 0 : CALL_ATTRIBUTED, HOOK_PACKET_RELEASE);
}

/* seccomp -------------------------------------------------------------------------------------- */

/* do_seccomp(op, flags, uargs), by prctl() too. */
SEC("kprobe/do_seccomp")
int BPF_KPROBE(do_seccomp, u32 operation, u32 flags, u64 fprog) {
        struct action_frame *f;
        u32 via;

        if (operation != SECCOMP_SET_MODE_FILTER)
                return 0;
        via = call_argument0() == PR_SET_SECCOMP ? ROAD_PRCTL : ROAD_SECCOMP;
        f = action_open(ACTION_ATTACH, via, 0, HOOK_DO_SECCOMP);
        if (!f)
                return 0;
        fill_process(&f->target, flags & SECCOMP_FILTER_FLAG_TSYNC);
        f->road_flags = flags;
        take_user_fprog(f, fprog);
        return 0;
}

SEC("kretprobe/do_seccomp")
int BPF_KRETPROBE(do_seccomp_return, s64 ret) {
        struct action_frame *f = action_current();

        if (f && f->hook == HOOK_DO_SECCOMP)
                ret = seccomp_result(ret, f->road_flags);
        return close_filter(ret, HOOK_DO_SECCOMP, HOOK_DO_SECCOMP_RETURN);
}

/* tun ------------------------------------------------------------------------------------------ */

/* The program that a tun device steers or filters by. */
static __always_inline u64 tun_program(struct sock *sk, u32 which) {
        struct tun_file *file = (void *) sk;

        if (!bpf_core_type_exists(struct tun_struct))
                return 0;
        return which == TUN_STEERING ? (u64) BPF_CORE_READ(file, tun, steering_prog, prog)
                                     : (u64) BPF_CORE_READ(file, tun, filter_prog, prog);
}

static __always_inline u32 tun_which(u32 cmd) {
        return cmd == TUNSETSTEERINGEBPF ? TUN_STEERING : cmd == TUNSETFILTEREBPF ? TUN_FILTER : 0;
}

SEC("kprobe/__tun_chr_ioctl")
int BPF_KPROBE(tun_ioctl, struct file *file, u32 cmd, u64 argument) {
        u32 which = tun_which(cmd), flags = 0, fd = 0;
        struct action_frame *f;
        struct sock *sk;

        if (!which && cmd != TUNATTACHFILTER && cmd != TUNDETACHFILTER)
                return 0;
        if (which)
                bpf_probe_read_user(&fd, sizeof(fd), (void *) argument);
        if (cmd == TUNDETACHFILTER || fd == (u32) -1)
                flags = CALL_DETACHES;
        f = action_open(ACTION_ATTACH, ROAD_TUN_IOCTL, flags, HOOK_TUN_IOCTL);
        if (!f)
                return 0;
        sk = BPF_CORE_READ(file, private_data);
        fill_tun(&f->target, sk);
        f->road_flags = which;
        f->subject = (u64) sk;
        if (flags)
                take_program(f, which ? tun_program(sk, which) : installed(ROAD_SETSOCKOPT, sk));
        else if (which)
                take_fd(f, fd);
        else
                take_user_fprog(f, argument);
        return 0;
}

SEC("kretprobe/__tun_chr_ioctl")
int BPF_KRETPROBE(tun_ioctl_return, s64 ret) {
        struct action_frame *f = action_current();

        if (!f || f->hook != HOOK_TUN_IOCTL)
                return 0;
        if (f->road_flags) {
                if (ret >= 0 && !(f->flags & CALL_DETACHES))
                        take_program(f, tun_program((void *) f->subject, f->road_flags));
                f->subject = 0; /* it is no filter of the socket */
        }
        return close_filter(ret, HOOK_TUN_IOCTL, HOOK_TUN_IOCTL_RETURN);
}

/* Where the module was not there to be hooked: the program of such an ioctl comes by here. */
SEC("kprobe/bpf_prog_get_type_dev")
int BPF_KPROBE(tun_prog, u32 fd) {
        struct action_frame *f;
        struct file *file;
        struct sock *sk;
        u32 which;

        if (task_flags() & PF_IO_WORKER || !IS_IOCTL(call_number()))
                return 0;
        which = tun_which(syscall_argument(1));
        if (!which)
                return 0;
        file = file_of_fd(syscall_argument(0));
        sk = BPF_CORE_READ(file, private_data);
        if (!is_tun(sk))
                return 0;
        f = action_open(ACTION_ATTACH, ROAD_TUN_IOCTL, 0, HOOK_TUN_PROG);
        if (!f)
                return 0;
        fill_tun(&f->target, sk);
        f->road_flags = which;
        take_fd(f, fd);
        return 0;
}

SEC("kretprobe/bpf_prog_get_type_dev")
int BPF_KRETPROBE(tun_prog_return, s64 ret) {
        struct action_frame *f = action_current();

        if (!f || f->hook != HOOK_TUN_PROG)
                return 0;
        if (ret >= -ERRNO_MAX && ret < 0)
                return close_filter(ret, HOOK_TUN_PROG, HOOK_TUN_PROG_RETURN);
        take_program(f, ret);
        return close_filter(0, HOOK_TUN_PROG, HOOK_TUN_PROG_RETURN);
}

/* io_uring ------------------------------------------------------------------------------------- */

/* struct io_uring_bpf with its filter, include/uapi/linux/io_uring/bpf_filter.h: since Linux 7.0.
 */
struct uring_bpf {
        u32 command[2];
        u32 operation;
        u32 flags;
        u32 length;
        u32 pad;
        u64 filter;
};

SEC("kprobe/io_register_bpf_filter")
int BPF_KPROBE(io_uring_filter, void *restriction, void *argument) {
        struct action_frame *f = action_open(ACTION_ATTACH, ROAD_IO_URING, 0, HOOK_IO_URING_FILTER);
        struct uring_bpf given = {};

        if (!f)
                return 0;
        bpf_probe_read_user(&given, sizeof(given), argument);
        f->target.kind = TARGET_RING;
        f->target.type = given.operation;
        /* Without a ring it is for all that the thread makes from now on. */
        if ((u32) call_argument0() == (u32) -1)
                f->target.id = bpf_get_current_pid_tgid();
        f->road_flags = given.flags;
        f->filter_length = given.length;
        f->filter = given.filter;
        return 0;
}

SEC("kretprobe/io_register_bpf_filter")
int BPF_KRETPROBE(io_uring_filter_return, int ret) {
        return close_filter(ret, HOOK_IO_URING_FILTER, HOOK_IO_URING_FILTER_RETURN);
}
