/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters of sockets. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "filters.h"
#include "trigger.h"
#include "util.h"

enum {
        TOO_LONG = 5000, /* the kernel takes 4096 instructions */
        BAD_CODE = 0xffff,
        COMPAT_SETSOCKOPT = 366, /* arch/x86/entry/syscalls/syscall_32.tbl */
};

struct sock_fprog make_filter(size_t n) {
        static struct sock_filter insns[FILTER_MAX];

        for (size_t i = 0; i < n; i++)
                insns[i] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
        insns[n - 1] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, 0x7fff0000);
        return (struct sock_fprog){(unsigned short) n, insns};
}

struct sock_fprog make_bad_filter(size_t n) {
        struct sock_fprog f = make_filter(n);

        f.filter[0].code = BAD_CODE;
        return f;
}

void *bad_address(void) {
        return (void *) 8;
}

long outcome(long ret) {
        return ret < 0 ? -errno : ret;
}

void report_result(long ret) {
        report_text("errno", ret < 0 ? strerrorname_np((int) -ret) ?: "?" : "");
}

void report_netns(void) {
        struct stat st;

        if (stat("/proc/thread-self/ns/net", &st) >= 0)
                report_number("netns", (int64_t) st.st_ino);
}

#ifdef __x86_64__
long call_32bit(long number, long a, const void *b, long c, const void *d, long e) {
        long r;

        asm volatile("int $0x80"
                     : "=a"(r)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory", "r8", "r9", "r10", "r11");
        return (int) r;
}

void *low_memory(size_t size) {
        void *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_POPULATE, -1, 0);

        return m == MAP_FAILED ? NULL : m;
}
#else
long call_32bit(long number, long a, const void *b, long c, const void *d, long e) {
        return -ENOSYS;
}

void *low_memory(size_t size) {
        return NULL;
}
#endif

/* Kinds of sockets ----------------------------------------------------------------------------- */

static int open_inet(int family, int type) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
        _cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, family == AF_INET ? (void *) &in : (void *) &in6,
                           family == AF_INET ? sizeof(in) : sizeof(in6)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_udp(void) {
        return open_inet(AF_INET, SOCK_DGRAM);
}

static int open_tcp6(void) {
        return open_inet(AF_INET6, SOCK_STREAM);
}

static int open_unix(void) {
        struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/tmp/trigger.socket"};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void) unlink(un.sun_path);
        if (fd < 0 || bind(fd, (void *) &un, sizeof(un)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_netlink(void) {
        return (int) outcome(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

static int open_raw(void) {
        return (int) outcome(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int open_packet(void) {
        struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                                 .sll_protocol = htons(ETH_P_ARP),
                                 .sll_ifindex = (int) if_nametoindex("lo")};
        _cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (void *) &ll, sizeof(ll)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Where it is, in bpfmon's words but the kernel's numbers. */
static void report_inet(int fd, const char *protocol) {
        struct sockaddr_storage s;
        socklen_t size = sizeof(s);
        char text[128];

        if (getsockname(fd, (void *) &s, &size) < 0)
                return;
        if (s.ss_family == AF_INET6)
                snprintf(text, sizeof(text), "%s [::]:%u", protocol,
                         ntohs(((struct sockaddr_in6 *) &s)->sin6_port));
        else
                snprintf(text, sizeof(text), "%s 127.0.0.1:%u", protocol,
                         ntohs(((struct sockaddr_in *) &s)->sin_port));
        report_text("target", text);
}

static const struct kind {
        const char *name;
        int (*open)(void);
        const char *target;   /* NULL: by its address, after … */
        const char *protocol; /* … this */
} kinds[] = {
        {"udp", open_udp, NULL, "udp"},
        {"tcp6", open_tcp6, NULL, "tcp"},
        {"unix", open_unix, "unix /tmp/trigger.socket", NULL},
        {"netlink", open_netlink, "netlink route", NULL},
        {"raw", open_raw, "raw icmp socket", NULL},
        {"packet", open_packet, "packet lo", NULL},
};

static const struct kind *find_kind(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        return &kinds[i];
        return &kinds[0];
}

static void report_socket(int fd, const struct kind *kind) {
        if (kind->target)
                report_text("target", kind->target);
        else
                report_inet(fd, kind->protocol);
        report_netns();
}

/* Instructions of the filter that the socket has: what the kernel says. */
static void report_installed(int fd) {
        socklen_t length = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &length) >= 0)
                report_number("length", length);
}

static long set(int fd, int option, const void *value, socklen_t size) {
        return outcome(setsockopt(fd, SOL_SOCKET, option, value, size));
}

static long attach(int fd, size_t n) {
        struct sock_fprog f = make_filter(n);

        return set(fd, SO_ATTACH_FILTER, &f, sizeof(f));
}

/* SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_DETACH_FILTER -------------------------------------------- */

static int sock_attach(const struct arguments *a) {
        const struct kind *kind = find_kind(argument(a, 0, "udp"));
        _cleanup_close_ int fd = kind->open();
        long r;

        if (fd < 0)
                return fd;
        r = attach(fd, 4);
        report_begin("sock-attach");
        report_result(r);
        report_installed(fd);
        report_socket(fd, kind);
        report_end();
        return (int) r;
}

static int sock_attach_bpf(const struct arguments *a) {
        const struct kind *kind = find_kind("tcp6");
        _cleanup_close_ int fd = kind->open();
        _cleanup_close_ int prog = make_program("trigger_filter", BPF_PROG_TYPE_SOCKET_FILTER, 0,
                                                1);
        long r;

        if (fd < 0 || prog < 0)
                return fd < 0 ? fd : prog;
        r = set(fd, SO_ATTACH_BPF, &prog, sizeof(prog));
        report_begin("sock-attach-bpf");
        report_result(r);
        report_program(prog);
        report_socket(fd, kind);
        report_end();
        return (int) r;
}

/* A program of another type, or no program at all. */
static int sock_attach_other(const struct arguments *a) {
        _cleanup_close_ int fd = open_udp();
        _cleanup_close_ int prog = make_program("trigger_other", BPF_PROG_TYPE_RAW_TRACEPOINT, 0,
                                                0);
        int none = -1;
        bool closed = strcmp(argument(a, 0, ""), "none") == 0;
        long r;

        if (fd < 0 || prog < 0)
                return fd < 0 ? fd : prog;
        r = set(fd, SO_ATTACH_BPF, closed ? &none : &prog, sizeof(prog));
        report_begin("sock-attach-other");
        report_result(r);
        if (!closed)
                report_program(prog);
        report_socket(fd, &kinds[0]);
        report_end();
        return r < 0 ? 0 : -EBADE;
}

static int sock_detach(const struct arguments *a) {
        _cleanup_close_ int fd = open_udp();
        bool none = strcmp(argument(a, 0, ""), "none") == 0;
        long r = fd;

        if (fd >= 0 && !none)
                r = attach(fd, 5);
        if (r < 0)
                return (int) r;
        report_begin("sock-detach");
        if (!none)
                report_installed(fd);
        r = set(fd, SO_DETACH_FILTER, &none, sizeof(int));
        report_result(r);
        report_socket(fd, &kinds[0]);
        report_end();
        return 0;
}

/* Refused for what they are. */
static int sock_refuse(const struct arguments *a) {
        const char *why = argument(a, 0, "bad");
        _cleanup_close_ int fd = open_udp();
        struct sock_fprog f = make_bad_filter(6);
        int one = 1;
        long r = fd;

        if (fd >= 0 && strcmp(why, "locked") == 0) {
                r = attach(fd, 3);
                if (r >= 0)
                        r = set(fd, SO_LOCK_FILTER, &one, sizeof(one));
                f = make_filter(6);
        } else if (strcmp(why, "long") == 0) {
                f.len = TOO_LONG;
        }
        if (r < 0)
                return (int) r;
        r = set(fd, SO_ATTACH_FILTER, &f, strcmp(why, "size") == 0 ? sizeof(f) / 2 : sizeof(f));
        report_begin("sock-refuse");
        report_result(r);
        report_number("length", f.len);
        report_socket(fd, &kinds[0]);
        report_end();
        return r < 0 ? 0 : -EBADE;
}

/* With a filter that was replaced on the way. */
static int sock_close(const struct arguments *a) {
        const struct kind *kind = find_kind(argument(a, 0, "packet"));
        struct utsname kernel;
        int fd, major = 0, minor = 0;
        long r;

        if (kind->open == open_packet && uname(&kernel) >= 0 &&
            sscanf(kernel.release, "%d.%d", &major, &minor) == 2 && major * 100 + minor < 511)
                return report_skip("sock-close", "before 5.11 nobody can tell who closed it");
        fd = kind->open();
        if (fd < 0)
                return fd;
        r = attach(fd, 8);
        if (r >= 0)
                r = attach(fd, kind->open == open_packet ? 9 : 10);
        report_begin("sock-close");
        report_installed(fd);
        report_socket(fd, kind);
        close(fd);
        report_end();
        return (int) r;
}

/* A socket that is accepted inherits the filter: it goes with the last of them. */
static int sock_inherit(const struct arguments *a) {
        _cleanup_close_ int listener = open_inet(AF_INET, SOCK_STREAM);
        _cleanup_close_ int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int server = -1;
        struct sockaddr_in in;
        socklen_t size = sizeof(in);
        long r;

        if (listener < 0 || client < 0)
                return -EIO;
        r = attach(listener, 11);
        if (r < 0)
                return (int) r;
        if (listen(listener, 1) < 0 || getsockname(listener, (void *) &in, &size) < 0 ||
            connect(client, (void *) &in, size) < 0)
                return -errno;
        server = accept(listener, NULL, NULL);
        if (server < 0)
                return -errno;
        report_begin("sock-inherit");
        report_installed(server);
        report_end();
        return 0;
}

static int sock_compat(const struct arguments *a) {
        _cleanup_close_ int fd = open_udp();
        struct sock_fprog f = make_filter(12);
        struct {
                uint16_t length, pad;
                uint32_t filter;
        } *fprog = low_memory(4096);
        long r;

        if (fd < 0)
                return fd;
        if (!fprog)
                return report_skip("sock-compat", "no memory that a 32-bit call can name");
        memcpy(fprog + 1, f.filter, f.len * sizeof(f.filter[0]));
        fprog->length = f.len;
        fprog->filter = (uint32_t) (uintptr_t) (fprog + 1);
        r = call_32bit(COMPAT_SETSOCKOPT, fd, (void *) SOL_SOCKET, SO_ATTACH_FILTER, fprog,
                       sizeof(*fprog));
        if (r == -ENOSYS)
                return report_skip("sock-compat", "this kernel takes no 32-bit calls");
        report_begin("sock-compat");
        report_result(r);
        report_installed(fd);
        report_socket(fd, &kinds[0]);
        report_end();
        return (int) r;
}

/* Sockets that share a port -------------------------------------------------------------------- */

static int open_shared(void) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int one = 1;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
            bind(fd, (void *) &in, sizeof(in)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* HOW: cbpf, ebpf, detach, close, or fail */
static int reuseport(const struct arguments *a) {
        const char *how = argument(a, 0, "cbpf");
        bool classic = strcmp(how, "cbpf") == 0 || strcmp(how, "fail") == 0;
        bool fails = strcmp(how, "fail") == 0;
        _cleanup_close_ int fd = fails ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
                                       : open_shared();
        _cleanup_close_ int prog = make_program("trigger_choose", BPF_PROG_TYPE_SOCKET_FILTER, 0,
                                                0);
        struct sock_fprog f = make_filter(3);
        long r;

        if (fd < 0 || prog < 0)
                return fd < 0 ? fd : prog;
        r = classic ? set(fd, SO_ATTACH_REUSEPORT_CBPF, &f, sizeof(f))
                    : set(fd, SO_ATTACH_REUSEPORT_EBPF, &prog, sizeof(prog));
        if (r >= 0 && strcmp(how, "detach") == 0)
                r = set(fd, SO_DETACH_REUSEPORT_BPF, &prog, sizeof(prog));
        report_begin("reuseport");
        report_result(r);
        if (classic)
                report_number("length", f.len);
        else
                report_program(prog);
        if (!fails)
                report_socket(fd, &kinds[0]);
        report_end();
        return fails ? (r < 0 ? 0 : -EBADE) : (int) r;
}

/* Packet sockets that share packets ------------------------------------------------------------ */

/* HOW: cbpf, ebpf, or fail */
static int fanout(const struct arguments *a) {
        const char *how = argument(a, 0, "cbpf");
        bool classic = strcmp(how, "ebpf") != 0, fails = strcmp(how, "fail") == 0;
        int group = getpid() & 0xffff, mode = classic ? PACKET_FANOUT_CBPF : PACKET_FANOUT_EBPF;
        _cleanup_close_ int fd = open_packet();
        _cleanup_close_ int prog = make_program("trigger_spread", BPF_PROG_TYPE_SOCKET_FILTER, 0,
                                                0);
        struct sock_fprog f = make_filter(3);
        long r = 0;

        if (fd < 0 || prog < 0)
                return fd < 0 ? fd : prog;
        group |= mode << 16;
        if (!fails)
                r = outcome(setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, sizeof(group)));
        if (r < 0)
                return (int) r;
        r = classic ? setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &f, sizeof(f))
                    : setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog));
        r = outcome(r);
        report_begin("fanout");
        report_result(r);
        if (!classic)
                report_program(prog);
        else if (!fails)
                report_number("length", f.len);
        report_socket(fd, find_kind("packet"));
        report_end();
        return fails ? (r < 0 ? 0 : -EBADE) : (int) r;
}

const struct action socket_actions[] = {
        {"sock-attach", "[KIND]", sock_attach, "a classic filter for a socket"},
        {"sock-attach-bpf", "", sock_attach_bpf, "a program for a socket"},
        {"sock-attach-other", "[none]", sock_attach_other, "what is no filter"},
        {"sock-detach", "[none]", sock_detach, "takes a filter away, where there is one"},
        {"sock-refuse", "bad|long|size|locked", sock_refuse, "filters that are not taken"},
        {"sock-close", "[KIND]", sock_close, "closes a socket that has a filter"},
        {"sock-inherit", "", sock_inherit, "closes sockets that share a filter"},
        {"sock-compat", "", sock_compat, "a filter by a 32-bit call"},
        {"reuseport", "cbpf|ebpf|detach|fail", reuseport, "programs of sockets that share a port"},
        {"fanout", "cbpf|ebpf|fail", fanout, "programs of packet sockets that share packets"},
        {},
};
