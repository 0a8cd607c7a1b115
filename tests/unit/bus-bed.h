/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Two ends of a D-Bus connection without a bus between them. */

#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>

#include "tap-main.h"

struct bus_pair {
        sd_bus *ours;  /* what the code under test sends on */
        sd_bus *other; /* what comes out */
        int other_fd;  /* the socket below it */
};

/* Sends and receives what can be without waiting. */
static inline void bus_pair_process(struct bus_pair *p) {
        int ours, other;

        do {
                ours = sd_bus_process(p->ours, NULL);
                other = sd_bus_process(p->other, NULL);
                ck_assert_int_ge(ours, 0);
                ck_assert_int_ge(other, 0);
        } while (ours > 0 || other > 0);
}

static inline void bus_pair_open(struct bus_pair *p) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        p->other_fd = fds[1];
        ck_assert_int_ge(sd_bus_new(&p->ours), 0);
        ck_assert_int_ge(sd_bus_set_fd(p->ours, fds[0], fds[0]), 0);
        ck_assert_int_ge(sd_bus_start(p->ours), 0);

        ck_assert_int_ge(sd_bus_new(&p->other), 0);
        ck_assert_int_ge(sd_bus_set_fd(p->other, fds[1], fds[1]), 0);
        ck_assert_int_ge(sd_bus_set_server(p->other, 1,
                                           SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
                                                         14, 15, 16)),
                         0);
        ck_assert_int_ge(sd_bus_start(p->other), 0);

        while (sd_bus_is_ready(p->ours) == 0 || sd_bus_is_ready(p->other) == 0)
                bus_pair_process(p);
        ck_assert_int_gt(sd_bus_is_ready(p->ours), 0);
}

static inline void bus_pair_close(struct bus_pair *p) {
        sd_bus_close_unref(p->ours);
        sd_bus_close_unref(p->other);
}
