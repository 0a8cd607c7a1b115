/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>

#include "escape.h"
#include "tap-main.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static const struct {
        const char *text;
        size_t n, length;
} sequences[] = {
        {"a", 1, 1},
        {"", 0, 0},
        {"", 1, 1}, /* NUL is a character, too */
        {"a", 0, 0},
        {"\x7f", 1, 1},
        {"\xc2\x80", 2, 2},         /* U+0080, the first of two bytes */
        {"\xdf\xbf", 2, 2},         /* U+07FF, the last */
        {"\xe0\xa0\x80", 3, 3},     /* U+0800 */
        {"\xed\x9f\xbf", 3, 3},     /* U+D7FF, before the surrogates */
        {"\xee\x80\x80", 3, 3},     /* U+E000, after them */
        {"\xf0\x90\x80\x80", 4, 4}, /* U+10000 */
        {"\xf4\x8f\xbf\xbd", 4, 4}, /* U+10FFFD */
        {"\x80", 1, 0},             /* a continuation alone */
        {"\xc3", 1, 0},
        {"\xc3\xa9", 1, 0}, /* cut by n */
        {"\xe2\x82\xac", 2, 0},
        {"\xf0\x9f\x98\x80", 3, 0},
        {"\xc3(", 2, 0},
        {"\xe2\x82(", 3, 0},
        {"\xc0\x80", 2, 0}, /* overlong NUL */
        {"\xc1\xbf", 2, 0},
        {"\xe0\x80\xaf", 3, 0}, /* overlong slash */
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xed\xa0\x80", 3, 0}, /* surrogates */
        {"\xed\xbf\xbf", 3, 0},
        {"\xf4\x90\x80\x80", 4, 0}, /* U+110000 */
        {"\xf8\x88\x80\x80\x80", 5, 0},
        {"\xff", 1, 0},
        {"\xef\xb7\x90", 3, 0}, /* noncharacters, which sd-bus does not send */
        {"\xef\xbf\xbe", 3, 0},
        {"\xf0\x9f\xbf\xbf", 4, 0},
        {"\xef\xbf\xbd", 3, 3},
};

START_TEST(sequence) {
        ck_assert_uint_eq(utf8_sequence(sequences[_i].text, sequences[_i].n), sequences[_i].length);
}
END_TEST

static const struct {
        const char *text;
        size_t n, size;
        const char *expected;
} sanitized[] = {
        {"bpftool", 100, 100, "bpftool"},
        {"bpftool", 3, 100, "bpf"},
        {"", 100, 100, ""},
        {"a\0b", 3, 100, "a"},
        {"na\xc3\xafve", 100, 100, "na\xc3\xafve"},
        {"\xff", 100, 100, BAD},
        {"a\xff\xfe"
         "b",
         100, 100, "a" BAD BAD "b"},
        {"cut \xe2\x82", 100, 100, "cut " BAD BAD},
        {"\xe2\x82\xac", 2, 100, BAD BAD}, /* cut by n: comm is 16 bytes, whatever it holds */
        {"\xed\xa0\x80", 100, 100, BAD BAD BAD},
        {"\xef\xbf\xbe", 100, 100, BAD BAD BAD},
        {"eight bytes and more, then \xff and more of it", 100, 100,
         "eight bytes and more, then " BAD " and more of it"},
        {"abcdef", 100, 4, "abc"},
        {"abc", 100, 4, "abc"},
        {"ab\xc3\xa9", 100, 4, "ab"}, /* no half a character */
        {"ab\xc3\xa9", 100, 5, "ab\xc3\xa9"},
        {"a\xff"
         "b",
         100, 4, "a"},
        {"a\xff"
         "b",
         100, 5, "a" BAD},
        {"abc", 100, 1, ""},
};

START_TEST(sanitize) {
        char ret[128];

        memset(ret, 'x', sizeof(ret));
        size_t length = utf8_sanitize(sanitized[_i].text, sanitized[_i].n, ret, sanitized[_i].size);
        ck_assert_str_eq(ret, sanitized[_i].expected);
        ck_assert_uint_eq(length, strlen(sanitized[_i].expected));
        if (sanitized[_i].size < sizeof(ret))
                ck_assert_int_eq(ret[sanitized[_i].size], 'x');
}
END_TEST

START_TEST(sanitize_nowhere) {
        char ret = 'x';

        ck_assert_uint_eq(utf8_sanitize("abc", 3, &ret, 0), 0);
        ck_assert_int_eq(ret, 'x');
}
END_TEST

/* Every string of three bytes out of the interesting ones becomes valid, and stays as it is then.
 */
START_TEST(sanitize_is_valid) {
        static const unsigned char bytes[] = {'a',  0x7f, 0x80, 0xbf, 0xc0, 0xc3, 0xe0, 0xe2,
                                              0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xf8, 0xff};

        for (size_t i = 0; i < ELEMENTSOF(bytes) * ELEMENTSOF(bytes) * ELEMENTSOF(bytes); i++) {
                const char text[] = {(char) bytes[i % ELEMENTSOF(bytes)],
                                     (char) bytes[i / ELEMENTSOF(bytes) % ELEMENTSOF(bytes)],
                                     (char) bytes[i / ELEMENTSOF(bytes) / ELEMENTSOF(bytes)], '\0'};
                char once[10], twice[28];
                size_t n = utf8_sanitize(text, 3, once, sizeof(once));

                for (size_t at = 0, length; at < n; at += length) {
                        length = utf8_sequence(once + at, n - at);
                        ck_assert_uint_ne(length, 0);
                }
                utf8_sanitize(once, n, twice, sizeof(twice));
                ck_assert_str_eq(once, twice);
        }
}
END_TEST

static const struct {
        const char *text, *escaped;
} escapes[] = {
        {"bpftool", "bpftool"},
        {"", ""},
        {"with space ~", "with space ~"},
        {"na\xc3\xafve \xe6\x97\xa5 \xf0\x9f\x90\x9d",
         "na\xc3\xafve \xe6\x97\xa5 \xf0\x9f\x90\x9d"},
        {"\x1b[31mred\x1b]0;title\a", "\\x1b[31mred\\x1b]0;title\\x07"},
        {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\u{009B}31m"},         /* CSI as one C1 character */
        {"C:\\x1b", "C:\\\\x1b"}, /* what looks escaped is not taken for it */
        {"\xe2\x80\xae"
         "evil",
         "\\u{202E}evil"},
        {"\xe2\x81\xa6"
         "evil",
         "\\u{2066}evil"},
        {"a\xe2\x80\x8b"
         "b",
         "a\\u{200B}b"},
        {"a\xe2\x80\xa8"
         "b",
         "a\\u{2028}b"},
        {"\xef\xbb\xbf"
         "bom",
         "\\u{FEFF}bom"},
        {"\xf3\xa0\x81\x81", "\\u{E0041}"}, /* an invisible tag */
        {"\xd8\x9c", "\\u{061C}"},
        {"\xc2\xad", "\\u{00AD}"},
        {"\xe1\xa0\x8e", "\\u{180E}"},
        {"\xe3\x85\xa4", "\\u{3164}"},
        {"\xef\xb8\x8f", "\\u{FE0F}"},
        {"bad \xff\xc3", "bad \\xff\\xc3"},
};

START_TEST(escape) {
        _cleanup_free_ char *escaped = escape_terminal(escapes[_i].text);

        ck_assert_str_eq(escaped, escapes[_i].escaped);
}
END_TEST

/* No byte can get to the terminal that it would take as a command. */
START_TEST(escape_all_bytes) {
        char text[256 + 1] = "";

        for (size_t i = 0; i < 255; i++)
                text[i] = (char) (i + 1);
        _cleanup_free_ char *escaped = escape_terminal(text);
        for (const char *p = escaped; *p; p++)
                ck_assert_msg(*p >= ' ' && *p <= '~', "byte 0x%02x", (unsigned char) *p);
}
END_TEST

START_TEST(escape_long) {
        const size_t n = 1024 * 1024;
        _cleanup_free_ char *text = malloc(n + 1);

        memset(text, '\x1b', n);
        text[n] = '\0';
        _cleanup_free_ char *escaped = escape_terminal(text);
        ck_assert_uint_eq(strlen(escaped), 4 * n);
}
END_TEST

static const struct {
        const char *text;
        size_t size;
        const char *shortened;
} shortened[] = {
        {"abc", 10, "abc"},
        {"abcdefghi", 10, "abcdefghi"},
        {"abcdefghij", 10, "abcdef…"},
        {"", 4, ""},
        {"abcd", 4, "…"},
        {"abc", 4, "abc"},
        {"ab\x1b"
         "cd",
         10, "ab\\x1bcd"},
        {"abcd\x1b"
         "ef",
         10, "abcd…"},
        {"\x1b\x1b\x1b", 10, "\\x1b…"},
        {"日本語", 10, "日本語"},
        {"日本語日", 10, "日本…"},
};

START_TEST(shorten) {
        char ret[32];

        memset(ret, 'x', sizeof(ret));
        escape_shortened(shortened[_i].text, ret, shortened[_i].size);
        ck_assert_str_eq(ret, shortened[_i].shortened);
        ck_assert_int_eq(ret[shortened[_i].size], 'x');
}
END_TEST

static const struct {
        const char *text;
        size_t width;
} widths[] = {
        {"", 0},          {"abc", 3},   {"naïve", 5},    {"日本語", 6}, {"한글", 4},
        {"e\xcc\x81", 1}, {"🐝 bee", 6}, {"ｆｕｌｌ", 8}, {"…", 1},
};

/* The same in a locale that knows these characters and in one that does not. */
START_TEST(width_c) {
        setlocale(LC_ALL, "C");
        ck_assert_uint_eq(display_width(widths[_i].text), widths[_i].width);
}
END_TEST

START_TEST(width_utf8) {
        if (!setlocale(LC_ALL, "C.UTF-8"))
                tap_skip("there is no locale C.UTF-8");
        ck_assert_uint_eq(display_width(widths[_i].text), widths[_i].width);
}
END_TEST

START_TEST(width_bad) {
        /* Not promised, but it has to end, within the string. */
        ck_assert_uint_eq(display_width("a\xff\xe2\x82"), 4);
}
END_TEST

static Suite *escape_suite(void) {
        Suite *suite = suite_create("escape");
        TCase *utf8 = tcase_create("utf8"), *terminal = tcase_create("terminal");

        tcase_add_loop_test(utf8, sequence, 0, ELEMENTSOF(sequences));
        tcase_add_loop_test(utf8, sanitize, 0, ELEMENTSOF(sanitized));
        tcase_add_test(utf8, sanitize_nowhere);
        tcase_add_test(utf8, sanitize_is_valid);
        suite_add_tcase(suite, utf8);

        tcase_add_loop_test(terminal, escape, 0, ELEMENTSOF(escapes));
        tcase_add_test(terminal, escape_all_bytes);
        tcase_add_test(terminal, escape_long);
        tcase_add_loop_test(terminal, shorten, 0, ELEMENTSOF(shortened));
        tcase_add_loop_test(terminal, width_c, 0, ELEMENTSOF(widths));
        tcase_add_loop_test(terminal, width_utf8, 0, ELEMENTSOF(widths));
        tcase_add_test(terminal, width_bad);
        suite_add_tcase(suite, terminal);
        return suite;
}

TAP_MAIN(escape_suite)
