/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <time.h>

#include "tap-main.h"
#include "when.h"

/* Sun 2026-11-22 10:00:00 UTC */
#define NOW (UINT64_C(1795341600) * 1000000)
#define SEC INT64_C(1000000)

static void zone(const char *name) {
        setenv("TZ", name, 1);
        tzset();
}

static const struct {
        const char *text;
        int64_t from_now; /* µs */
} good[] = {
        {"now", 0},
        {"-1h", -3600 * SEC},
        {"+5s", 5 * SEC},
        {"-1h 30min", -5400 * SEC},
        {"-1h30min", -5400 * SEC},
        {"1 hour ago", -3600 * SEC},
        {"2 days ago", -2 * 86400 * SEC},
        {"1h left", 3600 * SEC},
        {"-90", -90 * SEC},
        {"90 ago", -90 * SEC},
        {"-1.5s", -1500000},
        {"-3ms", -3000},
        {"-1 week 1 day", -8 * 86400 * SEC},
        {"-1M", -2629800 * SEC},
        {"-1m", -60 * SEC},
        {"-1y", -31557600 * SEC},
        {"today", -10 * 3600 * SEC},
        {"yesterday", -34 * 3600 * SEC},
        {"tomorrow", 14 * 3600 * SEC},
        {"2026-11-22", -10 * 3600 * SEC},
        {"2026-11-22 10:00", 0},
        {"2026-11-22T10:00:00", 0},
        {"26-11-22 10:00:00", 0},
        {"Sun 2026-11-22 10:00:00", 0},
        {"sunday 2026-11-22 10:00:00 UTC", 0},
        {"2026-11-22 10:00:00.25", 250000},
        {"10:00", 0},
        {"09:59:59", -SEC},
        {"  10:00  ", 0},
        {"@1795341600", 0},
        {"@1795341600.5", 500000},
        {"today UTC", -10 * 3600 * SEC},
};

START_TEST(times) {
        uint64_t got;
        char error[256] = "";

        zone("UTC");
        int r = when_parse(&got, good[_i].text, NOW, error, sizeof(error));
        ck_assert_msg(r == 0, "%s: %s", good[_i].text, error);
        ck_assert_msg(got == NOW + (uint64_t) good[_i].from_now, "%s: off by %lld", good[_i].text,
                      (long long) (got - NOW - (uint64_t) good[_i].from_now));
}
END_TEST

static const char *const bad[] = {
        "",
        " ",
        "x",
        "hour ago",
        "1 hour",
        "-",
        "+",
        "@",
        "@x",
        "@-5",
        "@1 2",
        "@99999999999999",
        "2026-13-01",
        "2026-02-30",
        "2026-11-31",
        "2026-1",
        "25:00",
        "10:60",
        "10:00:60",
        "10",
        "2026-11-22 10",
        "2026-11-22 x",
        "2026-11-22 10:00 x",
        "-1parsec",
        "-1h x",
        "ago",
        " ago",
        "-99999999999999999999h",
        "-999999999999y",
        "Mon 2026-11-22",
        "+9000y",
        "-5000y",
        "now now",
        "2026-11-22 10:00:00 UTC UTC",
        "10:00 CEST",
        "1..5s ago",
        "\x1b[31m",
        "-1h\n",
        "1700000000",
        "-1h ago",
        "99999-01-01",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
};

START_TEST(errors_say_what_is_wrong) {
        uint64_t got = 77;
        char error[256] = "";

        zone("UTC");
        ck_assert_msg(when_parse(&got, bad[_i], NOW, error, sizeof(error)) == -EINVAL, "%s",
                      bad[_i]);
        ck_assert_uint_eq(got, 77);
        ck_assert_ptr_nonnull(strstr(error, "is not a time: "));
        for (const char *c = error; *c; c++)
                ck_assert_msg((unsigned char) *c >= ' ', "%s", error);
}
END_TEST

START_TEST(summer_time) {
        static const struct {
                const char *text;
                int64_t seconds; /* 0: refused */
        } rows[] = {
                {"2026-03-29 01:59:59", 1774745999},
                {"2026-03-29 03:00:00", 1774746000},
                {"2026-03-29 02:30:00", 0}, /* the clock skips it */
                {"2026-03-29 02:30:00 UTC", 1774751400},
                {"2026-07-01 12:00", 1782900000},
                {"2026-12-01 12:00", 1796122800},
        };

        zone("Europe/Berlin");
        if (tzname[0][0] != 'C' && tzname[1][0] != 'C')
                tap_skip("no time zones are installed");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t got;
                char error[256] = "";
                int r = when_parse(&got, rows[i].text, NOW, error, sizeof(error));

                ck_assert_msg((r == 0) == (rows[i].seconds != 0), "%s: %s", rows[i].text, error);
                if (r == 0)
                        ck_assert_uint_eq(got, (uint64_t) rows[i].seconds * 1000000);
        }
        /* Yesterday is a day of 25 hours before the 26th of October 2026. */
        uint64_t today, yesterday;
        const uint64_t monday = UINT64_C(1793012400) * 1000000;
        ck_assert_int_eq(when_parse(&today, "today", monday, NULL, 0), 0);
        ck_assert_int_eq(when_parse(&yesterday, "yesterday", monday, NULL, 0), 0);
        ck_assert_uint_eq(today - yesterday, UINT64_C(25) * 3600 * 1000000);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("when");
        TCase *c = tcase_create("when");

        tcase_add_loop_test(c, times, 0, (int) ELEMENTSOF(good));
        tcase_add_loop_test(c, errors_say_what_is_wrong, 0, (int) ELEMENTSOF(bad));
        tcase_add_test(c, summer_time);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
