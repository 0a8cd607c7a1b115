/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is news: alerts that repeat, and executables that do what they did before. */

#include "alert-fold.h"
#include "event.h"
#include "rule.h"
#include "seen.h"
#include "tap-main.h"

#define MINUTE UINT64_C(60000000)
#define DAY    (1440 * MINUTE)

enum { NAMESPACE = 4026531837 };

static struct event event, told;
static struct rule *rule;
static struct folds *folds;
static struct seen *seen;
static struct seen_pair pair;

static void setup(void) {
        event_reset(&event);
        event_set_u64(&event, FIELD_TIME, 1795385534000000);
        event_set_static(&event, FIELD_EVENT, "prog-load");
        event_set_static(&event, FIELD_CLASS, "install");
        event_set_static(&event, FIELD_RESULT, "ok");
        event_set_static(&event, FIELD_PROG_TYPE, "kprobe");
        event_set_u32(&event, FIELD_PROCESS_PID, 812);
        event_set_u32(&event, FIELD_USER_ID, 0);
        event_set_static(&event, FIELD_PROCESS_EXECUTABLE, "/usr/bin/tool");
        event_set_u64(&event, FIELD_PROCESS_EXECUTABLE_INODE, 77);
        event_set_u64(&event, FIELD_PROCESS_EXECUTABLE_CHANGED, 1000);
        event_set_bool(&event, FIELD_PROCESS_EXECUTABLE_PROTECTED, true);
        event_set_u32(&event, FIELD_NAMESPACE_USER, NAMESPACE);

        rule = rule_new();
        strcpy(rule->name, "a-rule");
        rule->fold = 10 * MINUTE;
        ck_assert_int_eq(folds_new(&folds), 0);
        ck_assert_int_eq(seen_new(&seen), 0);
}

static void teardown(void) {
        rule_free(rule);
        folds_free(folds);
        seen_free(seen);
}

static void take(uint64_t now, enum fold fold, uint64_t count) {
        uint64_t got;

        ck_assert_int_eq(folds_take(folds, rule, &event, now, &got), fold);
        ck_assert_uint_eq(got, count);
        if (fold == FOLD_MORE)
                folds_keep(folds, rule, &event);
}

static void none_due(uint64_t now) {
        uint64_t count, interval;

        ck_assert(!folds_due(folds, now, &told, &count, &interval));
}

static void due(uint64_t now, uint64_t want) {
        uint64_t count, interval;

        ck_assert(folds_due(folds, now, &told, &count, &interval));
        ck_assert_uint_eq(count, want);
        ck_assert_uint_ge(interval, 10 * MINUTE);
}

START_TEST(test_folded) {
        ck_assert_uint_eq(folds_next(folds), UINT64_MAX);
        take(MINUTE, FOLD_NEWS, 1);
        ck_assert_uint_eq(folds_next(folds), UINT64_MAX);
        for (uint64_t i = 1; i <= 5; i++) {
                event_set_u32(&event, FIELD_PROCESS_PID, (uint32_t) (900 + i));
                take(2 * MINUTE, FOLD_MORE, i);
        }
        ck_assert_uint_eq(folds_next(folds), 11 * MINUTE);
        none_due(11 * MINUTE - 1);
        due(11 * MINUTE, 5);
        ck_assert_uint_eq(event_get(&told, FIELD_PROCESS_PID)->u32, 905);
        ck_assert_str_eq(event_string(&told, FIELD_PROCESS_EXECUTABLE), "/usr/bin/tool");
        none_due(11 * MINUTE);
        ck_assert_uint_eq(folds_next(folds), UINT64_MAX);

        /* The next interval is one as well: whoever goes on is told of once in it. */
        take(12 * MINUTE, FOLD_MORE, 1);
        due(21 * MINUTE, 1);
        /* After one in which nothing came it is news again. */
        take(31 * MINUTE, FOLD_NEWS, 1);
}
END_TEST

START_TEST(test_causes) {
        take(MINUTE, FOLD_NEWS, 1);
        take(MINUTE, FOLD_MORE, 1);
        event_set_static(&event, FIELD_PROCESS_EXECUTABLE, "/usr/bin/other");
        take(MINUTE, FOLD_NEWS, 1);
        event_set_static(&event, FIELD_PROG_TYPE, "xdp");
        take(MINUTE, FOLD_NEWS, 1);
        event_set_u32(&event, FIELD_USER_ID, 1000);
        take(MINUTE, FOLD_NEWS, 1);
        event_set_static(&event, FIELD_CONTAINER_ID, "box");
        take(MINUTE, FOLD_NEWS, 1);
        strcpy(rule->name, "b-rule");
        take(MINUTE, FOLD_NEWS, 1);
        take(MINUTE, FOLD_MORE, 1);
        /* What another rule or executable did is told apart: the first and the last of them. */
        due(11 * MINUTE, 1);
        due(11 * MINUTE, 1);
        none_due(11 * MINUTE);
}
END_TEST

/* What two rules count is kept for each of them, in its own words. */
START_TEST(test_two_rules) {
        struct rule *other = rule_new(), *both[] = {rule, other};
        uint64_t count, interval;
        unsigned found = 0;

        strcpy(other->name, "b-rule");
        other->fold = 10 * MINUTE;
        for (size_t i = 0; i < 2; i++)
                ck_assert_int_eq(folds_take(folds, both[i], &event, MINUTE, &count), FOLD_NEWS);
        for (size_t i = 0; i < 2; i++)
                ck_assert_int_eq(folds_take(folds, both[i], &event, MINUTE, &count), FOLD_MORE);
        for (size_t i = 0; i < 2; i++) {
                event_set_string(&event, FIELD_MESSAGE, both[i]->name);
                folds_keep(folds, both[i], &event);
        }
        for (size_t i = 0; i < 2; i++) {
                ck_assert(folds_due(folds, 11 * MINUTE, &told, &count, &interval));
                ck_assert_ptr_nonnull(event_string(&told, FIELD_MESSAGE));
                found |= 1U << (event_string(&told, FIELD_MESSAGE)[0] - 'a');
        }
        ck_assert_uint_eq(found, 3);
        rule_free(other);
}
END_TEST

START_TEST(test_not_folded) {
        rule->fold = 0;
        for (unsigned i = 0; i < 5; i++)
                take(MINUTE, FOLD_NEWS, 1);
        ck_assert_uint_eq(folds_next(folds), UINT64_MAX);
}
END_TEST

START_TEST(test_many) {
        rule->count = 4;
        rule->within = MINUTE;
        take(MINUTE, FOLD_WAITS, 1);
        take(MINUTE, FOLD_WAITS, 2);
        take(MINUTE, FOLD_WAITS, 3);
        /* A minute is over: they begin anew. */
        take(2 * MINUTE, FOLD_WAITS, 1);
        take(2 * MINUTE, FOLD_WAITS, 2);
        take(2 * MINUTE, FOLD_WAITS, 3);
        take(3 * MINUTE - 1, FOLD_NEWS, 4);
        take(3 * MINUTE, FOLD_MORE, 1);
        due(14 * MINUTE, 1);

        rule->fold = 0;
        strcpy(rule->name, "b-rule");
        for (unsigned i = 0; i < 3; i++) {
                take(MINUTE, FOLD_WAITS, 1);
                take(MINUTE, FOLD_WAITS, 2);
                take(MINUTE, FOLD_WAITS, 3);
                take(MINUTE, FOLD_NEWS, 4);
        }
}
END_TEST

/* Whoever has many names takes no more memory for it; what is forgotten is counted. */
START_TEST(test_full) {
        uint64_t count, interval, sum = 0, n = 0;
        char name[32];

        for (unsigned i = 0; i < 4 * FOLDS_MAX; i++) {
                snprintf(name, sizeof(name), "/tmp/%u", i);
                event_set_static(&event, FIELD_PROCESS_EXECUTABLE, name);
                take(MINUTE + i, FOLD_NEWS, 1);
                take(MINUTE + i, FOLD_MORE, 1);
                take(MINUTE + i, FOLD_MORE, 2);
        }
        while (folds_due(folds, 20 * MINUTE, &told, &count, &interval)) {
                sum += count;
                n++;
        }
        ck_assert_uint_le(n, FOLDS_MAX);
        ck_assert_uint_gt(n, FOLDS_MAX / 2);
        ck_assert_uint_eq(sum + folds_forgotten(folds), 2 * 4 * FOLDS_MAX);
}
END_TEST

static void look(enum seen_news news) {
        ck_assert_int_eq(seen_event(seen, &event, &pair), news);
}

START_TEST(test_first_seen) {
        look(SEEN_FIRST);
        look(SEEN_KNOWN);
        event_set_static(&event, FIELD_PROG_TYPE, "xdp");
        look(SEEN_FIRST);
        event_set_static(&event, FIELD_EVENT, "link-create");
        look(SEEN_FIRST);
        event_set_static(&event, FIELD_PROCESS_EXECUTABLE, "/usr/bin/other");
        look(SEEN_FIRST);
        look(SEEN_KNOWN);
        ck_assert_uint_eq(seen_count(seen), 4);

        /* What did not succeed is no such thing, and what nobody did neither. */
        event_set_static(&event, FIELD_RESULT, "rejected");
        event_set_static(&event, FIELD_PROG_TYPE, "lsm");
        look(SEEN_KNOWN);
        event_set_static(&event, FIELD_RESULT, "ok");
        event_set_static(&event, FIELD_CLASS, "remove");
        look(SEEN_KNOWN);
        event_set_static(&event, FIELD_CLASS, "install");
        event_clear(&event, FIELD_PROCESS_EXECUTABLE);
        look(SEEN_KNOWN);
        ck_assert_uint_eq(seen_count(seen), 4);
}
END_TEST

/* An upgrade puts another file in its place. */
static void replace_file(void) {
        event_set_u64(&event, FIELD_PROCESS_EXECUTABLE_INODE, 78);
        event_set_u64(&event, FIELD_PROCESS_EXECUTABLE_CHANGED, 2000);
}

START_TEST(test_upgrade) {
        look(SEEN_FIRST);
        replace_file();
        look(SEEN_KNOWN);
}
END_TEST

static void unprotect(void) {
        event_set_bool(&event, FIELD_PROCESS_EXECUTABLE_PROTECTED, false);
}

static void forget_file(void) {
        event_clear(&event, FIELD_PROCESS_EXECUTABLE_PROTECTED);
}

static void contain(void) {
        event_set_static(&event, FIELD_CONTAINER_ID, "box");
}

static void enter_namespace(void) {
        event_set_u32(&event, FIELD_NAMESPACE_USER, 4026532000);
}

static void (*const doubts[])(void) = {unprotect, forget_file, contain, enter_namespace};

/* Where anybody may have put it there, another file is another executable; and none of them passes
 * for the one that root installed. */
START_TEST(test_another_file) {
        look(SEEN_FIRST);
        doubts[_i]();
        look(SEEN_FIRST);
        look(SEEN_KNOWN);
        replace_file();
        look(SEEN_FIRST);
        event_set_u64(&event, FIELD_PROCESS_EXECUTABLE_CHANGED, 3000);
        look(SEEN_FIRST);
}
END_TEST

static void add(const struct seen_pair *p, void *userdata) {
        seen_add(userdata, p);
}

START_TEST(test_kept) {
        struct seen *other = NULL;

        look(SEEN_FIRST);
        ck_assert_int_eq(seen_new(&other), 0);
        seen_each(seen, add, other);
        ck_assert_int_eq(seen_event(other, &event, &pair), SEEN_KNOWN);
        seen_free(other);

        /* What is seen day after day is told, so that it is not forgotten. */
        event_set_u64(&event, FIELD_TIME, event_get(&event, FIELD_TIME)->u64 + DAY - 1);
        look(SEEN_KNOWN);
        event_set_u64(&event, FIELD_TIME, event_get(&event, FIELD_TIME)->u64 + 1);
        look(SEEN_AGAIN);
        look(SEEN_KNOWN);
}
END_TEST

START_TEST(test_many_seen) {
        char name[32];

        for (unsigned i = 0; i < 3 * SEEN_MAX; i++) {
                snprintf(name, sizeof(name), "/tmp/%u", i);
                event_set_static(&event, FIELD_PROCESS_EXECUTABLE, name);
                event_set_u64(&event, FIELD_TIME, 1795385534000000 + i);
                look(SEEN_FIRST);
                ck_assert_uint_le(seen_count(seen), SEEN_MAX);
        }
        ck_assert_uint_gt(seen_count(seen), SEEN_MAX / 2);
        /* Those seen last are known, those seen first no more. */
        look(SEEN_KNOWN);
        event_set_static(&event, FIELD_PROCESS_EXECUTABLE, "/tmp/0");
        look(SEEN_FIRST);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("alerts");
        TCase *c = tcase_create("alerts");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, test_folded);
        tcase_add_test(c, test_two_rules);
        tcase_add_test(c, test_causes);
        tcase_add_test(c, test_not_folded);
        tcase_add_test(c, test_many);
        tcase_add_test(c, test_full);
        tcase_add_test(c, test_first_seen);
        tcase_add_test(c, test_upgrade);
        tcase_add_loop_test(c, test_another_file, 0, ELEMENTSOF(doubts));
        tcase_add_test(c, test_kept);
        tcase_add_test(c, test_many_seen);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
