/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runner.h"
#include "tap-main.h"
#include "text.h"
#include "words.h"

static const struct {
        const char *line;
        int n; /* or an error */
        const char *words[4];
} lines[] = {
        {"notify-send hello", 2, {"notify-send", "hello"}},
        {"  a\t b\n", 2, {"a", "b"}},
        {"a 'b  c' \"d 'e'\"", 3, {"a", "b  c", "d 'e'"}},
        {"a\\ b 'c\\' \"\\\"\"", 3, {"a b", "c\\", "\""}},
        {"a''b \"\"", 2, {"ab", ""}},
        {"sh -c 'echo $HOME; x'", 3, {"sh", "-c", "echo $HOME; x"}},
        {"$HOME `x` *", 3, {"$HOME", "`x`", "*"}},
        {"", 0, {}},
        {"a 'b", -EINVAL, {}},
        {"\"", -EINVAL, {}},
};

START_TEST(split) {
        char **words = NULL;

        int n = words_split(&words, lines[_i].line);
        ck_assert_int_eq(n, lines[_i].n);
        for (int i = 0; i < n; i++)
                ck_assert_str_eq(words[i], lines[_i].words[i]);
        if (n >= 0)
                ck_assert_ptr_null(words[n]);
        words_free(words);
}
END_TEST

/* What was joined is split into the same again. */
START_TEST(join) {
        char *words[] = {"prog.name=a b", "x\\y", "it's", "\"", "'\\\"", "", "event!=map-*", "\t"};
        _cleanup_text_ struct text line = {};
        char **back = NULL;

        words_join(&line, words, ELEMENTSOF(words));
        ck_assert_int_eq(words_split(&back, text_string(&line)), ELEMENTSOF(words));
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                ck_assert_str_eq(back[i], words[i]);
        words_free(back);

        text_reset(&line);
        words_join(&line, words + 6, 1);
        ck_assert_str_eq(text_string(&line), "event!=map-*");
}
END_TEST

START_TEST(variables) {
        _cleanup_free_ char *name = runner_variable("prog.name"),
                            *odd = runner_variable("bpf.attr=x\n;");

        ck_assert_str_eq(name, "BPFMON_PROG_NAME");
        ck_assert_str_eq(odd, "BPFMON_BPF_ATTR_X__");
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-runner");
        TCase *c = tcase_create("runner");

        tcase_add_loop_test(c, split, 0, ELEMENTSOF(lines));
        tcase_add_test(c, join);
        tcase_add_test(c, variables);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
