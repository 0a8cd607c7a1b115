/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters of seccomp, tun devices and io_uring. */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filters.h"
#include "trigger.h"
#include "util.h"

enum {
        NOBODY = 65534,
        PRCTL_COMPAT = 172, /* arch/x86/entry/syscalls/syscall_32.tbl */

        /* include/uapi/linux/io_uring.h; the header that we are built with may be older. */
        OP_URING_CMD = 46,
        OP_OPENAT = 18,
        CMD_SETSOCKOPT = 3,   /* SOCKET_URING_OP_SETSOCKOPT */
        REGISTER_FILTER = 37, /* IORING_REGISTER_BPF_FILTER */
};

/* seccomp -------------------------------------------------------------------------------------- */

static long seccomp(unsigned operation, unsigned flags, void *args) {
        return outcome(syscall(SYS_seccomp, operation, flags, args));
}

/* Another process that will say how long our first filter is: the kernel tells only those that are
 * not filtered themselves. */
struct witness {
        pid_t pid;
        int go, answer;
};

static void witness_run(int go, int answer) {
        pid_t parent = getppid();
        int32_t length = -1;
        char c;

        if (read(go, &c, 1) == 1 && ptrace(PTRACE_ATTACH, parent, NULL, NULL) == 0) {
                (void) waitpid(parent, NULL, __WALL);
                length = (int32_t) ptrace(PTRACE_SECCOMP_GET_FILTER, parent, 0, NULL);
                (void) ptrace(PTRACE_DETACH, parent, NULL, NULL);
        }
        (void) !write(answer, &length, sizeof(length));
        _exit(0);
}

static int witness_start(struct witness *w) {
        int go[2], answer[2];

        if (pipe2(go, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0)
                return -errno;
        w->pid = fork();
        if (w->pid < 0)
                return -errno;
        if (w->pid == 0) {
                close(go[1]);
                witness_run(go[0], answer[1]);
        }
        w->go = go[1];
        w->answer = answer[0];
        return 0;
}

/* The member "length" of the report. */
static void witness_report(struct witness *w) {
        int32_t length = -1;

        (void) !write(w->go, "x", 1);
        (void) !read(w->answer, &length, sizeof(length));
        (void) waitpid(w->pid, NULL, 0);
        report_number("length", length);
}

static void report_process(void) {
        char text[32];

        snprintf(text, sizeof(text), "process %d", getpid());
        report_text("target", text);
}

static int seccomp_install(const struct arguments *a) {
        const char *how = argument(a, 0, "seccomp");
        struct sock_fprog f = make_filter(5);
        struct witness w;
        long r = witness_start(&w);

        if (r < 0)
                return (int) r;
        if (strcmp(how, "prctl") == 0)
                r = outcome(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f));
        else if (strcmp(how, "listener") == 0)
                r = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &f);
        else
                r = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &f);
        report_begin("seccomp-install");
        report_result(r);
        witness_report(&w);
        report_process();
        report_end();
        return r < 0 ? (int) r : 0;
}

/* HOW: bad, fault, or denied */
static int seccomp_refuse(const struct arguments *a) {
        const char *how = argument(a, 0, "bad");
        struct sock_fprog f = make_filter(7);
        long r;

        if (strcmp(how, "bad") == 0)
                f = make_bad_filter(7);
        if (strcmp(how, "denied") == 0 && setuid(NOBODY) < 0)
                return -errno;
        r = seccomp(SECCOMP_SET_MODE_FILTER, 0, strcmp(how, "fault") == 0 ? bad_address() : &f);
        report_begin("seccomp-refuse");
        report_result(r);
        report_number("length", f.len);
        report_process();
        report_end();
        return r < 0 ? 0 : -EBADE;
}

struct other {
        atomic_int filtered; /* instructions of its own filter, 0: none */
        atomic_int ready;
        atomic_int mode; /* of the second thread at the end: what the kernel says */
        atomic_bool stop;
};

static int seccomp_mode(void) {
        _cleanup_fclose_ FILE *f = fopen("/proc/thread-self/status", "re");
        char line[256];
        int mode = -1;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "Seccomp: %d", &mode) == 1)
                        break;
        return mode;
}

static void *other_thread(void *userdata) {
        struct other *o = userdata;
        struct sock_fprog f = make_filter(FILTER_MAX);

        f.len = (unsigned short) o->filtered;
        f.filter += FILTER_MAX - f.len;
        if (f.len > 0)
                (void) seccomp(SECCOMP_SET_MODE_FILTER, 0, &f);
        o->ready = 1;
        while (!o->stop)
                usleep(1000);
        o->mode = seccomp_mode();
        return NULL;
}

/* For all threads; with FAIL one of them has a filter of its own already, and cannot follow. */
static int seccomp_threads(const struct arguments *a) {
        bool fails = strcmp(argument(a, 0, ""), "fail") == 0;
        struct other o = {.filtered = fails ? 6 : 0};
        struct sock_fprog f;
        pthread_t thread;
        long r;

        r = pthread_create(&thread, NULL, other_thread, &o);
        if (r != 0)
                return (int) -r;
        while (!o.ready)
                usleep(1000);
        f = make_filter(9);
        r = seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &f);
        o.stop = true;
        (void) pthread_join(thread, NULL);
        report_begin("seccomp-threads");
        if (!fails)
                report_result(r);
        report_number("length", f.len);
        report_number("ours", seccomp_mode());
        report_number("theirs", o.mode);
        report_process();
        report_end();
        return fails == (r > 0) && (fails || o.mode == SECCOMP_MODE_FILTER) ? 0 : -EBADE;
}

/* A thread other than the first filters itself alone. */
static void *filter_alone(void *userdata) {
        struct sock_fprog f = make_filter(8);
        long r = seccomp(SECCOMP_SET_MODE_FILTER, 0, &f);
        char text[32];

        snprintf(text, sizeof(text), "thread %d", gettid());
        report_begin("seccomp-thread");
        report_result(r);
        report_number("length", f.len);
        report_text("target", text);
        report_end();
        return NULL;
}

static int seccomp_thread(const struct arguments *a) {
        pthread_t thread;
        int r = pthread_create(&thread, NULL, filter_alone, NULL);

        if (r != 0)
                return -r;
        return -pthread_join(thread, NULL);
}

static int seccomp_compat(const struct arguments *a) {
        struct sock_fprog f = make_filter(10);
        struct {
                uint16_t length, pad;
                uint32_t filter;
        } *fprog = low_memory(4096);
        struct witness w;
        long r;

        if (!fprog)
                return report_skip("seccomp-compat", "no memory that a 32-bit call can name");
        memcpy(fprog + 1, f.filter, f.len * sizeof(f.filter[0]));
        fprog->length = f.len;
        fprog->filter = (uint32_t) (uintptr_t) (fprog + 1);
        r = witness_start(&w);
        if (r < 0)
                return (int) r;
        r = call_32bit(PRCTL_COMPAT, PR_SET_SECCOMP, (void *) SECCOMP_MODE_FILTER,
                       (long) (uintptr_t) fprog, NULL, 0);
        if (r == -ENOSYS)
                return report_skip("seccomp-compat", "this kernel takes no 32-bit calls");
        report_begin("seccomp-compat");
        report_result(r);
        witness_report(&w);
        report_process();
        report_end();
        return (int) r;
}

/* tun ------------------------------------------------------------------------------------------ */

static const char tap_name[] = "bpfmontap0";

static int open_tap(short flags) {
        struct ifreq request = {.ifr_flags = (short) (flags | IFF_NO_PI)};
        _cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

        memcpy(request.ifr_name, tap_name, sizeof(tap_name));
        if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Before Linux 5.11 modules do not describe their types: the name cannot be found. */
static void report_tap(void) {
        char text[32] = "tun device";

        if (access("/sys/kernel/btf/tun", F_OK) == 0)
                snprintf(text, sizeof(text), "tun %s", tap_name);
        report_text("target", text);
        report_netns();
}

/* HOW: attach, detach, or fail */
static int tun_filter(const struct arguments *a) {
        const char *how = argument(a, 0, "attach");
        bool fails = strcmp(how, "fail") == 0;
        _cleanup_close_ int fd = open_tap(fails ? IFF_TUN : IFF_TAP);
        struct sock_fprog f = make_filter(4), got = {};
        long r;

        if (fd < 0)
                return fd == -ENOENT ? report_skip("tun-filter", "no tun devices here") : fd;
        r = outcome(ioctl(fd, TUNATTACHFILTER, &f));
        if (r >= 0 && ioctl(fd, TUNGETFILTER, &got) < 0)
                return -errno;
        if (r >= 0 && strcmp(how, "detach") == 0)
                r = outcome(ioctl(fd, TUNDETACHFILTER, NULL));
        report_begin("tun-filter");
        report_result(r);
        report_number("length", fails ? f.len : got.len);
        report_tap();
        report_end();
        return fails ? (r < 0 ? 0 : -EBADE) : (int) r;
}

/* HOW: steering, filter, detach, or fail */
static int tun_program(const struct arguments *a) {
        const char *how = argument(a, 0, "steering");
        bool fails = strcmp(how, "fail") == 0;
        _cleanup_close_ int fd = open_tap(IFF_TAP | IFF_MULTI_QUEUE);
        _cleanup_close_ int prog = make_program(
                "trigger_tun", fails ? BPF_PROG_TYPE_RAW_TRACEPOINT : BPF_PROG_TYPE_SOCKET_FILTER,
                0, 0);
        int none = -1;
        long r;

        if (fd < 0)
                return fd == -ENOENT ? report_skip("tun-program", "no tun devices here") : fd;
        if (prog < 0)
                return prog;
        r = outcome(ioctl(fd, strcmp(how, "filter") == 0 ? TUNSETFILTEREBPF : TUNSETSTEERINGEBPF,
                          &prog));
        if (r >= 0 && strcmp(how, "detach") == 0)
                r = outcome(ioctl(fd, TUNSETSTEERINGEBPF, &none));
        report_begin("tun-program");
        report_result(r);
        report_program(prog);
        report_tap();
        report_end();
        return fails ? (r < 0 ? 0 : -EBADE) : (int) r;
}

/* io_uring ------------------------------------------------------------------------------------- */

static int ring_setup(struct io_uring_params *p) {
        return (int) outcome(syscall(SYS_io_uring_setup, 2, p));
}

static void *ring_map(int fd, size_t size, off_t offset) {
        void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

        return m == MAP_FAILED ? NULL : m;
}

/* Makes one request and waits for what comes of it: its result is in `ret_result`. */
static int ring_request(const struct io_uring_sqe *sqe, int *ret_result) {
        struct io_uring_params p = {};
        _cleanup_close_ int fd = ring_setup(&p);
        struct io_uring_sqe *sqes;
        struct io_uring_cqe *cqe;
        char *sq, *cq;

        if (fd < 0)
                return fd;
        sq = ring_map(fd, p.sq_off.array + p.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
        cq = ring_map(fd, p.cq_off.cqes + p.cq_entries * sizeof(*cqe), IORING_OFF_CQ_RING);
        sqes = ring_map(fd, p.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
        if (!sq || !cq || !sqes)
                return -ENOMEM;
        sqes[0] = *sqe;
        *(uint32_t *) (sq + p.sq_off.array) = 0;
        __atomic_store_n((uint32_t *) (sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
        if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
                return -errno;
        if (__atomic_load_n((uint32_t *) (cq + p.cq_off.tail), __ATOMIC_ACQUIRE) == 0)
                return -EAGAIN;
        cqe = (void *) (cq + p.cq_off.cqes);
        *ret_result = cqe->res;
        return 0;
}

/* With "worker" a thread of the io_uring does it. */
static int uring_setsockopt(const struct arguments *a) {
        bool worker = strcmp(argument(a, 0, ""), "worker") == 0;
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sock_fprog f = make_filter(6);
        struct io_uring_sqe sqe = {
                .opcode = OP_URING_CMD,
                .flags = worker ? IOSQE_ASYNC : 0,
                .fd = fd,
                .off = CMD_SETSOCKOPT,
                .addr = SOL_SOCKET | (uint64_t) SO_ATTACH_FILTER << 32, /* level, option */
        };
        socklen_t length = 0;
        int result = 0, r;

        if (fd < 0)
                return -errno;
        sqe.file_index = sizeof(f);                                /* optlen */
        memcpy((char *) &sqe + 48, &(void *){&f}, sizeof(void *)); /* optval */
        r = ring_request(&sqe, &result);
        if (r < 0)
                return report_skip("uring-setsockopt", "no io_uring here");
        if (result == -EINVAL || result == -EOPNOTSUPP)
                return report_skip("uring-setsockopt",
                                   "no options by io_uring (they came with 6.7)");
        report_begin("uring-setsockopt");
        report_result(result);
        if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &length) >= 0)
                report_number("length", length);
        report_text("target", "udp socket");
        report_netns();
        report_end();
        return result;
}

/* HOW: ring, task, or fail */
static int uring_filter(const struct arguments *a) {
        const char *how = argument(a, 0, "ring");
        bool fails = strcmp(how, "fail") == 0, task = strcmp(how, "task") == 0;
        struct io_uring_params p = {};
        _cleanup_close_ int fd = ring_setup(&p);
        struct sock_filter insns[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
                                      BPF_STMT(BPF_RET | BPF_K, 1)};
        /* struct io_uring_bpf, include/uapi/linux/io_uring/bpf_filter.h */
        struct {
                uint16_t command, command_flags;
                uint32_t reserved;
                uint32_t operation, flags, length, sizes;
                uint64_t filter;
                uint64_t more[5];
        } given = {.command = 1,
                   .operation = OP_OPENAT,
                   .flags = 1,
                   .length = ELEMENTSOF(insns),
                   .sizes = 24, /* open: flags, mode, resolve */
                   .filter = (uintptr_t) insns};
        char text[64];
        long r;

        if (fd < 0)
                return report_skip("uring-filter", "no io_uring here");
        if (fails)
                given.filter = 8;
        r = outcome(syscall(SYS_io_uring_register, task ? -1 : fd, REGISTER_FILTER, &given, 1));
        if (r == -EINVAL)
                return report_skip("uring-filter", "no filters of io_uring (they came with 7.0)");
        snprintf(text, sizeof(text), "thread %d, io_uring operation openat", gettid());
        report_begin("uring-filter");
        report_result(r);
        report_number("length", ELEMENTSOF(insns));
        report_text("target", task ? text : "io_uring operation openat");
        report_end();
        return fails ? (r < 0 ? 0 : -EBADE) : (int) r;
}

const struct action filter_actions[] = {
        {"seccomp", "seccomp|prctl|listener", seccomp_install, "a filter for this process"},
        {"seccomp-refuse", "bad|fault|denied", seccomp_refuse, "filters that are not taken"},
        {"seccomp-threads", "[fail]", seccomp_threads, "a filter for all threads"},
        {"seccomp-thread", "", seccomp_thread, "a filter for one thread"},
        {"seccomp-compat", "", seccomp_compat, "a filter by a 32-bit call"},
        {"tun-filter", "attach|detach|fail", tun_filter, "a classic filter for a tun device"},
        {"tun-program", "steering|filter|detach|fail", tun_program, "a program for a tun device"},
        {"uring-setsockopt", "[worker]", uring_setsockopt, "a socket's filter by io_uring"},
        {"uring-filter", "ring|task|fail", uring_filter, "a filter of what an io_uring does"},
        {},
};
