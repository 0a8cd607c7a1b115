/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

#include "history-bed.h"
#include "history-query.h"
#include "tap-main.h"

enum { ROWS = 2000 };

/* Somebody else in the same loop, who wants something when the first row comes. */
struct scene {
        sd_event *loop;
        int fd;
        size_t rows, when_served;
};

static int on_other(_unused_ sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        struct scene *scene = userdata;
        uint64_t count;

        ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
        scene->when_served = scene->rows;
        return 0;
}

static int on_row(_unused_ const struct event *e, void *userdata) {
        struct scene *scene = userdata;

        if (scene->rows++ == 0)
                ck_assert_int_eq(eventfd_write(scene->fd, 1), 0);
        return 0;
}

static void on_done(int r, _unused_ const struct history_answer *answer, void *userdata) {
        struct scene *scene = userdata;

        ck_assert_int_ge(r, 0);
        ck_assert_int_ge(sd_event_exit(scene->loop, 0), 0);
}

START_TEST(others_have_their_turn_between_rows) {
        static const struct query_handlers handlers = {on_row, on_done};
        struct history_question question = {
                .viewer = {.scope = SCOPE_ALL},
                .until = UINT64_MAX,
                .limit = ROWS,
        };
        struct history *h = bed_open();
        struct scene scene = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        struct queries *queries;
        struct match *match;

        bed_fill(h, 1, ROWS);
        ck_assert_int_ge(scene.fd, 0);
        ck_assert_int_ge(sd_event_new(&scene.loop), 0);
        ck_assert_int_ge(sd_event_add_io(scene.loop, NULL, scene.fd, EPOLLIN, on_other, &scene), 0);
        ck_assert_int_eq(match_new(&match, NULL, 0, NULL), 0);
        question.match = match;
        ck_assert_int_eq(queries_new(&queries, h, scene.loop, &query_limits_default), 0);
        ck_assert_int_eq(query_new(NULL, queries, &question, &handlers, &scene), 0);
        ck_assert_int_eq(sd_event_loop(scene.loop), 0);
        ck_assert_uint_eq(scene.rows, ROWS);
        ck_assert_uint_gt(scene.when_served, 0);
        ck_assert_uint_lt(scene.when_served, ROWS);

        queries_free(queries);
        history_free(h);
        sd_event_unref(scene.loop);
        close(scene.fd);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("history-query");
        TCase *c = tcase_create("history-query");

        tcase_add_checked_fixture(c, bed_setup, bed_teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, others_have_their_turn_between_rows);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
