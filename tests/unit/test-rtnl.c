/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Notices of rtnetlink, in a network namespace of the test's own, whose loopback device is switched
 * on and off. */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "rtnl.h"
#include "tap-main.h"

static struct scene {
        sd_event *loop;
        struct rtnl *rtnl;
        bool settled;
        unsigned asked, idle;
        size_t told;
        bool up[16];
} scene;

static bool on_settle(_unused_ void *userdata) {
        scene.asked++;
        return scene.settled;
}

static void on_message(const struct nlmsghdr *h, _unused_ void *userdata) {
        const struct ifinfomsg *info = NLMSG_DATA(h);

        ck_assert_uint_eq(h->nlmsg_type, RTM_NEWLINK);
        ck_assert_uint_lt(scene.told, ELEMENTSOF(scene.up));
        scene.up[scene.told++] = info->ifi_flags & IFF_UP;
}

static void on_lost(_unused_ void *userdata) {
        ck_abort_msg("nothing is lost here");
}

static void on_idle(_unused_ void *userdata) {
        scene.idle++;
}

static void setup(void) {
        static const struct rtnl_handlers handlers = {on_settle, on_message, on_lost, on_idle};
        static const int groups[] = {RTNLGRP_LINK, 0};

        scene = (struct scene){};
        if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
                tap_skip("no network namespace can be made");
        ck_assert_int_ge(sd_event_new(&scene.loop), 0);
        ck_assert_int_eq(rtnl_new(&scene.rtnl, scene.loop, groups, &handlers, NULL), 0);
}

static void teardown(void) {
        rtnl_free(scene.rtnl);
        sd_event_unref(scene.loop);
}

static void set(bool up) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq lo = {.ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0};

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
}

/* Runs the loop until what is to happen has happened; check ends it where that never does. */
#define RUN_UNTIL(condition) \
        while (!(condition)) \
        ck_assert_int_ge(sd_event_run(scene.loop, UINT64_MAX), 0)

/* And until nothing is left to do. */
static void run_out(void) {
        while (sd_event_run(scene.loop, 50000) > 0)
                ;
}

START_TEST(notices_wait_until_all_is_settled) {
        set(true);
        set(false);
        set(true);
        RUN_UNTIL(scene.asked >= 5);
        ck_assert_uint_eq(scene.told, 0);

        scene.settled = true;
        RUN_UNTIL(scene.told >= 3);
        run_out();
        ck_assert_uint_eq(scene.told, 3);
        ck_assert(scene.up[0] && !scene.up[1] && scene.up[2]);
        ck_assert_uint_gt(scene.idle, 0);

        set(false);
        RUN_UNTIL(scene.told >= 4);
        ck_assert(!scene.up[3]);
}
END_TEST

START_TEST(each_notice_is_settled) {
        scene.settled = true;
        set(true);
        set(false);
        RUN_UNTIL(scene.told >= 2);
        ck_assert_uint_ge(scene.asked, 2);
}
END_TEST

START_TEST(one_that_waits_is_held) {
        set(true);
        RUN_UNTIL(scene.asked >= 2);
        rtnl_hold(scene.rtnl, true);
        scene.settled = true;
        set(false);
        run_out();
        ck_assert_uint_eq(scene.told, 0);

        rtnl_hold(scene.rtnl, false);
        RUN_UNTIL(scene.told >= 2);
        ck_assert(scene.up[0] && !scene.up[1]);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("rtnl");
        TCase *c = tcase_create("rtnl");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, notices_wait_until_all_is_settled);
        tcase_add_test(c, each_notice_is_settled);
        tcase_add_test(c, one_that_waits_is_held);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
