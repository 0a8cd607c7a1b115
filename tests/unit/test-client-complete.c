/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command-line.h"
#include "complete.h"
#include "tap-main.h"
#include "verb.h"

static const struct verb verbs[] = {
        {GROUP_EVENTS, "subscribe", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_STREAM, NULL, "Live", ""},
        {GROUP_EVENTS, "status", "", 0, 0, TAKES_NOTHING, 0, NULL, "How it is", ""},
        {GROUP_OBJECTS, "show", "KIND ID", 2, 2, TAKES_OBJECT, 0, NULL, "All of it", ""},
};

/* A daemon that means ill. */
static void list(const char *field, const char *host, const char *machine,
                 void (*add)(const char *value, const char *words, void *userdata),
                 void *userdata) {
        if (host)
                add(host, "host", userdata);
        if (strcmp(field, "prog.id") == 0)
                add("12", "kprobe \x1b[31mred\nline\t", userdata);
        if (strcmp(field, "service.name") == 0) {
                add("ledger", "", userdata);
                add("$(touch x)", "", userdata);
        }
        if (strcmp(field, "prog.name") == 0) {
                static const char *const names[] = {
                        "good_name", "$(touch x)", "`x`",    "a b", "-x",
                        "a;b",       "a'b",        "\x1b[m", "~x",  ""};
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        add(names[i], "", userdata);
        }
}

static const struct {
        const char *words[6];
        const char *lines; /* all of them; or, with * before it, one of them */
} cases[] = {
        {{"s"}, "subscribe\tLive\nstatus\tHow it is\nshow\tAll of it\n"},
        {{"x"}, ""},
        {{"-j", "st"}, "status\tHow it is\n"},
        {{"-n", "5", "st"}, "status\tHow it is\n"},
        {{"--json", "sh"}, "short\t\n"},
        {{"subscribe", "--json=p"}, "--json=pretty\t\n"},
        {{"status", "ev"}, ""},
        {{"subscribe", "result=re"}, "result=rejected\t\n"},
        {{"subscribe", "event=pin", "result!=de"}, "result!=denied\t\n"},
        {{"subscribe", "user.na"}, "user.name=\tUser name\n"},
        {{"subscribe", "--fields=seq,user.na"}, "--fields=seq,user.name\tUser name\n"},
        {{"subscribe", "--fields", "seq,user.na"}, "seq,user.name\tUser name\n"},
        {{"subscribe", "--exec=x"}, ":commands --exec=\n"},
        {{"status", "--fie"}, ""},
        {{"show", "p"}, "prog\t\n"},
        {{"show", "prog", ""}, "12\tkprobe  [31mred line \n"},
        {{"show", "prog", "1", "2"}, ""},
        {{"-H", "there", "show", "prog", ""}, "*there\thost\n"},
        {{"--host=there", "show", "prog", ""}, "*there\thost\n"},
        {{"subscribe", "prog.name="}, "prog.name=good_name\t\n"},
        {{"subscribe", "--sinc"}, ""},
        {{"connections", "--service="}, "--service=help\tList them\n--service=ledger\t\n"},
        {{"connections", "--service", "le"}, "ledger\t\n"},
        {{"subscribe", "service.name!="}, "service.name!=ledger\t\n"},
};

START_TEST(candidates) {
        const struct verb_table table = {verbs, ELEMENTSOF(verbs)};
        const struct complete_source source = {list};
        const char *lines = cases[_i].lines;
        _cleanup_text_ struct text out = {};
        size_t n = 0;

        while (n < ELEMENTSOF(cases[_i].words) && cases[_i].words[n])
                n++;
        complete_words(&out, &table, (char **) cases[_i].words, n, &source);
        if (lines[0] == '*')
                ck_assert_ptr_nonnull(strstr(text_string(&out), lines + 1));
        else
                ck_assert_str_eq(text_string(&out), lines);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-complete");
        TCase *c = tcase_create("complete");

        tcase_add_loop_test(c, candidates, 0, ELEMENTSOF(cases));
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
