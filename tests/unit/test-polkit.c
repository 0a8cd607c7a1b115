/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions that polkit answers late or not at all, and passwords that stop counting: by a clock
 * that the test moves on. */

#include <string.h>
#include <sys/syscall.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "bus-bed.h"
#include "clock.h"
#include "grant.h"
#include "polkit.h"

#define AUTHORITY "org.freedesktop.PolicyKit1.Authority"
#define SECOND    UINT64_C(1000000)

/* In place of libc's, for sd-bus too. */
static time_t skipped;

int clock_gettime(clockid_t clock, struct timespec *t) {
        int r = (int) syscall(SYS_clock_gettime, clock, t);

        t->tv_sec += skipped;
        return r;
}

/* What polkit was told, and what came of it. */
struct scene {
        struct bus_pair bus;
        struct polkit *polkit;
        sd_bus_message *question;
        char id[64], cancelled[64];
        unsigned flags, asked;
        unsigned answers;
        struct polkit_answer answer;
};

static struct scene scene;

static int on_call(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        const char *id = NULL;

        if (sd_bus_message_is_method_call(m, AUTHORITY, "CancelCheckAuthorization") > 0) {
                ck_assert_int_gt(sd_bus_message_read(m, "s", &id), 0);
                strcpy(scene.cancelled, id);
                return 1;
        }
        if (sd_bus_message_is_method_call(m, AUTHORITY, "CheckAuthorization") <= 0)
                return 0;
        ck_assert_int_gt(sd_bus_message_skip(m, "(sa{sv})sa{ss}"), 0);
        ck_assert_int_gt(sd_bus_message_read(m, "us", &scene.flags, &id), 0);
        strcpy(scene.id, id);
        sd_bus_message_unref(scene.question);
        scene.question = sd_bus_message_ref(m);
        scene.asked++;
        return 1;
}

static void on_answer(const struct polkit_answer *answer, _unused_ void *userdata) {
        scene.answer = *answer;
        scene.answers++;
}

static void setup(void) {
        scene = (struct scene){};
        skipped = 0;
        bus_pair_open(&scene.bus);
        ck_assert_int_ge(sd_bus_add_filter(scene.bus.other, NULL, on_call, NULL), 0);
        ck_assert_int_ge(polkit_new(&scene.polkit, scene.bus.ours, &polkit_timeouts_default), 0);
}

static void teardown(void) {
        sd_bus_message_unref(scene.question);
        polkit_free(scene.polkit);
        bus_pair_close(&scene.bus);
}

static void skip(time_t seconds) {
        skipped += seconds;
        bus_pair_process(&scene.bus);
}

static void reply(bool authorized, bool challenge) {
        ck_assert_int_ge(
                sd_bus_reply_method_return(scene.question, "(bba{ss})", authorized, challenge, 0),
                0);
        bus_pair_process(&scene.bus);
}

static struct polkit_question *ask(bool interactive) {
        struct polkit_question *q;

        ck_assert_int_ge(polkit_ask(&q, scene.polkit, ":1.7", "org.bpfmon1.watch", interactive,
                                    on_answer, NULL),
                         0);
        bus_pair_process(&scene.bus);
        ck_assert_uint_eq(scene.asked, 1);
        ck_assert_uint_eq(scene.flags, interactive);
        return q;
}

/* It is given up after `seconds`, not before, and polkit is told; an answer after that is none. */
static void check_patience(bool interactive, time_t seconds) {
        struct polkit_question *q = ask(interactive);

        skip(seconds - 1);
        ck_assert_uint_eq(scene.answers, 0);
        ck_assert_str_eq(scene.cancelled, "");
        skip(2);
        ck_assert_uint_eq(scene.answers, 1);
        ck_assert(!scene.answer.authorized && !scene.answer.challenge);
        ck_assert_str_eq(scene.answer.failure, "polkit did not answer");
        ck_assert_str_eq(scene.cancelled, scene.id);
        reply(true, false);
        ck_assert_uint_eq(scene.answers, 1);
        polkit_question_free(q);
}

START_TEST(test_timeout) {
        check_patience(false, 25);
}
END_TEST

START_TEST(test_timeout_password) {
        check_patience(true, 300);
}
END_TEST

START_TEST(test_late) {
        struct polkit_question *q = ask(true);

        skip(299);
        reply(true, false);
        ck_assert_uint_eq(scene.answers, 1);
        ck_assert(scene.answer.authorized && !scene.answer.failure);
        skip(100);
        ck_assert_uint_eq(scene.answers, 1);
        ck_assert_str_eq(scene.cancelled, "");
        polkit_question_free(q);
}
END_TEST

/* Permissions that came with a password ------------------------------------------------------- */

static const char *revoked;

static void on_revoked(const char *reason, _unused_ void *userdata) {
        revoked = reason;
}

/* polkit says that something has changed, and, when it is asked, that a password is needed. Returns
 * why the permission is gone that was given so long ago; NULL: it is not. */
static const char *after(uint64_t seconds) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        struct permission permission = {
                .sender = ":1.7",
                .viewer = {1000, SCOPE_ALL},
                .action = "org.bpfmon1.watch",
                .by_password = true,
                .temporary = true,
                .since = clock_now() / 1000 - seconds * SECOND,
        };
        struct grants *grants;
        struct grant grant;
        sd_event *loop;

        revoked = NULL;
        ck_assert_int_ge(sd_event_new(&loop), 0);
        ck_assert_int_ge(sd_bus_attach_event(scene.bus.ours, loop, 0), 0);
        ck_assert_int_ge(grants_new(&grants, scene.bus.ours, scene.polkit), 0);
        grant_watch(&grant, grants, &permission, on_revoked, NULL);

        ck_assert_int_ge(sd_bus_message_new_signal(scene.bus.other, &m,
                                                   "/org/freedesktop/PolicyKit1/Authority",
                                                   AUTHORITY, "Changed"),
                         0);
        ck_assert_int_ge(sd_bus_message_set_sender(m, ":1.5"), 0);
        ck_assert_int_ge(sd_bus_send(scene.bus.other, m, NULL), 0);
        for (int i = 0; i < 1000 && scene.asked == 0; i++) {
                bus_pair_process(&scene.bus);
                ck_assert_int_ge(sd_event_run(loop, 10000), 0);
        }
        ck_assert_uint_eq(scene.asked, 1);
        reply(false, true);

        grant_done(&grant);
        grants_free(grants);
        sd_bus_detach_event(scene.bus.ours);
        sd_event_unref(loop);
        return revoked;
}

/* polkit forgets passwords after five minutes: that takes nothing away. */
START_TEST(test_expired) {
        ck_assert_ptr_null(after(300));
}
END_TEST

/* Somebody else did, earlier. */
START_TEST(test_taken_back) {
        ck_assert_str_eq(after(290), "the permission that came with a password was taken back");
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("polkit");
        TCase *c = tcase_create("polkit");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, test_timeout);
        tcase_add_test(c, test_timeout_password);
        tcase_add_test(c, test_late);
        tcase_add_test(c, test_expired);
        tcase_add_test(c, test_taken_back);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
