/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>

#include "config-bed.h"
#include "settings.h"
#include "tap-main.h"

static struct config_places places;
static struct settings settings;

static void setup(void) {
        bed_setup();
        places = (struct config_places){bed.directories, "test.conf"};
}

static void read_all(void) {
        bed_listen();
        config_read(&settings, &places, on_complaint, &bed);
        for (size_t i = 0; i < setting_count; i++) {
                if (setting_table[i].type == SETTING_SERVICE)
                        continue;
                uint64_t value = *setting_in(&setting_table[i], &settings);

                ck_assert_msg(value >= setting_table[i].least && value <= setting_table[i].most,
                              "%s is out of its range", setting_table[i].key);
        }
}

#define SUBSCRIPTIONS settings.limits[LIMIT_SUBSCRIPTIONS]
#define PER_USER      settings.limits[LIMIT_SUBSCRIPTIONS_PER_USER]

static void assert_defaults(void) {
        struct settings defaults;

        settings_init(&defaults);
        ck_assert_mem_eq(&settings, &defaults, sizeof(defaults));
}

START_TEST(test_nothing) {
        read_all();
        ck_assert_str_eq(bed.said, "");
        assert_defaults();
        ck_assert_uint_eq(SUBSCRIPTIONS, 96);
        ck_assert_uint_eq(settings.log_level, LOG_INFO);
}
END_TEST

/* The table itself: each default is in its range, written and read again. */
START_TEST(test_table) {
        for (size_t i = 0; i < setting_count; i++) {
                const struct setting *s = &setting_table[i];
                const uint64_t values[] = {s->value, s->least, s->most};

                if (s->type == SETTING_SERVICE)
                        continue;

                for (size_t j = 0; j < ELEMENTSOF(values); j++) {
                        char text[SETTING_VALUE_BYTES];
                        uint64_t again;

                        setting_format(s, values[j], text);
                        ck_assert_msg(setting_parse(s, text, &again) == 0, "%s=%s", s->key, text);
                        ck_assert_uint_eq(again, values[j]);
                }
                for (size_t j = 0; j < i; j++)
                        ck_assert_uint_ne(setting_table[j].offset, s->offset);
                ck_assert(strlen(s->meaning) > 10);
        }
}
END_TEST

START_TEST(test_syntax) {
        put("etc/test.conf", "\xef\xbb\xbf# comment\r\n"
                             "; another\n"
                             "\n"
                             "  [Limits]  \n"
                             "  SubscriptionsMax =  7\t\r\n"
                             "# SubscriptionsPerUserMax=9\n"
                             "SubscriptionsPerUserMax=\\\n"
                             "  # a comment in the middle\n"
                             "  5\n"
                             "StreamsMax=3\n"
                             "StreamsMax=\n"
                             "[X-Other]\n"
                             "Anything=goes\n"
                             "[Kernel]\n"
                             "KProbes=Off\n"
                             "[Log]\n"
                             "Level=debug");
        read_all();
        ck_assert_str_eq(bed.said, "");
        ck_assert_uint_eq(SUBSCRIPTIONS, 7);
        ck_assert_uint_eq(PER_USER, 5);
        ck_assert_uint_eq(settings.limits[LIMIT_STREAMS], 64);
        ck_assert_uint_eq(settings.kprobes, 0);
        ck_assert_uint_eq(settings.log_level, LOG_DEBUG);
}
END_TEST

static const struct value_case {
        const char *section, *key, *text;
        int result;
        uint64_t value;
} values[] = {
        {"Limits", "SubscriptionsMax", "1", 0, 1},
        {"Limits", "SubscriptionsMax", "400", 0, 400},
        {"Limits", "SubscriptionsMax", "401", -ERANGE},
        {"Limits", "SubscriptionsMax", "0", -ERANGE},
        {"Limits", "SubscriptionsMax", "-1", -ERANGE},
        {"Limits", "SubscriptionsMax", "99999999999999999999999", -ERANGE},
        {"Limits", "SubscriptionsMax", "1K", -EINVAL},
        {"Limits", "SubscriptionsMax", "12 13", -EINVAL},
        {"Limits", "SubscriptionsMax", "many", -EINVAL},
        {"Limits", "MatchBytesMax", "1K", 0, 1024},
        {"Limits", "MatchBytesMax", "1024", 0, 1024},
        {"Limits", "MatchBytesMax", "1KB", -EINVAL},
        {"Limits", "MatchBytesMax", "17179869184G", -ERANGE},
        {"Limits", "WindowBytesMax", "16M", 0, 16 << 20},
        {"Kernel", "RingSize", "1M", 0, 1 << 20},
        {"Kernel", "RingSize", "1G", 0, 1 << 30},
        {"Kernel", "RingSize", "3M", -EINVAL},
        {"Kernel", "RingSize", "4096", -ERANGE},
        {"Kernel", "KProbes", "yes", 0, 1},
        {"Kernel", "KProbes", "FALSE", 0, 0},
        {"Kernel", "KProbes", "2", -EINVAL},
        {"Log", "Level", "warning", 0, LOG_WARNING},
        {"Log", "Level", "7", 0, LOG_DEBUG},
        {"Log", "Level", "8", -EINVAL},
        {"Log", "Level", "loud", -EINVAL},
        {"Log", "RateLimitInterval", "5min 20s", 0, 320000000},
        {"Log", "RateLimitInterval", "5min20s", 0, 320000000},
        {"Log", "RateLimitInterval", "1 h", 0, 3600000000},
        {"Log", "RateLimitInterval", "90", 0, 90000000},
        {"Log", "RateLimitInterval", "250ms", 0, 250000},
        {"Log", "RateLimitInterval", "0", 0, 0},
        {"Log", "RateLimitInterval", "2 days", -ERANGE},
        {"Log", "RateLimitInterval", "9999999999999999999999999s", -ERANGE},
        {"Log", "RateLimitInterval", "99999999999999999w", -ERANGE},
        {"Log", "RateLimitInterval", "5 parsecs", -EINVAL},
        {"Log", "RateLimitInterval", "s", -EINVAL},
        {"Log", "RateLimitInterval", "1.5s", -EINVAL},
};

START_TEST(test_value) {
        const struct value_case *c = &values[_i];
        char text[256];

        for (size_t i = 0; i < setting_count; i++) {
                const struct setting *s = &setting_table[i];
                uint64_t got = 4711;

                if (strcmp(s->section, c->section) != 0 || strcmp(s->key, c->key) != 0)
                        continue;
                ck_assert_int_eq(setting_parse(s, c->text, &got), c->result);
                ck_assert_uint_eq(got, c->result == 0 ? c->value : 4711);
                snprintf(text, sizeof(text), "\n[%s]\n%s=%s\n", c->section, c->key, c->text);
                put("etc/test.conf", text);
                read_all();
                if (c->result == 0) {
                        ck_assert_str_eq(bed.said, "");
                        ck_assert_uint_eq(*setting_in(s, &settings), c->value);
                        return;
                }
                ck_assert_uint_eq(bed.complaints, 1);
                snprintf(text, sizeof(text), "test.conf:3: %s=%s is ", c->key, c->text);
                ck_assert_msg(strstr(bed.said, text) == bed.said, "%s", bed.said);
                assert_defaults();
                return;
        }
        ck_abort_msg("There is no %s=", c->key);
}
END_TEST

static const struct wrong_case {
        const char *text;
        unsigned line;
        const char *told;
} wrong[] = {
        {"SubscriptionsMax=5\n", 1, "before the first [Section]"},
        {"[Limit]\nSubscriptionsMax=5\n", 1, "did you mean [Limits]?"},
        {"[limits]\nSubscriptionsMax=5\n", 1, "did you mean [Limits]?"},
        {"[Nonsense]\nSubscriptionsMax=5\n", 1, "Unknown section [Nonsense]"},
        {"[Limits\nSubscriptionsMax=5\n", 1, "closing bracket"},
        {"[\n", 1, "closing bracket"},
        {"[]\n", 1, "Unknown section []"},
        {"[Limits]\nSubscriptionMax=5\n", 2, "did you mean SubscriptionsMax=?"},
        {"[Limits]\nsubscriptionsmax=5\n", 2, "did you mean SubscriptionsMax=?"},
        {"[Limits]\n\n\nColour=5\n", 4, "Unknown setting Colour= in [Limits]"},
        {"[Limits]\nRingSize=1M\n", 2, "belongs to the section [Kernel]"},
        {"[Limits]\nSubscriptionsMax\n", 2, "neither [Section] nor Setting=value"},
        {"[Limits]\n=5\n", 2, "Unknown setting ="},
        {"[Limits]\n#\nSubscriptionsMax=\\\n\\\nx\n", 3, "SubscriptionsMax=x is not understood"},
        {"[Limits]\nSubscriptionsMax=5\\", 2, "" /* taken, see below */},
        {"[Limits]\nSubscriptionsMax=\xff\xfe\n", 2, "UTF-8"},
        {"[Limits]\nSubscriptionsMax=a\033[2Jb\n", 2, "a\\x1B[2Jb"},
        {"[Kernel]\nRingSize=3M\n", 2, "from 64K to 1G. It stays 2M"},
};

START_TEST(test_wrong) {
        const struct wrong_case *c = &wrong[_i];
        char want[32];

        put("etc/test.conf", c->text);
        read_all();
        if (!*c->told) {
                ck_assert_str_eq(bed.said, "");
                ck_assert_uint_eq(SUBSCRIPTIONS, 5);
                return;
        }
        ck_assert_uint_eq(bed.complaints, 1);
        snprintf(want, sizeof(want), "test.conf:%u: ", c->line);
        ck_assert_msg(strstr(bed.said, want) == bed.said, "%s", bed.said);
        ck_assert_msg(strcasestr(bed.said, c->told), "%s", bed.said);
        assert_defaults();
}
END_TEST

START_TEST(test_wrong_among_right) {
        put("etc/test.conf", "[Limits]\nSubscriptionsMax=9\n");
        put("etc/test.conf.d/a.conf",
            "[Limits]\nSubscriptionsMax=all\nSubscriptionsPerUserMax=2\n");
        read_all();
        ck_assert_uint_eq(bed.complaints, 1);
        ck_assert_uint_eq(SUBSCRIPTIONS, 9);
        ck_assert_uint_eq(PER_USER, 2);
}
END_TEST

START_TEST(test_order) {
        put("usr/test.conf", "[Limits]\nSubscriptionsMax=1\nSubscriptionsPerUserMax=1\n");
        read_all();
        ck_assert_uint_eq(SUBSCRIPTIONS, 1);
        put("etc/test.conf", "[Limits]\nSubscriptionsMax=2\n");
        read_all();
        ck_assert_uint_eq(SUBSCRIPTIONS, 2);
        ck_assert_uint_eq(PER_USER, 64); /* one file alone counts */

        put("usr/test.conf.d/50-b.conf", "[Limits]\nSubscriptionsMax=3\n");
        put("etc/test.conf.d/10-a.conf",
            "[Limits]\nSubscriptionsMax=4\nSubscriptionsPerUserMax=4\n");
        read_all();
        ck_assert_uint_eq(SUBSCRIPTIONS, 3); /* by name, wherever they are */
        ck_assert_uint_eq(PER_USER, 4);
        put("etc/test.conf.d/50-b.conf", "[Limits]\n");
        read_all();
        ck_assert_uint_eq(SUBSCRIPTIONS, 4); /* /etc hides what /usr has */

        put("etc/test.conf.d/90-c.conf.bak", "[Limits]\nSubscriptionsMax=5\n");
        put("etc/test.conf.d/.90.conf", "[Limits]\nSubscriptionsMax=5\n");
        put("etc/test.conf.d/.conf", "[Limits]\nSubscriptionsMax=5\n");
        put("etc/test.conf.d/90-c.conf", "[Limits]\nSubscriptionsMax=\n");
        read_all();
        ck_assert_uint_eq(SUBSCRIPTIONS, 96);
        ck_assert_str_eq(bed.said, "");
}
END_TEST

START_TEST(test_masked) {
        put("usr/test.conf", "[Limits]\nSubscriptionsMax=1\n");
        put("usr/test.conf.d/a.conf", "[Limits]\nSubscriptionsPerUserMax=1\n");
        ck_assert_int_eq(symlink("/dev/null", path_of("etc/test.conf")), 0);
        ck_assert_int_eq(mkdir(path_of("etc/test.conf.d"), 0755), 0);
        ck_assert_int_eq(symlink("/dev/null", path_of("etc/test.conf.d/a.conf")), 0);
        read_all();
        ck_assert_str_eq(bed.said, "");
        assert_defaults();
}
END_TEST

/* Each stands in place of the file, and is told by its name. */
START_TEST(test_no_file) {
        static const char *const told[] = {"is a directory", "is a FIFO", "is a device",
                                           "No such file", "Too many levels"};
        const char *path;

        put("usr/test.conf", "[Limits]\nSubscriptionsMax=1\n");
        path = path_of("etc/test.conf");
        if (_i == 0)
                ck_assert_int_eq(mkdir(path, 0755), 0);
        if (_i == 1)
                ck_assert_int_eq(mkfifo(path, 0644), 0);
        if (_i == 2)
                ck_assert_int_eq(symlink("/dev/zero", path), 0);
        if (_i == 3)
                ck_assert_int_eq(symlink("nowhere", path), 0);
        if (_i == 4)
                ck_assert_int_eq(symlink("test.conf", path), 0);
        read_all();
        ck_assert_uint_eq(bed.complaints, 1);
        ck_assert_msg(strstr(bed.said, "test.conf:0: "), "%s", bed.said);
        ck_assert_msg(strcasestr(bed.said, told[_i]), "%s", bed.said);
        assert_defaults();
}
END_TEST

START_TEST(test_hostile) {
        _cleanup_free_ char *big = malloc(3 << 20);

        /* A line of NUL bytes, a line too long, a comment as long, and one that counts. */
        memset(big, 'x', 3 << 20);
        memcpy(big, "[Limits]\n\0\0\n", 12);
        big[20000] = '\n';
        big[20001] = '#';
        big[40000] = '\n';
        memcpy(big + 40001, "SubscriptionsMax=8\n", 19);
        put_bytes("etc/test.conf", big, 40020);
        read_all();
        ck_assert_uint_eq(bed.complaints, 2);
        ck_assert_msg(strstr(bed.said, "test.conf:2: Is no UTF-8 text"), "%s", bed.said);
        ck_assert_msg(strstr(bed.said, "test.conf:3: Is longer"), "%s", bed.said);
        ck_assert_uint_eq(SUBSCRIPTIONS, 8);

        put_bytes("etc/test.conf", big, 3 << 20);
        read_all();
        ck_assert_uint_eq(bed.complaints, 1);
        ck_assert_msg(strstr(bed.said, "larger"), "%s", bed.said);
        assert_defaults();

        /* Anything at all, from a generator that always says the same. */
        for (unsigned round = 0, seed = 1; round < 200; round++) {
                for (size_t i = 0; i < 4096; i++) {
                        static const char likely[] = "[]=\\\n#; Limits";

                        seed = seed * 1103515245 + 12345;
                        big[i] = (seed >> 16) % 3 ? likely[(seed >> 18) % strlen(likely)]
                                                  : (char) (seed >> 20);
                }
                put_bytes("etc/test.conf", big, 4096);
                read_all();
                assert_defaults();
        }
}
END_TEST

START_TEST(test_many_drop_ins) {
        for (unsigned i = 0; i < 300; i++) {
                char name[64];

                snprintf(name, sizeof(name), "etc/test.conf.d/%03u.conf", i);
                put(name, "[Limits]\nSubscriptionsMax=8\n");
        }
        read_all();
        ck_assert_uint_eq(bed.complaints, 1);
        ck_assert_msg(strstr(bed.said, "256"), "%s", bed.said);
        ck_assert_uint_eq(SUBSCRIPTIONS, 8);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("config");
        TCase *c = tcase_create("config");

        tcase_add_checked_fixture(c, setup, bed_teardown);
        tcase_add_test(c, test_nothing);
        tcase_add_test(c, test_table);
        tcase_add_test(c, test_syntax);
        tcase_add_loop_test(c, test_value, 0, ELEMENTSOF(values));
        tcase_add_loop_test(c, test_wrong, 0, ELEMENTSOF(wrong));
        tcase_add_test(c, test_wrong_among_right);
        tcase_add_test(c, test_order);
        tcase_add_test(c, test_masked);
        tcase_add_loop_test(c, test_no_file, 0, 5);
        tcase_add_test(c, test_hostile);
        tcase_add_test(c, test_many_drop_ins);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
