/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bubbles there are: folded, counted, limited. The clock is the test's. */

#include <json.h>

#include "bubbles.h"
#include "limit.h"
#include "tap-main.h"

#define SECOND UINT64_C(1000000)
#define HOUR   (3600 * SECOND)

static struct bubbles *bubbles;
static uint64_t now;
static uint32_t next_id;

static void setup(void) {
        ck_assert_int_eq(bubbles_new(&bubbles), 0);
        now = 5 * HOUR;
        next_id = 1;
}

static void teardown(void) {
        bubbles_free(bubbles);
}

static struct alert *make(const char *program, const char *event, const char *severity) {
        struct json_object *row = json_object_new_object();
        struct alert *a;

        json_object_object_add(row, "event", json_object_new_string(event));
        json_object_object_add(row, "severity", json_object_new_string(severity));
        json_object_object_add(row, "time", json_object_new_uint64(now));
        if (program)
                json_object_object_add(row, "process.executable", json_object_new_string(program));
        ck_assert_int_eq(alert_new(&a, row), 0);
        json_object_put(row);
        return a;
}

static struct bubble *add(const char *program, const char *event) {
        return bubbles_add(bubbles, make(program, event, "warning"), now);
}

/* Sends what is due and lets the server show it, as often as there is something. */
static unsigned show_all(void) {
        struct bubble *b;
        unsigned n = 0;

        while ((b = bubbles_take(bubbles, now))) {
                bubble_shown(b, b->id ?: next_id++);
                n++;
        }
        return n;
}

START_TEST(one_for_each_program_and_cause) {
        struct bubble *a = add("/bin/a", "prog-load"), *b = add("/bin/a", "prog-load");
        struct bubble *c = add("/bin/b", "prog-load"), *d = add("/bin/a", "map-create");

        ck_assert_ptr_eq(a, b);
        ck_assert_ptr_ne(a, c);
        ck_assert_ptr_ne(a, d);
        ck_assert_uint_eq(a->count, 2);
        ck_assert_uint_eq(show_all(), 3);
        ck_assert_ptr_eq(bubbles_find(bubbles, a->id), a);
        ck_assert_ptr_null(bubbles_find(bubbles, 0));
}
END_TEST

START_TEST(a_repetition_replaces_and_counts) {
        struct bubble *b = add("/bin/a", "prog-load");
        uint64_t first = now;

        ck_assert_uint_eq(show_all(), 1);
        now += 10 * SECOND;
        add("/bin/a", "prog-load");
        ck_assert_uint_eq(show_all(), 1);
        ck_assert_uint_eq(b->id, 1); /* the same one */
        ck_assert_uint_eq(b->count, 2);
        ck_assert_uint_eq(b->first, first);
}
END_TEST

/* An hour of ten a second is not a notification each. */
START_TEST(a_storm_updates_ever_less_often) {
        unsigned shown = 0;

        for (unsigned i = 0; i < 36000; i++) {
                add("/bin/a", "prog-load");
                shown += show_all();
                now += SECOND / 10;
        }
        ck_assert_uint_ge(shown, 20);
        ck_assert_uint_le(shown, 80);
        now += 60 * SECOND;
        show_all();
        ck_assert_uint_eq(bubbles_find(bubbles, 1)->told, 36000); /* but the count is right */
}
END_TEST

START_TEST(what_was_closed_comes_back_ever_later) {
        struct bubble *b = add("/bin/a", "prog-load");
        uint64_t pauses[4];

        show_all();
        for (size_t i = 0; i < ELEMENTSOF(pauses); i++) {
                bubble_closed(b, false);
                add("/bin/a", "prog-load");
                ck_assert_uint_eq(show_all(), 0);
                pauses[i] = bubbles_next(bubbles, now) - now;
                now += pauses[i];
                ck_assert_uint_eq(show_all(), 1);
        }
        ck_assert_uint_eq(pauses[0], 30 * SECOND);
        for (size_t i = 1; i < ELEMENTSOF(pauses); i++)
                ck_assert_uint_eq(pauses[i], 2 * pauses[i - 1]);
        ck_assert_uint_eq(b->count, 5); /* nobody has dealt with any */
}
END_TEST

START_TEST(what_was_dealt_with_is_counted_anew) {
        struct bubble *b = add("/bin/a", "prog-load");

        add("/bin/a", "prog-load");
        show_all();
        now += SECOND / 2;
        add("/bin/a", "prog-load"); /* not shown yet */
        bubble_closed(b, true);
        ck_assert_uint_eq(b->count, 1);
        add("/bin/a", "prog-load");
        now += HOUR / 2;
        ck_assert_uint_eq(show_all(), 1);
        ck_assert_uint_eq(b->count, 2);
}
END_TEST

START_TEST(after_a_quiet_hour_all_begins_anew) {
        struct bubble *b = add("/bin/a", "prog-load");

        for (int i = 0; i < 8; i++) {
                show_all();
                bubble_closed(b, false);
                now += HOUR / 2;
                add("/bin/a", "prog-load");
        }
        show_all();
        bubble_closed(b, false);
        now += HOUR + SECOND;
        add("/bin/a", "prog-load");
        ck_assert_uint_eq(b->count, 1);
        ck_assert_uint_eq(show_all(), 1); /* at once */
}
END_TEST

/* A thousand programs: some bubbles, and one for the rest. */
START_TEST(many_programs_are_not_many_bubbles) {
        char program[32];
        unsigned appeared;

        for (unsigned i = 0; i < 1000; i++) {
                snprintf(program, sizeof(program), "/bin/%u", i);
                add(program, "prog-load");
        }
        appeared = show_all();
        ck_assert_uint_eq(appeared, BUBBLES_BURST + 1);
        struct bubble *more = bubbles_find(bubbles, next_id - 1);
        for (uint32_t id = 1; id < next_id && !more->more; id++)
                more = bubbles_find(bubbles, id);
        ck_assert(more->more);
        ck_assert_uint_eq(more->count, 1000 - BUBBLES_BURST);
        ck_assert_uint_eq(more->n_others, BUBBLES_MORE);
        ck_assert_str_eq(more->alert->program, "/bin/999");
        ck_assert_str_eq(more->others[BUBBLES_MORE - 1]->program, "/bin/998");
}
END_TEST

/* Who floods with warnings does not hide what is critical, and does not delay it. */
START_TEST(critical_ones_have_room_and_come_first) {
        char program[32];
        struct bubble *b;

        for (unsigned i = 0; i < 100; i++) {
                snprintf(program, sizeof(program), "/bin/%u", i);
                add(program, "prog-load");
        }
        b = bubbles_add(bubbles, make("/bin/evil", "tamper", "critical"), now);
        ck_assert(!b->more);
        ck_assert_ptr_eq(bubbles_take(bubbles, now), b);
        ck_assert_int_eq(b->urgency, URGENCY_CRITICAL);
}
END_TEST

START_TEST(memory_is_bounded) {
        char program[32];

        for (unsigned i = 0; i < 1000; i++) {
                snprintf(program, sizeof(program), "/bin/%u", i);
                add(program, "prog-load");
                show_all();
                now += 20 * SECOND;
        }
        /* The first is forgotten: it is new. */
        ck_assert_uint_eq(add("/bin/0", "prog-load")->count, 1);
        ck_assert_uint_eq(add("/bin/999", "prog-load")->count, 2);
}
END_TEST

START_TEST(what_failed_is_tried_again) {
        struct bubble *b = add("/bin/a", "prog-load");

        ck_assert_ptr_eq(bubbles_take(bubbles, now), b);
        ck_assert_ptr_null(bubbles_take(bubbles, now)); /* on its way */
        bubble_failed(b, now);
        ck_assert_uint_eq(show_all(), 0);
        now = bubbles_next(bubbles, now);
        ck_assert_uint_eq(show_all(), 1);
        ck_assert_uint_eq(bubbles_next(bubbles, now), UINT64_MAX);
}
END_TEST

START_TEST(a_new_server_gets_what_the_old_one_showed) {
        struct bubble *a = add("/bin/a", "prog-load"), *b = add("/bin/b", "prog-load");

        show_all();
        bubble_closed(a, true);
        bubbles_closed(bubbles);
        ck_assert_ptr_null(bubbles_find(bubbles, 2));
        ck_assert_ptr_eq(bubbles_take(bubbles, now), b);
        ck_assert_ptr_null(bubbles_take(bubbles, now));
        ck_assert_uint_eq(b->id, 0); /* nothing to replace */
        ck_assert(bubbles_any(bubbles));
}
END_TEST

static void note_closed(uint32_t id, void *userdata) {
        *(uint32_t *) userdata += id;
}

START_TEST(muting_takes_all_of_a_program) {
        uint32_t closed = 0;

        add("/bin/a", "prog-load");
        add("/bin/b", "prog-load");
        add("/bin/a", "map-create");
        show_all();
        now += 10 * SECOND;
        add("/bin/a", "map-create");
        bubbles_mute(bubbles, "/bin/a", note_closed, &closed);
        ck_assert_uint_eq(closed, 1 + 3);
        ck_assert_uint_eq(show_all(), 0);
        ck_assert(bubbles_find(bubbles, 2));

        add("/bin/a", "map-create"); /* taken back: as if it had never been there */
        ck_assert_uint_eq(show_all(), 1);
}
END_TEST

START_TEST(nobody_is_one_program) {
        ck_assert_ptr_eq(add(NULL, "lost"), add(NULL, "lost"));
        ck_assert_ptr_ne(add(NULL, "lost"), add("/bin/a", "lost"));
}
END_TEST

/* What bpfmond has counted for us: no news, but a number. */
START_TEST(what_was_counted_elsewhere_counts) {
        struct json_object *row = json_tokener_parse(
                "{\"event\":\"alert\",\"alert.count\":41,\"rule.name\":[\"spies\"],"
                "\"process.executable\":\"/bin/a\",\"severity\":\"warning\"}");
        struct json_object *first = json_tokener_parse(
                "{\"event\":\"prog-load\",\"alert.count\":50,\"rule.name\":[\"spies\",\"x\"],"
                "\"process.executable\":\"/bin/a\",\"severity\":\"warning\"}");
        struct alert *a, *b;

        ck_assert_int_eq(alert_new(&a, first), 0);
        ck_assert_int_eq(alert_new(&b, row), 0);
        json_object_put(row);
        json_object_put(first);
        struct bubble *bubble = bubbles_add(bubbles, a, now);
        ck_assert_uint_eq(bubble->count, 1);
        ck_assert_ptr_eq(bubbles_add(bubbles, b, now), bubble);
        ck_assert_uint_eq(bubble->count, 42);
        ck_assert_str_eq(
                json_object_get_string(json_object_object_get(bubble->alert->row, "event")),
                "prog-load");
}
END_TEST

START_TEST(limit_gives_back) {
        struct limit l = {.burst = 2, .interval = 10};

        ck_assert(limit_take(&l, 100));
        ck_assert(limit_take(&l, 100));
        ck_assert(!limit_take(&l, 109));
        ck_assert_uint_eq(limit_next(&l, 109), 110);
        ck_assert(limit_take(&l, 110));
        ck_assert(!limit_take(&l, 110));
        ck_assert(limit_take(&l, 1000));
        ck_assert(limit_take(&l, 1000));
        ck_assert(!limit_take(&l, 1000));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("notify-bubbles");
        TCase *c = tcase_create("bubbles");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, one_for_each_program_and_cause);
        tcase_add_test(c, a_repetition_replaces_and_counts);
        tcase_add_test(c, a_storm_updates_ever_less_often);
        tcase_add_test(c, what_was_closed_comes_back_ever_later);
        tcase_add_test(c, what_was_dealt_with_is_counted_anew);
        tcase_add_test(c, after_a_quiet_hour_all_begins_anew);
        tcase_add_test(c, many_programs_are_not_many_bubbles);
        tcase_add_test(c, critical_ones_have_room_and_come_first);
        tcase_add_test(c, memory_is_bounded);
        tcase_add_test(c, what_failed_is_tried_again);
        tcase_add_test(c, a_new_server_gets_what_the_old_one_showed);
        tcase_add_test(c, muting_takes_all_of_a_program);
        tcase_add_test(c, nobody_is_one_program);
        tcase_add_test(c, what_was_counted_elsewhere_counts);
        tcase_add_test(c, limit_gives_back);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
