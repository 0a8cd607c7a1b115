/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Messages of rtnetlink, put together by hand: the guests have no iproute2. */

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request {
        struct nlmsghdr header;
        char payload[4096];
        bool quiet; /* ask for no acknowledgement */
};

/* Begins a message of a type with the fixed header that it has. */
void request_begin(struct request *r, uint16_t type, uint16_t flags, const void *fixed,
                   size_t size);

/* Adds an attribute. */
void request_add(struct request *r, uint16_t type, const void *data, size_t size);
void request_add_u32(struct request *r, uint16_t type, uint32_t value);
void request_add_text(struct request *r, uint16_t type, const char *text);

/* What is added between is nested in it. */
struct nlattr *request_nest(struct request *r, uint16_t type);
void request_nest_end(struct request *r, struct nlattr *nest);

/* Sends it and returns what the kernel says: 0 or a negative errno. */
int request_send(struct request *r);
