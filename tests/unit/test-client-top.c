/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>

#include "bus-json.h"
#include "match.h"
#include "tap-main.h"
#include "text.h"
#include "top-model.h"
#include "value.h"

#define SECOND UINT64_C(1000000000)

struct sample {
        uint32_t id;
        const char *name;
        uint64_t time, count, memory;
};

static struct json_object *make_rows(const struct sample *samples, size_t n) {
        struct json_object *rows = json_object_new_array();

        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_new_object();
                json_object_object_add(row, "prog.id", json_object_new_uint64(samples[i].id));
                json_object_object_add(row, "prog.name", json_object_new_string(samples[i].name));
                json_object_object_add(row, "prog.run_time",
                                       json_object_new_uint64(samples[i].time));
                json_object_object_add(row, "prog.run_count",
                                       json_object_new_uint64(samples[i].count));
                json_object_object_add(row, "memory", json_object_new_uint64(samples[i].memory));
                json_object_array_add(rows, row);
        }

        return rows;
}

static void update(struct top_model *m, const struct sample *samples, size_t n, uint64_t now) {
        _cleanup_json_ struct json_object *rows = make_rows(samples, n);

        ck_assert_int_eq(top_model_update(m, rows, now), 0);
}

static struct top_model *make(void) {
        static const struct sample first[] = {
                {3, "c", 1000, 10, 30}, {5, "a", 0, 0, 10}, {9, "b", 500, 5, 20}};
        static const struct sample second[] = {{3, "c", 1000, 10, 30},
                                               {5, "a", SECOND / 2, 1000, 10},
                                               {7, "d", 999, 9, 40},
                                               {9, "b", 500 + SECOND / 4, 105, 20}};
        struct top_model *m = NULL;

        ck_assert_int_eq(top_model_new(&m), 0);
        update(m, first, ELEMENTSOF(first), 100 * SECOND);
        update(m, second, ELEMENTSOF(second), 102 * SECOND);
        return m;
}

static void check_order(struct top_model *m, const char *ids) {
        _cleanup_text_ struct text got = {};
        size_t n;
        const struct top_program *const *view = top_model_view(m, &n);

        for (size_t i = 0; i < n; i++)
                text_printf(&got, "%s%u", i > 0 ? " " : "", view[i]->id);
        ck_assert_str_eq(text_string(&got), ids);
}

/* Rates are what was counted between two looks, by the time between them. */
START_TEST(rates) {
        struct top_model *m = make();
        size_t n;
        const struct top_program *const *view = top_model_view(m, &n);

        ck_assert_uint_eq(n, 4);
        ck_assert_uint_eq(view[0]->id, 5);
        ck_assert_uint_eq(view[0]->time_rate, SECOND / 4);
        ck_assert_uint_eq(view[0]->run_rate, 500);
        ck_assert_uint_eq(view[0]->average, 500000);
        ck_assert_uint_eq(row_number(view[0]->row, FIELD_PROG_TIME_RATE), SECOND / 4);
        ck_assert(!view[3]->measured || view[3]->id != 7);
        ck_assert_uint_eq(top_model_totals(m).programs, 4);
        ck_assert_uint_eq(top_model_totals(m).running, 2);
        ck_assert_uint_eq(top_model_totals(m).time_rate, SECOND / 4 + SECOND / 8);
        ck_assert_uint_eq(top_model_totals(m).memory, 100);
        top_model_free(m);
}
END_TEST

START_TEST(order) {
        static const struct {
                enum top_key key;
                bool reverse;
                const char *ids;
        } orders[] = {
                {TOP_CPU, false, "5 9 3 7"},    {TOP_CPU, true, "7 3 9 5"},
                {TOP_RUNS, false, "5 9 3 7"},   {TOP_TIME, false, "9 5 3 7"},
                {TOP_MEMORY, false, "7 3 9 5"}, {TOP_NAME, false, "5 9 3 7"},
                {TOP_ID, false, "3 5 7 9"},     {TOP_ID, true, "9 7 5 3"},
        };
        struct top_model *m = make();

        for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
                top_model_sort(m, orders[i].key, orders[i].reverse);
                check_order(m, orders[i].ids);
        }
        top_model_free(m);
}
END_TEST

static void filter(struct top_model *m, const char *term) {
        struct match *match = NULL;

        ck_assert_int_eq(match_new(&match, &term, 1, NULL), 0);
        top_model_filter(m, match);
}

/* The match syntax, also on what is reckoned here. */
START_TEST(filters) {
        struct top_model *m = make();

        filter(m, "prog.name=[ab]");
        check_order(m, "");
        filter(m, "prog.run_rate>100");
        check_order(m, "5");
        filter(m, "memory>=30");
        check_order(m, "3 7");
        top_model_filter(m, NULL);
        check_order(m, "5 9 3 7");
        top_model_free(m);
}
END_TEST

/* The last minute, second by second; what was longer ago is gone. */
START_TEST(history) {
        struct sample s = {1, "x", 0, 0, 0};
        uint64_t seen[TOP_HISTORY];
        struct top_model *m = NULL;
        size_t n;

        ck_assert_int_eq(top_model_new(&m), 0);
        for (uint64_t t = 0; t <= 200; t++) {
                if (t == 150 || t == 30) {
                        s.time += SECOND;
                        s.count++;
                }
                update(m, &s, 1, (t + 1000) * SECOND);
        }
        const struct top_program *p = top_model_view(m, &n)[0];
        top_model_history(m, p, seen, TOP_HISTORY);
        for (size_t i = 0; i < TOP_HISTORY; i++)
                ck_assert_uint_eq(seen[i], i == TOP_HISTORY - 1 - 50 ? SECOND : 0);
        top_model_history(m, p, seen, 10);
        for (size_t i = 0; i < 10; i++)
                ck_assert_uint_eq(seen[i], i == 1 ? SECOND : 0);
        top_model_free(m);
}
END_TEST

/* After a pause of many minutes, and where counters begin anew, nothing is made up. */
START_TEST(gaps) {
        struct sample s = {1, "x", 5 * SECOND, 5, 0};
        uint64_t seen[TOP_HISTORY];
        struct top_model *m = NULL;
        size_t n;

        ck_assert_int_eq(top_model_new(&m), 0);
        update(m, &s, 1, SECOND);
        s.time += 600 * SECOND;
        s.count += 600;
        update(m, &s, 1, 1201 * SECOND);
        top_model_history(m, top_model_view(m, &n)[0], seen, TOP_HISTORY);
        for (size_t i = 0; i < TOP_HISTORY; i++)
                ck_assert_uint_eq(seen[i], SECOND / 2);
        s.time = 10;
        s.count = 1;
        update(m, &s, 1, 1202 * SECOND);
        ck_assert(!top_model_view(m, &n)[0]->measured);
        ck_assert_uint_eq(top_model_view(m, &n)[0]->time_rate, 0);
        update(m, NULL, 0, 1203 * SECOND);
        top_model_view(m, &n);
        ck_assert_uint_eq(n, 0);
        top_model_free(m);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-top");
        TCase *c = tcase_create("top");

        tcase_add_test(c, rates);
        tcase_add_test(c, order);
        tcase_add_test(c, filters);
        tcase_add_test(c, history);
        tcase_add_test(c, gaps);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
