/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <systemd/sd-event.h>

#include "rtnl.h"
#include "timer.h"
#include "util.h"

enum {
        RECEIVE_SIZE = 64 * 1024, /* a datagram of the kernel's has 32 KiB at most */
        SOCKET_SIZE = 1024 * 1024,
        TURN_DATAGRAMS = 64, /* the loop serves the others between two turns */
};

struct rtnl {
        const struct rtnl_handlers *handlers;
        void *userdata;
        int fd;
        sd_event_source *io, *again;
        ssize_t waiting; /* to be handed out: bytes in the buffer, or -ENOBUFS; 0: nothing */
        char buffer[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* Hands out the messages of a datagram. Returns whether it was the end of a dump, or an error. */
/* `size` is signed: the last message may lack its padding, and then fewer than none are left. */
static int walk(const char *buffer, int size,
                void (*message)(const struct nlmsghdr *h, void *userdata), void *userdata) {
        const struct nlmsghdr *h = (const void *) buffer;
        const struct nlmsgerr *error;

        for (; NLMSG_OK(h, size); h = NLMSG_NEXT(h, size)) {
                if (h->nlmsg_type == NLMSG_DONE)
                        return 1;
                if (h->nlmsg_type == NLMSG_ERROR) {
                        error = NLMSG_DATA(h);
                        return h->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) ? -EBADMSG
                               : error->error < 0                          ? error->error
                                                                           : 1;
                }
                message(h, userdata);
        }
        return 0;
}

/* Anybody may send to the socket: only the kernel has the port 0. */
static ssize_t receive(int fd, char *buffer, int flags) {
        struct sockaddr_nl from = {};
        socklen_t length = sizeof(from);
        ssize_t n = recvfrom(fd, buffer, RECEIVE_SIZE, flags, (struct sockaddr *) &from, &length);

        if (n < 0)
                return -errno;
        return from.nl_pid == 0 ? n : 0;
}

static int on_again(sd_event_source *s, uint64_t usec, void *userdata);

/* Out of memory: what comes next tries again. */
static void wait_for_turn(struct rtnl *r) {
        int k = turn_wait(&r->again, sd_event_source_get_event(r->io), on_again, r);

        (void) sd_event_source_set_enabled(r->io, k < 0 ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void take_turn(struct rtnl *r) {
        ssize_t n;

        for (int i = 0; i < TURN_DATAGRAMS; i++) {
                n = r->waiting ?: receive(r->fd, r->buffer, MSG_DONTWAIT);
                r->waiting = 0;
                if (n == 0 || n == -EINTR)
                        continue;
                if (n < 0 && n != -ENOBUFS)
                        break;
                if (!r->handlers->settle(r->userdata)) {
                        r->waiting = n;
                        wait_for_turn(r);
                        break;
                }
                if (n < 0)
                        r->handlers->lost(r->userdata);
                else
                        (void) walk(r->buffer, (int) n, r->handlers->message, r->userdata);
        }
        r->handlers->idle(r->userdata);
}

static int on_io(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t events,
                 void *userdata) {
        take_turn(userdata);
        return 0;
}

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct rtnl *r = userdata;

        (void) sd_event_source_set_enabled(r->io, SD_EVENT_ON);
        take_turn(r);
        return 0;
}

static int join(int fd, const int *groups) {
        const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
        const int size = SOCKET_SIZE;

        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        /* More than the limit takes a privilege; without it the default will do. */
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        for (; *groups; groups++)
                if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups, sizeof(*groups)) <
                    0)
                        return -errno;
        return 0;
}

DEFINE_CLEANUP(struct rtnl *, rtnl_free);

int rtnl_new(struct rtnl **ret, struct sd_event *loop, const int *groups,
             const struct rtnl_handlers *handlers, void *userdata) {
        _cleanup_(rtnl_freep) struct rtnl *r = calloc(1, sizeof(*r));
        int k;

        if (!r)
                return -ENOMEM;
        r->handlers = handlers;
        r->userdata = userdata;
        r->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        if (r->fd < 0)
                return -errno;
        k = join(r->fd, groups);
        if (k >= 0)
                k = sd_event_add_io(loop, &r->io, r->fd, EPOLLIN, on_io, r);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}

void rtnl_hold(struct rtnl *r, bool hold) {
        timer_stop(r->again);
        (void) sd_event_source_set_enabled(r->io, hold ? SD_EVENT_OFF : SD_EVENT_ON);
        if (!hold && r->waiting)
                wait_for_turn(r);
}

struct rtnl *rtnl_free(struct rtnl *r) {
        if (!r)
                return NULL;
        sd_event_source_disable_unref(r->again);
        sd_event_source_disable_unref(r->io);
        closep(&r->fd);
        free(r);
        return NULL;
}

int rtnl_dump(const struct nlmsghdr *request,
              void (*message)(const struct nlmsghdr *h, void *userdata), void *userdata) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        _cleanup_free_ char *buffer = malloc(RECEIVE_SIZE);
        ssize_t n;
        int k = 0;

        if (fd < 0)
                return -errno;
        if (!buffer)
                return -ENOMEM;
        if (send(fd, request, request->nlmsg_len, 0) < 0)
                return -errno;
        /* The kernel has the next piece ready whenever one is taken: this never waits. */
        while (k == 0) {
                n = receive(fd, buffer, MSG_DONTWAIT);
                if (n < 0)
                        return (int) n;
                k = walk(buffer, (int) n, message, userdata);
        }
        return k < 0 ? k : 0;
}

int rtnl_dump_links(void (*message)(const struct nlmsghdr *h, void *userdata), void *userdata) {
        const struct {
                struct nlmsghdr header;
                struct ifinfomsg info;
        } request = {
                .header = {.nlmsg_len = sizeof(request),
                           .nlmsg_type = RTM_GETLINK,
                           .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        };

        return rtnl_dump(&request.header, message, userdata);
}

uint32_t rtnl_namespace(void) {
        struct stat st;

        return stat("/proc/self/ns/net", &st) < 0 ? 0 : (uint32_t) st.st_ino;
}

/* `size` is signed for the same reason. */
static void parse(const struct rtattr *a, int size, const struct rtattr **table, size_t max) {
        memset(table, 0, (max + 1) * sizeof(*table));
        for (; RTA_OK(a, size); a = RTA_NEXT(a, size))
                if ((a->rta_type & NLA_TYPE_MASK) <= max)
                        table[a->rta_type & NLA_TYPE_MASK] = a;
}

bool rtnl_parse(const struct nlmsghdr *h, size_t fixed, const struct rtattr **table, size_t max) {
        if (h->nlmsg_len < NLMSG_LENGTH(fixed))
                return false;
        parse((const void *) ((const char *) NLMSG_DATA(h) + NLMSG_ALIGN(fixed)),
              h->nlmsg_len < NLMSG_SPACE(fixed) ? 0 : h->nlmsg_len - NLMSG_SPACE(fixed), table,
              max);
        return true;
}

void rtnl_parse_nested(const struct rtattr *nest, const struct rtattr **table, size_t max) {
        parse(nest ? RTA_DATA(nest) : NULL, nest ? RTA_PAYLOAD(nest) : 0, table, max);
}

uint32_t rtnl_u32(const struct rtattr *a, uint32_t fallback) {
        uint32_t v = fallback;

        if (a && RTA_PAYLOAD(a) >= sizeof(v))
                memcpy(&v, RTA_DATA(a), sizeof(v));
        return v;
}

bool rtnl_is(const struct rtattr *a, const char *text) {
        return a && RTA_PAYLOAD(a) == strlen(text) + 1 &&
               memcmp(RTA_DATA(a), text, strlen(text) + 1) == 0;
}
