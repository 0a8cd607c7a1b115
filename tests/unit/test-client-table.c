/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"
#include "tap-main.h"

static const struct table_column columns[] = {
        {"NAME", .least = 6},
        {"HITS", .right = true},
        {"PURPOSE", .least = 8},
};

static struct table *make(void) {
        static const char *const cells[] = {
                "bpf-call", "12345", "entry of every call", "日本語", "", "\\x1b[31m",
        };
        struct table *t = NULL;

        ck_assert_int_eq(table_new(&t, columns, ELEMENTSOF(columns)), 0);
        for (size_t i = 0; i < ELEMENTSOF(cells); i++) {
                ck_assert_int_eq(table_add(t, cells[i], i == 1 ? STYLE_RED : STYLE_NONE), 0);
                if (i == 2)
                        ck_assert_int_eq(table_add_note(t, "blind: calls made inside", STYLE_NONE),
                                         0);
        }

        return t;
}

static const struct {
        struct table_format format;
        const char *text;
} tables[] = {
        {{.legend = true},
         "NAME       HITS  PURPOSE\n"
         "bpf-call  12345  entry of every call\n"
         "    blind: calls made inside\n"
         "日本語        -  \\x1b[31m\n"},
        {{.columns = 30, .legend = true},
         "NAME       HITS  PURPOSE\n"
         "bpf-call  12345  entry of eve…\n"
         "    blind: calls made inside\n"
         "日本語        -  \\x1b[31m\n"},
        /* Numbers are not cut, nor is anything below what makes sense. */
        {{.columns = 5},
         "bpf-c…  12345  entry o…\n"
         "    blind: calls made\n"
         "    inside\n"
         "日本語      -  \\x1b[31m\n"},
        /* Unless it fits then. */
        {{.columns = 19},
         "bpf-…  12345  entr…\n"
         "    blind: calls made\n"
         "    inside\n"
         "日本…      -  \\x1b…\n"},
        {{.colour = true},
         "bpf-call  \x1b[31m12345\x1b[0m  entry of every call\n"
         "    blind: calls made inside\n"
         "日本語        -  \\x1b[31m\n"},
};

START_TEST(table) {
        _cleanup_(table_freep) struct table *t = make();
        _cleanup_text_ struct text out = {};

        table_print(t, &out, &tables[_i].format);
        ck_assert_str_eq(text_string(&out), tables[_i].text);
}
END_TEST

START_TEST(end_of_cells) {
        static const struct table_column paths[] = {{"ID", .right = true},
                                                    {"SOCKET", .least = 6, .end = true}};
        _cleanup_(table_freep) struct table *t = NULL;
        _cleanup_text_ struct text out = {};

        ck_assert_int_eq(table_new(&t, paths, ELEMENTSOF(paths)), 0);
        ck_assert_int_eq(table_add(t, "7", STYLE_NONE), 0);
        ck_assert_int_eq(table_add(t, "/run/postgresql/.s.PGSQL.5432", STYLE_RED), 0);
        table_print(t, &out, &(struct table_format){.columns = 12, .legend = true, .colour = true});
        ck_assert_str_eq(text_string(&out), "\x1b[1mID\x1b[0m  \x1b[1mSOCKET\x1b[0m\n"
                                            " 7  \x1b[31m…QL.5432\x1b[0m\n");
}
END_TEST

static const struct {
        size_t columns;
        const char *text;
} spares[] = {
        {0, " ID  NAME        SENT  RATE\n123  postgresql  4096    17\n"},
        {27, " ID  NAME        SENT  RATE\n123  postgresql  4096    17\n"},
        /* Rather than that a name becomes unreadable, a number goes. */
        {24, " ID  NAME        RATE\n123  postgresql    17\n"},
        {18, "NAME        RATE\npostgresql    17\n"},
        {10, "NAME  RATE\npos…    17\n"},
};

START_TEST(spare_columns) {
        static const struct table_column all[] = {{"ID", .right = true, .spare = 2},
                                                  {"NAME"},
                                                  {"SENT", .right = true, .spare = 1},
                                                  {"RATE", .right = true}};
        static const char *const cells[] = {"123", "postgresql", "4096", "17"};
        _cleanup_(table_freep) struct table *t = NULL;
        _cleanup_text_ struct text out = {};

        ck_assert_int_eq(table_new(&t, all, ELEMENTSOF(all)), 0);
        for (size_t i = 0; i < ELEMENTSOF(cells); i++)
                ck_assert_int_eq(table_add(t, cells[i], STYLE_NONE), 0);
        table_print(t, &out, &(struct table_format){.columns = spares[_i].columns, .legend = true});
        ck_assert_str_eq(text_string(&out), spares[_i].text);
}
END_TEST

START_TEST(empty_table) {
        _cleanup_(table_freep) struct table *t = NULL;
        _cleanup_text_ struct text out = {};

        ck_assert_int_eq(table_new(&t, columns, ELEMENTSOF(columns)), 0);
        table_print(t, &out, &(struct table_format){});
        ck_assert_str_eq(text_string(&out), "");
        table_print(t, &out, &(struct table_format){.legend = true});
        ck_assert_str_eq(text_string(&out), "NAME  HITS  PURPOSE\n");
}
END_TEST

/* A word longer than the terminal stands alone and whole. */
START_TEST(long_note) {
        _cleanup_(table_freep) struct table *t = NULL;
        _cleanup_text_ struct text out = {};

        ck_assert_int_eq(table_new(&t, columns, ELEMENTSOF(columns)), 0);
        ck_assert_int_eq(table_add_note(t, "a kprobe:a_very_long_name_of_a_function b", 0), 0);
        table_print(t, &out, &(struct table_format){.columns = 30});
        ck_assert_str_eq(text_string(&out), "    a\n"
                                            "    kprobe:a_very_long_name_of_a_function\n"
                                            "    b\n");
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-table");
        TCase *c = tcase_create("table");

        tcase_add_loop_test(c, table, 0, ELEMENTSOF(tables));
        tcase_add_test(c, end_of_cells);
        tcase_add_loop_test(c, spare_columns, 0, ELEMENTSOF(spares));
        tcase_add_test(c, empty_table);
        tcase_add_test(c, long_note);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
