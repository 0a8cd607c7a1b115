/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A socket that hears what rtnetlink tells everybody in the daemon's own network namespace. */

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rtnl;
struct sd_event;

struct rtnl_handlers {
        /* Whether what came up to now may be handed out. Else it waits, and this is asked again a
         * little later. */
        bool (*settle)(void *userdata);
        /* One message; `h->nlmsg_len` bytes are there. */
        void (*message)(const struct nlmsghdr *h, void *userdata);
        /* The kernel had no room for some. */
        void (*lost)(void *userdata);
        /* No more for now. */
        void (*idle)(void *userdata);
};

/* Opens it and joins `groups` (RTNLGRP_*, up to a 0). The handlers (static) are called from the
 * event loop. Returns a negative errno. */
int rtnl_new(struct rtnl **ret, struct sd_event *loop, const int *groups,
             const struct rtnl_handlers *handlers, void *userdata);

/* While it is held nothing is handed out: it stays in the socket. */
void rtnl_hold(struct rtnl *r, bool hold);

/* NULL is fine; returns NULL. */
struct rtnl *rtnl_free(struct rtnl *r);

/* Sends a request for a dump, in the network namespace of the thread, and calls `message` for each
 * message of the answer. Returns a negative errno. */
int rtnl_dump(const struct nlmsghdr *request,
              void (*message)(const struct nlmsghdr *h, void *userdata), void *userdata);

/* Calls `message` for each device that there is (RTM_NEWLINK). Returns a negative errno. */
int rtnl_dump_links(void (*message)(const struct nlmsghdr *h, void *userdata), void *userdata);

/* Inode of the daemon's network namespace, 0 where it cannot be had. */
uint32_t rtnl_namespace(void);

/* Attributes of a message whose fixed header has `fixed` bytes: fills `table` (`max` + 1 entries,
 * by type), with NULL for those that are not there. Returns false where the message is too short.
 */
bool rtnl_parse(const struct nlmsghdr *h, size_t fixed, const struct rtattr **table, size_t max);

/* The same of those that are nested in `nest` (may be NULL: then there are none). */
void rtnl_parse_nested(const struct rtattr *nest, const struct rtattr **table, size_t max);

/* What an attribute holds; `fallback` where there is none, or it is too short. */
uint32_t rtnl_u32(const struct rtattr *a, uint32_t fallback);

/* Whether it holds this text. */
bool rtnl_is(const struct rtattr *a, const char *text);
