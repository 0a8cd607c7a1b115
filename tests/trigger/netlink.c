/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "util.h"

static char *tail(struct request *r) {
        return (char *) r + NLMSG_ALIGN(r->header.nlmsg_len);
}

void request_begin(struct request *r, uint16_t type, uint16_t flags, const void *fixed,
                   size_t size) {
        memset(r, 0, sizeof(*r));
        r->header.nlmsg_type = type;
        r->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        r->header.nlmsg_len = NLMSG_LENGTH(size);
        memcpy(NLMSG_DATA(&r->header), fixed, size);
}

void request_add(struct request *r, uint16_t type, const void *data, size_t size) {
        struct nlattr *a = (void *) tail(r);

        a->nla_type = type;
        a->nla_len = NLA_HDRLEN + size;
        if (size > 0)
                memcpy((char *) a + NLA_HDRLEN, data, size);
        r->header.nlmsg_len = (char *) a + NLA_ALIGN(a->nla_len) - (char *) r;
}

void request_add_u32(struct request *r, uint16_t type, uint32_t value) {
        request_add(r, type, &value, sizeof(value));
}

void request_add_text(struct request *r, uint16_t type, const char *text) {
        request_add(r, type, text, strlen(text) + 1);
}

struct nlattr *request_nest(struct request *r, uint16_t type) {
        struct nlattr *a = (void *) tail(r);

        request_add(r, type | NLA_F_NESTED, NULL, 0);
        return a;
}

void request_nest_end(struct request *r, struct nlattr *nest) {
        nest->nla_len = tail(r) - (char *) nest;
}

int request_send(struct request *r) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
                char rest[8192];
        } answer;

        if (fd < 0)
                return -errno;
        if (r->quiet)
                r->header.nlmsg_flags &= ~NLM_F_ACK;
        if (send(fd, r, r->header.nlmsg_len, 0) < 0)
                return -errno;
        /* The kernel answers before send() returns; without a wish for it, failures alone. */
        while (recv(fd, &answer, sizeof(answer), r->quiet ? MSG_DONTWAIT : 0) > 0)
                if (answer.header.nlmsg_type == NLMSG_ERROR)
                        return answer.error.error;
        return r->quiet && errno == EAGAIN ? 0 : -errno;
}
