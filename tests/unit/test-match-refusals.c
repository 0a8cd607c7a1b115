/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a match refuses, and what it takes from somebody who means harm. */

#include <errno.h>

#include "escape.h"
#include "event.h"
#include "glob.h"
#include "match.h"
#include "tap-main.h"

DEFINE_CLEANUP(struct match *, match_free);

/* An event with a few fields of each kind. */
static struct event event;

static void setup(void) {
        event_reset(&event);
        event_set_static(&event, FIELD_EVENT, "prog-load");
        event_set_u32(&event, FIELD_PROG_ID, 77);
        event_set_s64(&event, FIELD_BPF_RETURN, -13);
        event_set_strings(&event, FIELD_MAP_FLAGS, (const char *const[]){"a", "7"}, 2);
        event_dict_add(&event, FIELD_BPF_ATTR, "a", &(struct value){TYPE_U32, .u32 = 77});
        event_dict_add(&event, FIELD_BPF_ATTR, "license",
                       &(struct value){TYPE_STRING, .string = "GPL v2"});
}

/* The match of some terms (the caller frees it); fails the test when they are refused. */
static struct match *parse(const char *const *terms, size_t n) {
        struct match_error error;
        struct match *m = NULL;

        int r = match_new(&m, terms, n, &error);
        ck_assert_msg(r == 0, "%s", r < 0 ? error.message : "");
        return m;
}

static const struct {
        const char *terms[3];
        int r;
        const char *message;
} refused[] = {
        {{"foo"}, -EINVAL, "Term \"foo\" has no operator; write FIELD=VALUE"},
        {{""}, -EINVAL, "Term \"\" has no operator; write FIELD=VALUE"},
        {{"event"}, -EINVAL, "Term \"event\" has no operator; write FIELD=VALUE"},
        {{"event!x"}, -EINVAL, "Term \"event!x\" has no operator; write FIELD=VALUE"},
        {{"event=prog-load", "foo"}, -EINVAL, "Term \"foo\" has no operator; write FIELD=VALUE"},
        {{"prog.nmae=x"},
         -EINVAL,
         "Unknown field \"prog.nmae\" in \"prog.nmae=x\"; did you mean \"prog.name\"?"},
        {{"pid=1"},
         -EINVAL,
         "Unknown field \"pid\" in \"pid=1\"; did you mean \"process.pid\", "
         "\"namespace.pid\", \"loaded_by.pid\" or \"destination.process.pid\"?"},
        {{"type=xdp"},
         -EINVAL,
         "Unknown field \"type\" in \"type=xdp\"; did you mean \"prog.type\", \"map.type\", "
         "\"link.type\" or \"attach.type\"?"},
        {{"zzzz=1"}, -EINVAL, "Unknown field \"zzzz\" in \"zzzz=1\""},
        {{"=x"}, -EINVAL, "Unknown field \"\" in \"=x\""},
        {{" event=x"},
         -EINVAL,
         "Unknown field \" event\" in \" event=x\"; did you mean \"event\"?"},
        {{"event="}, -EINVAL, "No value in \"event=\"; write event=VALUE"},
        {{"prog.id>="}, -EINVAL, "No value in \"prog.id>=\"; write prog.id>=VALUE"},
        {{"bpf.attr.x="}, -EINVAL, "No value in \"bpf.attr.x=\"; write bpf.attr.x=VALUE"},
        {{"event<x"}, -EINVAL, "event is text: it takes = and !=, not <, in \"event<x\""},
        {{"severity>=high"},
         -EINVAL,
         "\"high\" in \"severity>=high\" is none of info, notice, warning and critical"},
        {{"severity<*"},
         -EINVAL,
         "\"*\" in \"severity<*\" is none of info, notice, warning and critical"},
        {{"event>=x"}, -EINVAL, "event is text: it takes = and !=, not >=, in \"event>=x\""},
        {{"map.flags>1"},
         -EINVAL,
         "map.flags is a list of texts: it takes = and !=, not >, in \"map.flags>1\""},
        {{"bpf.compat<1"},
         -EINVAL,
         "bpf.compat is yes or no: it takes = and !=, not <, in \"bpf.compat<1\""},
        {{"bpf.compat=maybe"}, -EINVAL, "\"maybe\" in \"bpf.compat=maybe\" is neither yes nor no"},
        {{"bpf.attr=x"},
         -EINVAL,
         "bpf.attr is a dictionary: write bpf.attr.NAME=VALUE, not \"bpf.attr=x\""},
        {{"bpf.attr.=x"},
         -EINVAL,
         "Unknown field \"bpf.attr.\" in \"bpf.attr.=x\"; did you mean \"bpf.attr\"?"},
        {{"bpf.attr_raw=00"},
         -EINVAL,
         "bpf.attr_raw is bytes: write =* or !=*, not \"bpf.attr_raw=00\""},
        {{"bpf.attr.x<y"}, -EINVAL, "\"y\" in \"bpf.attr.x<y\" is not a number"},
        {{"prog.id=x"}, -EINVAL, "\"x\" in \"prog.id=x\" is not a number"},
        {{"prog.id==5"}, -EINVAL, "\"=5\" in \"prog.id==5\" is not a number"},
        {{"prog.id<==5"}, -EINVAL, "\"=5\" in \"prog.id<==5\" is not a number"},
        {{"prog.id=<5"}, -EINVAL, "\"<5\" in \"prog.id=<5\" is not a number"},
        {{"prog.id=\\=5"}, -EINVAL, "\"\\\\=5\" in \"prog.id=\\\\=5\" is not a number"},
        {{"severity>==info"},
         -EINVAL,
         "\"=info\" in \"severity>==info\" is none of info, notice, warning and critical"},
        {{"prog.id=1*"}, -EINVAL, "\"1*\" in \"prog.id=1*\" is not a number"},
        {{"prog.id<*"}, -EINVAL, "\"*\" in \"prog.id<*\" is not a number"},
        {{"prog.id= 5"}, -EINVAL, "\" 5\" in \"prog.id= 5\" is not a number"},
        {{"prog.id=5 "}, -EINVAL, "\"5 \" in \"prog.id=5 \" is not a number"},
        {{"prog.id=+5"}, -EINVAL, "\"+5\" in \"prog.id=+5\" is not a number"},
        {{"prog.id=--5"}, -EINVAL, "\"--5\" in \"prog.id=--5\" is not a number"},
        {{"prog.id=0x"}, -EINVAL, "\"0x\" in \"prog.id=0x\" is not a number"},
        {{"prog.id=0x-5"}, -EINVAL, "\"0x-5\" in \"prog.id=0x-5\" is not a number"},
        {{"prog.id=5K"}, -EINVAL, "\"5K\" in \"prog.id=5K\" is not a number"},
        {{"prog.id=1.5"}, -EINVAL, "\"1.5\" in \"prog.id=1.5\" is not a number"},
        {{"prog.id=-5"}, -EINVAL, "\"-5\" in \"prog.id=-5\" is not a value that prog.id can have"},
        {{"prog.id=4294967296"},
         -EINVAL,
         "\"4294967296\" in \"prog.id=4294967296\" is not a value that prog.id can have"},
        {{"seq=18446744073709551616"},
         -EINVAL,
         "\"18446744073709551616\" in \"seq=18446744073709551616\" is not a value that seq can "
         "have"},
        {{"seq=184467440737095516160"},
         -EINVAL,
         "\"184467440737095516160\" in \"seq=184467440737095516160\" is not a value that seq can "
         "have"},
        {{"bpf.return=9223372036854775808"},
         -EINVAL,
         "\"9223372036854775808\" in \"bpf.return=9223372036854775808\" is not a value that "
         "bpf.return can have"},
        {{"bpf.return=-9223372036854775809"},
         -EINVAL,
         "\"-9223372036854775809\" in \"bpf.return=-9223372036854775809\" is not a value that "
         "bpf.return can have"},
        {{"duration>1h"},
         -EINVAL,
         "\"1h\" in \"duration>1h\" is not a number (suffixes: ns, us, ms, s, min)"},
        {{"duration>ms"},
         -EINVAL,
         "\"ms\" in \"duration>ms\" is not a number (suffixes: ns, us, ms, s, min)"},
        {{"duration>307445735min"},
         -EINVAL,
         "\"307445735min\" in \"duration>307445735min\" is not a value that duration can have"},
        {{"time>500ns"}, -EINVAL, "\"500ns\" in \"time>500ns\" is not a value that time can have"},
        {{"bpf.size=4T"}, -EINVAL, "\"4T\" in \"bpf.size=4T\" is not a number (suffixes: K, M, G)"},
        {{"bpf.size=4G"},
         -EINVAL,
         "\"4G\" in \"bpf.size=4G\" is not a value that bpf.size can have"},
        {{"event=\xff"}, -EINVAL, "Term \"event=\\xff\" is not valid UTF-8"},
        {{"a\x1b]0;x\a=1"}, -EINVAL, "Unknown field \"a\\x1b]0;x\\x07\" in \"a\\x1b]0;x\\x07=1\""},
};

START_TEST(refuses) {
        struct match_error error = {};
        struct match *m = (struct match *) &error;
        size_t n = refused[_i].terms[1] ? 2 : 1;

        ck_assert_int_eq(match_new(&m, refused[_i].terms, n, &error), refused[_i].r);
        ck_assert_str_eq(error.message, refused[_i].message);
        ck_assert_ptr_eq(m, (struct match *) &error); /* untouched */

        _cleanup_free_ char *shown = escape_terminal(refused[_i].terms[n - 1]);
        ck_assert_str_eq(error.term, shown);

        /* Nobody has to want to know why. */
        ck_assert_int_eq(match_new(&m, refused[_i].terms, n, NULL), refused[_i].r);
}
END_TEST

/* "FIELD=" and as many bytes as make `n`; the caller frees it. */
static char *term_of(const char *begin, char c, size_t n) {
        char *term = malloc(n + 1);

        memset(term, c, n);
        memcpy(term, begin, strlen(begin));
        term[n] = '\0';
        return term;
}

static void assert_refused(const char *const *terms, size_t n, int r) {
        struct match_error error = {};
        struct match *m = NULL;

        ck_assert_int_eq(match_new(&m, terms, n, &error), r);
        ck_assert_ptr_null(m);
        ck_assert_uint_gt(strlen(error.message), 0);
        ck_assert_uint_lt(strlen(error.message), sizeof(error.message));
        ck_assert_uint_lt(strlen(error.term), sizeof(error.term));
        for (const char *p = error.message; *p; p += utf8_sequence(p, 4))
                ck_assert_uint_ne(utf8_sequence(p, 4), 0);
}

START_TEST(long_terms) {
        _cleanup_free_ char *fits = term_of("unit=", 'x', MATCH_TERM_BYTES_MAX);
        _cleanup_free_ char *longer = term_of("unit=", 'x', MATCH_TERM_BYTES_MAX + 1);
        _cleanup_free_ char *huge = term_of("unit=", '\x1b', 1024 * 1024);
        _cleanup_free_ char *field = term_of("unit", 'x', MATCH_TERM_BYTES_MAX);
        field[MATCH_TERM_BYTES_MAX - 2] = '=';

        _cleanup_(match_freep) struct match *m = parse((const char *const[]){fits}, 1);
        ck_assert(!match_test(m, &event));
        event_set_string(&event, FIELD_UNIT, fits + strlen("unit="));
        ck_assert(match_test(m, &event));

        assert_refused((const char *const[]){longer}, 1, -E2BIG);
        assert_refused((const char *const[]){"event=x", huge}, 2, -E2BIG);
        assert_refused((const char *const[]){field}, 1, -EINVAL);
}
END_TEST

START_TEST(many_terms) {
        static const char *terms[10000];

        for (size_t i = 0; i < ELEMENTSOF(terms); i++)
                terms[i] = i % 2 ? "prog.id=77" : "bpf.attr.license=GPL*";

        _cleanup_(match_freep) struct match *m = parse(terms, MATCH_TERMS_MAX);
        ck_assert(match_test(m, &event));
        assert_refused(terms, MATCH_TERMS_MAX + 1, -E2BIG);
        assert_refused(terms, ELEMENTSOF(terms), -E2BIG);
        assert_refused(terms, SIZE_MAX, -E2BIG);
}
END_TEST

/* All terms as long as they may be. */
START_TEST(most_and_longest_terms) {
        _cleanup_free_ char *term = term_of("unit=", '?', MATCH_TERM_BYTES_MAX);
        const char *terms[MATCH_TERMS_MAX];

        for (size_t i = 0; i < ELEMENTSOF(terms); i++)
                terms[i] = term;
        _cleanup_(match_freep) struct match *m = parse(terms, ELEMENTSOF(terms));
        ck_assert(!match_test(m, &event));
        event_set_string(&event, FIELD_UNIT, term + strlen("unit="));
        ck_assert(match_test(m, &event));
}
END_TEST

/* Globs that send a naive matcher through every way to split the text. */
START_TEST(hostile_globs) {
        enum { STARS = 1000 };
        char term[MATCH_TERM_BYTES_MAX + 1] = "unit=";
        const char *const terms[] = {term};
        _cleanup_free_ char *text = term_of("", 'a', EVENT_ARENA_SIZE - 64);

        event_set_static(&event, FIELD_UNIT, text);
        char *end = term + strlen(term);
        for (size_t i = 0; i < STARS; i++)
                end = stpcpy(end, "*a");
        _cleanup_(match_freep) struct match *all = parse(terms, 1);
        ck_assert(match_test(all, &event));

        strcpy(end, "*b");
        _cleanup_(match_freep) struct match *none = parse(terms, 1);
        ck_assert(!match_test(none, &event));

        memset(term + strlen("unit="), '*', STARS);
        strcpy(term + strlen("unit=") + STARS, "b");
        _cleanup_(match_freep) struct match *stars = parse(terms, 1);
        ck_assert(!match_test(stars, &event));

        memset(term + strlen("unit="), '*', STARS);
        strcpy(term + strlen("unit=") + STARS, "a");
        _cleanup_(match_freep) struct match *last = parse(terms, 1);
        ck_assert(match_test(last, &event));

        /* More bytes in the event than the pattern has: the longest part that is allowed. */
        memset(term + strlen("unit=*"), 'a', GLOB_PART_MAX);
        strcpy(term + strlen("unit=*") + GLOB_PART_MAX, "*b");
        _cleanup_(match_freep) struct match *part = parse(terms, 1);
        ck_assert(!match_test(part, &event));
        strcpy(term + strlen("unit=*") + GLOB_PART_MAX, "a");
        assert_refused(terms, 1, -E2BIG);
}
END_TEST

/* Whatever bytes a term is made of, it is taken or refused, and what is taken can be tested. */
START_TEST(random_terms) {
        static const char *const parts[] = {
                "event", "prog.id", "bpf.attr", ".",    "bpf.return", "map.flags", "=", "!=", "<",
                ">=",    "*",       "?",        "\\",   "-",          "0x",        "7", "77", "ms",
                "yes",   "a",       "\xc3\xa9", "\xff", "\x1b",       " ",         "~", "!",
        };
        unsigned seed = 1;
        size_t taken = 0;

        for (size_t i = 0; i < 50000; i++) {
                char text[128] = "";

                for (size_t n = rand_r(&seed) % 8; n > 0; n--)
                        strcat(text, parts[rand_r(&seed) % ELEMENTSOF(parts)]);

                struct match_error error;
                struct match *m = NULL;
                const char *const terms[] = {text};
                int r = match_new(&m, terms, 1, &error);
                if (r < 0) {
                        ck_assert_int_eq(r, -EINVAL);
                        ck_assert_ptr_nonnull(strstr(error.message, error.term));
                        continue;
                }

                /* What may not match does not match. */
                ck_assert(match_may(m, &event) || !match_test(m, &event));
                match_free(m);
                taken++;
        }

        ck_assert_uint_gt(taken, 100);
}
END_TEST

static Suite *refusal_suite(void) {
        Suite *suite = suite_create("match-refusals");
        TCase *messages = tcase_create("messages"), *limits = tcase_create("limits");

        tcase_add_loop_test(messages, refuses, 0, ELEMENTSOF(refused));
        suite_add_tcase(suite, messages);

        tcase_add_checked_fixture(limits, setup, NULL);
        tcase_set_timeout(limits, 60); /* for slow tools; each takes a moment */
        tcase_add_test(limits, long_terms);
        tcase_add_test(limits, many_terms);
        tcase_add_test(limits, most_and_longest_terms);
        tcase_add_test(limits, hostile_globs);
        tcase_add_test(limits, random_terms);
        suite_add_tcase(suite, limits);
        return suite;
}

TAP_MAIN(refusal_suite)
