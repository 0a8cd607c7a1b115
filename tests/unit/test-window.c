/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "window.h"

#include "tap-main.h"

START_TEST(test_limit) {
        struct window w;

        window_init(&w, 100);
        ck_assert_uint_eq(window_pending(&w), 0);
        ck_assert(window_fits(&w, 100));
        window_sent(&w, 60);
        ck_assert_uint_eq(window_pending(&w), 60);
        ck_assert(window_fits(&w, 40));
        ck_assert(!window_fits(&w, 41));
        window_sent(&w, 40);
        ck_assert(window_fits(&w, 0));
        ck_assert(!window_fits(&w, 1));
}
END_TEST

START_TEST(test_oversize) {
        struct window w;

        window_init(&w, 100);
        ck_assert(window_fits(&w, 1000));
        window_sent(&w, 1000);
        ck_assert(!window_fits(&w, 0));
        ck_assert(!window_fits(&w, 1));

        ck_assert(window_ping(&w));
        window_pong(&w);
        ck_assert(window_fits(&w, 1000));
}
END_TEST

START_TEST(test_ping_when_due) {
        struct window w;

        window_init(&w, 100);
        ck_assert(!window_ping(&w));
        window_sent(&w, 10);
        ck_assert(window_ping(&w));
        ck_assert(!window_ping(&w));
        window_pong(&w);
        ck_assert(!window_ping(&w));
        window_sent(&w, 1);
        ck_assert(window_ping(&w));
}
END_TEST

START_TEST(test_pong_confirms_what_came_before_the_ping) {
        struct window w;

        window_init(&w, 100);
        window_sent(&w, 30);
        ck_assert(window_ping(&w));
        window_sent(&w, 50);
        ck_assert_uint_eq(window_pending(&w), 80);
        window_pong(&w);
        ck_assert_uint_eq(window_pending(&w), 50);
        ck_assert(window_fits(&w, 50));
        ck_assert(!window_fits(&w, 51));

        ck_assert(window_ping(&w));
        window_pong(&w);
        ck_assert_uint_eq(window_pending(&w), 0);
}
END_TEST

START_TEST(test_pong_without_ping) {
        struct window w;

        window_init(&w, 100);
        window_sent(&w, 30);
        window_pong(&w);
        ck_assert_uint_eq(window_pending(&w), 30);

        ck_assert(window_ping(&w));
        window_pong(&w);
        window_sent(&w, 20);
        window_pong(&w);
        ck_assert_uint_eq(window_pending(&w), 20);
}
END_TEST

START_TEST(test_refused_ping) {
        struct window w;

        window_init(&w, 100);
        window_sent(&w, 30);
        ck_assert(window_ping(&w));
        window_refused(&w);
        ck_assert_uint_eq(window_pending(&w), 30);
        window_sent(&w, 5);
        ck_assert(window_ping(&w));
        window_pong(&w);
        ck_assert_uint_eq(window_pending(&w), 0);
}
END_TEST

/* The counters only grow; that they wrap is nobody's business. */
START_TEST(test_wrap) {
        struct window w;

        window_init(&w, 100);
        w.sent = w.confirmed = UINT64_MAX - 9;
        ck_assert_uint_eq(window_pending(&w), 0);
        window_sent(&w, 60);
        ck_assert_uint_eq(window_pending(&w), 60);
        ck_assert(window_fits(&w, 40));
        ck_assert(!window_fits(&w, 41));
        ck_assert(window_ping(&w));
        window_sent(&w, 40);
        window_pong(&w);
        ck_assert_uint_eq(window_pending(&w), 40);
}
END_TEST

START_TEST(test_huge) {
        struct window w;

        window_init(&w, 100);
        window_sent(&w, 1);
        ck_assert(!window_fits(&w, UINT64_MAX));
        ck_assert(!window_fits(&w, UINT64_MAX - 1));

        window_init(&w, UINT64_MAX);
        window_sent(&w, UINT64_MAX - 5);
        ck_assert(window_fits(&w, 5));
        ck_assert(!window_fits(&w, 6));
        ck_assert(!window_fits(&w, UINT64_MAX));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("window");
        TCase *t = tcase_create("window");

        tcase_add_test(t, test_limit);
        tcase_add_test(t, test_oversize);
        tcase_add_test(t, test_ping_when_due);
        tcase_add_test(t, test_pong_confirms_what_came_before_the_ping);
        tcase_add_test(t, test_pong_without_ping);
        tcase_add_test(t, test_refused_ping);
        tcase_add_test(t, test_wrap);
        tcase_add_test(t, test_huge);
        suite_add_tcase(s, t);
        return s;
}

TAP_MAIN(suite)
