/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "event.h"
#include "target-socket.h"
#include "util.h"

enum {
        NAME_SIZE = 16, /* IFNAMSIZ */
        PROTOCOL_MPTCP = 262,
};

static const char *const protocols[] = {
        [IPPROTO_ICMP] = "icmp", [IPPROTO_IGMP] = "igmp",       [IPPROTO_TCP] = "tcp",
        [IPPROTO_UDP] = "udp",   [IPPROTO_DCCP] = "dccp",       [IPPROTO_GRE] = "gre",
        [IPPROTO_ESP] = "esp",   [IPPROTO_ICMPV6] = "icmpv6",   [89] = "ospf",
        [IPPROTO_SCTP] = "sctp", [IPPROTO_UDPLITE] = "udplite", [PROTOCOL_MPTCP] = "mptcp",
};

/* include/uapi/linux/netlink.h */
static const char *const netlinks[] = {
        [NETLINK_ROUTE] = "route",
        [NETLINK_USERSOCK] = "usersock",
        [NETLINK_SOCK_DIAG] = "sock_diag",
        [NETLINK_NFLOG] = "nflog",
        [NETLINK_XFRM] = "xfrm",
        [NETLINK_SELINUX] = "selinux",
        [NETLINK_ISCSI] = "iscsi",
        [NETLINK_AUDIT] = "audit",
        [NETLINK_FIB_LOOKUP] = "fib_lookup",
        [NETLINK_CONNECTOR] = "connector",
        [NETLINK_NETFILTER] = "netfilter",
        [NETLINK_KOBJECT_UEVENT] = "kobject_uevent",
        [NETLINK_GENERIC] = "generic",
        [NETLINK_SCSITRANSPORT] = "scsitransport",
        [NETLINK_RDMA] = "rdma",
        [NETLINK_CRYPTO] = "crypto",
};

static const char *const families[] = {
        [AF_UNIX] = "unix",     [AF_INET] = "inet",
        [AF_INET6] = "inet6",   [AF_NETLINK] = "netlink",
        [AF_PACKET] = "packet", [AF_CAN] = "can",
        [AF_TIPC] = "tipc",     [AF_BLUETOOTH] = "bluetooth",
        [AF_ALG] = "alg",       [AF_VSOCK] = "vsock",
        [AF_KCM] = "kcm",       [AF_QIPCRTR] = "qipcrtr",
        [AF_SMC] = "smc",       [AF_XDP] = "xdp",
};

/* enum io_uring_op, include/uapi/linux/io_uring.h */
static const char *const operations[] = {
        "nop",
        "readv",
        "writev",
        "fsync",
        "read_fixed",
        "write_fixed",
        "poll_add",
        "poll_remove",
        "sync_file_range",
        "sendmsg",
        "recvmsg",
        "timeout",
        "timeout_remove",
        "accept",
        "async_cancel",
        "link_timeout",
        "connect",
        "fallocate",
        "openat",
        "close",
        "files_update",
        "statx",
        "read",
        "write",
        "fadvise",
        "madvise",
        "send",
        "recv",
        "openat2",
        "epoll_ctl",
        "splice",
        "provide_buffers",
        "remove_buffers",
        "tee",
        "shutdown",
        "renameat",
        "unlinkat",
        "mkdirat",
        "symlinkat",
        "linkat",
        "msg_ring",
        "fsetxattr",
        "setxattr",
        "fgetxattr",
        "getxattr",
        "socket",
        "uring_cmd",
        "send_zc",
        "sendmsg_zc",
        "read_multishot",
        "waitid",
        "futex_wait",
        "futex_wake",
        "futex_waitv",
        "fixed_fd_install",
        "ftruncate",
        "bind",
        "listen",
        "recv_zc",
        "epoll_wait",
        "readv_fixed",
        "writev_fixed",
        "pipe",
};

/* The name of a number, or the number itself in `buffer`. */
static const char *name_of(const char *const *names, size_t n, uint32_t value,
                           char buffer[static NAME_SIZE]) {
        if (value < n && names[value])
                return names[value];
        snprintf(buffer, NAME_SIZE, "%u", value);
        return buffer;
}
#define NAME_OF(names, value, buffer) name_of(names, ELEMENTSOF(names), value, buffer)

static bool is_any(const uint8_t *address, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (address[i])
                        return false;
        return true;
}

/* "127.0.0.1:80", "[::1]:80", "127.0.0.1" without a port. Returns false where it is not bound. */
static bool print_endpoint(char *ret, size_t size, uint16_t family, const uint8_t address[16],
                           uint16_t port) {
        char text[INET6_ADDRSTRLEN];
        bool six = family == AF_INET6;

        if (port == 0 && is_any(address, six ? 16 : 4))
                return false;
        if (!inet_ntop(family, address, text, sizeof(text)))
                return false;
        if (port == 0)
                snprintf(ret, size, "%s", text);
        else
                snprintf(ret, size, six ? "[%s]:%u" : "%s:%u", text, port);
        return true;
}

static void describe_inet(struct event *e, const struct record_target *t) {
        char local[INET6_ADDRSTRLEN + 10] = "", remote[INET6_ADDRSTRLEN + 10] = "";
        bool raw = t->type == SOCK_RAW, here, there;
        char buffer[NAME_SIZE];
        const char *protocol = NAME_OF(protocols, t->protocol, buffer);

        /* What stands for the port of a raw socket is its protocol. */
        here = print_endpoint(local, sizeof(local), t->family, t->local, raw ? 0 : t->local_port);
        there = print_endpoint(remote, sizeof(remote), t->family, t->remote,
                               raw ? 0 : t->remote_port);
        if (!here && !there)
                snprintf(local, sizeof(local), "socket");
        event_set_printf(e, FIELD_ATTACH_TARGET, "%s%s%s%s%s%s", raw ? "raw " : "", protocol,
                         here || !there ? " " : "", local, there ? " -> " : "", remote);
}

/* The text is a path, an abstract name after a NUL, or missing. */
static void describe_unix(struct event *e, const struct record_target *t) {
        int n = (int) MIN(t->text_size, sizeof(t->text));

        if (n > 1 && t->text[0] == 0)
                event_set_printf(e, FIELD_ATTACH_TARGET, "unix @%.*s", n - 1, t->text + 1);
        else if (n > 0 && t->text[0])
                event_set_printf(e, FIELD_ATTACH_TARGET, "unix %.*s", n, t->text);
        else
                event_set_static(e, FIELD_ATTACH_TARGET, "unix socket");
}

/* The name that an interface has now, where it is of our own network namespace. */
static bool find_interface(const struct record_target *t, char ret[static IF_NAMESIZE]) {
        struct stat st;

        return t->ifindex != 0 && stat("/proc/self/ns/net", &st) >= 0 && st.st_ino == t->netns &&
               if_indextoname(t->ifindex, ret);
}

static void describe_interface(struct event *e, const char *what, const char *nameless,
                               const struct record_target *t) {
        int n = (int) MIN(t->text_size, sizeof(t->text));
        char name[IF_NAMESIZE];

        if (n > 0 && t->text[0])
                event_set_printf(e, FIELD_ATTACH_TARGET, "%s %.*s", what, n, t->text);
        else if (find_interface(t, name))
                event_set_printf(e, FIELD_ATTACH_TARGET, "%s %s", what, name);
        else if (t->ifindex != 0)
                event_set_printf(e, FIELD_ATTACH_TARGET, "%s interface %u", what, t->ifindex);
        else
                event_set_static(e, FIELD_ATTACH_TARGET, nameless);
        if (t->ifindex != 0)
                event_set_u32(e, FIELD_ATTACH_IFINDEX, t->ifindex);
}

static void describe_socket(struct event *e, const struct record_target *t) {
        char buffer[NAME_SIZE];

        switch (t->family) {
        case AF_INET:
        case AF_INET6:
                describe_inet(e, t);
                break;
        case AF_UNIX:
                describe_unix(e, t);
                break;
        case AF_PACKET:
                describe_interface(e, "packet", "packet socket", t);
                break;
        case AF_NETLINK:
                event_set_printf(e, FIELD_ATTACH_TARGET, "netlink %s",
                                 NAME_OF(netlinks, t->protocol, buffer));
                break;
        default:
                if (t->family < ELEMENTSOF(families) && families[t->family])
                        event_set_printf(e, FIELD_ATTACH_TARGET, "%s socket", families[t->family]);
                else
                        event_set_printf(e, FIELD_ATTACH_TARGET, "socket of family %u", t->family);
        }
}

static void describe_process(struct event *e, const struct record_target *t) {
        if (t->count != 0 && t->count != t->id)
                event_set_printf(e, FIELD_ATTACH_TARGET, "thread %u", t->count);
        else
                event_set_printf(e, FIELD_ATTACH_TARGET, "process %u", t->id);
}

static void describe_ring(struct event *e, const struct record_target *t) {
        char buffer[NAME_SIZE];
        const char *operation = NAME_OF(operations, t->type, buffer);

        if (t->id != 0)
                event_set_printf(e, FIELD_ATTACH_TARGET, "thread %u, io_uring operation %s", t->id,
                                 operation);
        else
                event_set_printf(e, FIELD_ATTACH_TARGET, "io_uring operation %s", operation);
}

void target_socket_describe(struct event *e, const struct record_target *t) {
        switch (t->kind) {
        case TARGET_SOCKET:
                describe_socket(e, t);
                break;
        case TARGET_TUN:
                describe_interface(e, "tun", "tun device", t);
                break;
        case TARGET_PROCESS:
                describe_process(e, t);
                return;
        case TARGET_RING:
                describe_ring(e, t);
                return;
        default:
                return;
        }
        if (t->netns != 0)
                event_set_u32(e, FIELD_ATTACH_NAMESPACE, t->netns);
}
