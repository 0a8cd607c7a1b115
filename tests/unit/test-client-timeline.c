/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>
#include <time.h>

#include "bus-json.h"
#include "tap-main.h"
#include "timeline-svg.h"
#include "timeline-text.h"
#include "timeline.h"

#define S UINT64_C(1000000)

static int add(struct timeline *t, uint64_t time, const char *event, const char *more) {
        _cleanup_text_ struct text s = {};

        text_printf(&s, "{\"time\":%ju,\"event\":\"%s\"%s}", (uintmax_t) time, event, more);
        _cleanup_json_ struct json_object *o = json_tokener_parse(text_string(&s));
        return timeline_add(t, o);
}

static void use_zone(const char *zone) {
        setenv("TZ", zone, 1);
        tzset();
}

/* The shortest interval that people like and that fits. */
START_TEST(intervals) {
        ck_assert_uint_eq(timeline_interval(0, 60 * S, 100), S);
        ck_assert_uint_eq(timeline_interval(0, 3600 * S, 80), 60 * S);
        ck_assert_uint_eq(timeline_interval(0, 86400 * S, 60), 1800 * S);
        ck_assert_uint_eq(timeline_interval(0, 0, 10), S);
        ck_assert_uint_ge(timeline_interval(0, UINT64_C(60) * 365 * 86400 * S, 70),
                          365 * 86400 * S);
}
END_TEST

/* Hours begin where the clocks here say so, also half an hour away from everybody else's. */
START_TEST(zone) {
        struct timeline t = {};

        use_zone("IST-5:30");
        ck_assert_int_eq(timeline_init(&t, 1795701522 * S, 1795705122 * S, 3600 * S), 0);
        ck_assert_uint_eq(t.start % (3600 * S), 1800 * S);
        ck_assert_uint_le(t.start, 1795701522 * S);
        ck_assert_uint_gt(t.start + 3600 * S, 1795701522 * S);
        timeline_clear(&t);
        use_zone("PST8");
        ck_assert_int_eq(timeline_init(&t, 1795701522 * S, 1795705122 * S, 86400 * S), 0);
        ck_assert_uint_eq(t.start % (86400 * S), 8 * 3600 * S);
        timeline_clear(&t);
        use_zone("UTC");
}
END_TEST

START_TEST(counts) {
        struct timeline t = {};

        ck_assert_int_eq(timeline_init(&t, 1000 * S, 1029 * S, 10 * S), 0);
        ck_assert_uint_eq(t.n_intervals, 3);
        add(&t, 1000 * S, "prog-load", ",\"class\":\"install\",\"result\":\"ok\"");
        add(&t, 1010 * S - 1, "prog-load", ",\"class\":\"install\",\"result\":\"denied\"");
        add(&t, 1010 * S, "prog-load", ",\"class\":\"install\"");
        add(&t, 1020 * S, "map-access", ",\"class\":\"use\",\"calls\":40");
        add(&t, 999 * S, "prog-load", "");
        add(&t, 1030 * S, "prog-load", "");
        add(&t, 1005 * S, "lost", ",\"class\":\"self\",\"lost.count\":7");
        timeline_sort(&t);
        ck_assert_uint_eq(t.n_kinds, 3);
        ck_assert_str_eq(t.kinds[0].name, "prog-load");
        ck_assert_uint_eq(t.kinds[0].counts[0], 2);
        ck_assert_uint_eq(t.kinds[0].counts[1], 1);
        ck_assert_uint_eq(t.kinds[0].counts[2], 0);
        ck_assert_uint_eq(t.kinds[0].refused, 1);
        ck_assert_uint_eq(t.kinds[1].total, 40);
        ck_assert_uint_eq(t.lost, 7);
        ck_assert_uint_eq(timeline_sum(&t, 0), 3);
        ck_assert_uint_eq(t.total, 44);
        timeline_clear(&t);
}
END_TEST

/* A daemon that makes up kinds does not make memory grow, nor do hostile names reach a terminal. */
START_TEST(bounded) {
        struct timeline t = {};
        _cleanup_text_ struct text text = {}, svg = {};

        ck_assert_int_eq(timeline_init(&t, 0, UINT64_MAX / 2, 1), -E2BIG);
        ck_assert_int_eq(timeline_init(&t, 0, 5 * S, S), 0);
        for (int i = 0; i < 1000; i++) {
                char name[64];
                snprintf(name, sizeof(name), "<%d>\\u001b[31m&", i);
                ck_assert_int_eq(add(&t, S, name, ""), 0);
        }
        ck_assert_uint_eq(t.total, 1000);
        ck_assert_uint_le(t.n_kinds, TIMELINE_KINDS_MAX + 1);
        timeline_sort(&t);
        timeline_text(&text, &t, timeline_text_room(80), true, false);
        timeline_svg(&svg, &t);
        ck_assert_ptr_null(strchr(text_string(&text), '\x1b'));
        ck_assert_ptr_null(strchr(text_string(&svg), '\x1b'));
        ck_assert_ptr_null(strstr(text_string(&svg), "<5>"));
        ck_assert_ptr_nonnull(strstr(text_string(&svg), "&lt;5&gt;"));
        timeline_clear(&t);
}
END_TEST

static const struct {
        uint64_t since, until;
        size_t columns;
} widths[] = {
        {0, 60, 80}, {0, 3600, 80}, {0, 86400, 120}, {0, 3, 80}, {0, 0, 200}, {0, 900000, 51},
};

/* Lines are no wider than the terminal, whatever the times. */
START_TEST(fits) {
        const size_t room = timeline_text_room(widths[_i].columns);
        const uint64_t since = widths[_i].since * S, until = widths[_i].until * S;
        _cleanup_text_ struct text text = {};
        struct timeline t = {};

        use_zone("UTC");
        ck_assert_int_eq(timeline_init(&t, since, until, timeline_interval(since, until, room)), 0);
        for (size_t i = 0; i < t.n_intervals; i++)
                add(&t, t.start + i * t.interval, "prog-load",
                    ",\"class\":\"install\",\"calls\":123456,\"result\":\"failed\"");
        timeline_sort(&t);
        timeline_text(&text, &t, room, true, false);
        for (char *rest = text.data, *line; (line = strsep(&rest, "\n"));)
                ck_assert_msg(text_width(line) <= widths[_i].columns, "%zu columns: %s",
                              text_width(line), line);
        timeline_clear(&t);
}
END_TEST

/* What happened once shows, beside what happened a million times. */
START_TEST(small_shows) {
        _cleanup_text_ struct text text = {};
        struct timeline t = {};

        ck_assert_int_eq(timeline_init(&t, 0, 10 * S, S), 0);
        add(&t, 2 * S, "prog-load", ",\"calls\":1000000");
        add(&t, 5 * S, "prog-load", "");
        timeline_text(&text, &t, 11, false, false);
        ck_assert_ptr_nonnull(strstr(text_string(&text), "prog-load               █  ▁"));
        timeline_clear(&t);
}
END_TEST

START_TEST(scale) {
        static const uint64_t scales[][2] = {{0, 1},    {1, 1},     {2, 2},
                                             {3, 5},    {7, 10},    {11, 20},
                                             {99, 100}, {201, 500}, {UINT32_MAX, 5000000000}};

        for (size_t i = 0; i < ELEMENTSOF(scales); i++)
                ck_assert_uint_eq(timeline_scale(scales[i][0]), scales[i][1]);
        ck_assert_uint_gt(timeline_scale(UINT64_MAX), 0);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-timeline");
        TCase *c = tcase_create("timeline");

        tcase_add_test(c, intervals);
        tcase_add_test(c, zone);
        tcase_add_test(c, counts);
        tcase_add_test(c, bounded);
        tcase_add_loop_test(c, fits, 0, ELEMENTSOF(widths));
        tcase_add_test(c, small_shows);
        tcase_add_test(c, scale);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
