/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rule files: what they say, and what becomes of mistakes in them. */

#include <sys/stat.h>

#include "config-bed.h"
#include "event.h"
#include "rule-message.h"
#include "rule.h"
#include "rules.h"
#include "tap-main.h"

static struct rules *rules;
static struct event event;

static void setup(void) {
        static const char *const helpers[] = {"probe_write_user", "map_lookup_elem"};

        bed_setup();
        ck_assert_int_eq(rules_new(&rules), 0);

        event_reset(&event);
        event_set_static(&event, FIELD_EVENT, "prog-load");
        event_set_static(&event, FIELD_CLASS, "install");
        event_set_static(&event, FIELD_RESULT, "ok");
        event_set_static(&event, FIELD_PROCESS_NAME, "my tool");
        event_set_u32(&event, FIELD_PROCESS_PID, 812);
        event_set_static(&event, FIELD_PROG_TYPE, "kprobe");
        event_set_strings(&event, FIELD_PROG_HELPERS, helpers, ELEMENTSOF(helpers));
        event_set_u64(&event, FIELD_PROCESS_CAPABILITIES, 0x1ff);
        event_set_bool(&event, FIELD_PROG_GPL, true);
        event_set_bytes(&event, FIELD_BPF_ATTR_RAW, "\x01\xff", 2);
        event_dict_add(&event, FIELD_BPF_ATTR, "insn_cnt", &(struct value){TYPE_U32, .u32 = 12});
}

static void teardown(void) {
        rules_free(rules);
        bed_teardown();
}

static void read_all(void) {
        bed_listen();
        rules_read(rules, bed.directories, on_complaint, &bed);
}

/* The rules that the event passes must be these. */
static void assert_found(const char *const *names) {
        const struct rule *found[RULES_MAX];
        size_t n = rules_find(rules, &event, found), i = 0;

        for (; names[i]; i++) {
                ck_assert_msg(i < n, "%s is not found", names[i]);
                ck_assert_str_eq(found[i]->name, names[i]);
        }
        ck_assert_msg(i == n, "%s is found", i < n ? found[i]->name : "");
}
#define FOUND(...) assert_found((const char *const[]){__VA_ARGS__, NULL})

static const struct rule *only(void) {
        const struct rule *found[RULES_MAX];

        ck_assert_uint_eq(rules_find(rules, &event, found), 1);
        return found[0];
}

START_TEST(test_all_settings) {
        put("etc/10-first.conf", "# a comment\n"
                                 "[Rule]\n"
                                 "Description=What it is   about,\\\n"
                                 "        in two lines\n"
                                 "Match=event=prog-load 'process.name=my tool' \\\n"
                                 "  prog.type=xdp prog.type=\"kprobe\"\n"
                                 "Severity=critical\n"
                                 "Message={process.name} did it\n"
                                 "Count=5\n"
                                 "Within=90\n"
                                 "Fold=1h 30min\n");
        read_all();
        ck_assert_str_eq(bed.said, "");
        const struct rule *r = only();
        ck_assert_str_eq(r->name, "10-first");
        ck_assert_str_eq(r->description, "What it is about, in two lines");
        ck_assert_int_eq(r->severity, SEVERITY_CRITICAL);
        ck_assert_uint_eq(r->count, 5);
        ck_assert_uint_eq(r->within, 90000000);
        ck_assert_uint_eq(r->fold, UINT64_C(5400000000));
        ck_assert_ptr_nonnull(r->message);

        event_set_static(&event, FIELD_PROG_TYPE, "xdp");
        FOUND("10-first");
        event_set_static(&event, FIELD_PROG_TYPE, "lsm");
        FOUND(NULL);
}
END_TEST

START_TEST(test_several) {
        put("etc/b.conf", "[Rule]\nMatch=prog.type=kprobe\nSeverity=notice\n"
                          "[X-Notes]\nAnything=goes\n"
                          "[Rule]\nName=second\nMatch=result=failed\nMatch=process.pid>800\n"
                          "Severity=warning\n"
                          "[Rule]\nName=never\nMatch=result=failed\nMatch=result=denied\n"
                          "Severity=warning\n"
                          "[Rule]\nName=emptied\nMatch=result=failed\nMatch=\nMatch=result=ok\n"
                          "Severity=warning\n");
        put("usr/a.conf", "[Rule]\nMatch=event=prog-load\nSeverity=info\n");
        read_all();
        ck_assert_str_eq(bed.said, "");
        ck_assert_uint_eq(rules_count(rules), 5);
        FOUND("a", "b", "second", "emptied");

        /* What they were asked before does not matter, nor does the order. */
        event_set_static(&event, FIELD_RESULT, "denied");
        FOUND("a", "b", "second", "never");
        event_set_static(&event, FIELD_EVENT, "map-create");
        event_clear(&event, FIELD_PROG_TYPE);
        FOUND("second", "never");
        event_clear(&event, FIELD_PROCESS_PID);
        FOUND("never");
        event_clear(&event, FIELD_RESULT);
        FOUND(NULL);
}
END_TEST

START_TEST(test_masked) {
        put("usr/a.conf", "[Rule]\nMatch=event=prog-load\nSeverity=info\n");
        put("usr/b.conf", "[Rule]\nMatch=event=prog-load\nSeverity=info\n");
        put("usr/c.conf", "[Rule]\nMatch=event=prog-load\nSeverity=info\n");
        put("usr/d.txt", "[Rule]\nMatch=event=prog-load\nSeverity=info\n");
        put("etc/b.conf", "[Rule]\nName=mine\nMatch=event=prog-load\nSeverity=critical\n");
        ck_assert_int_eq(symlink("/dev/null", path_of("etc/c.conf")), 0);
        read_all();
        ck_assert_str_eq(bed.said, "");
        FOUND("a", "mine");

        /* Read again, they are as the files are now. */
        ck_assert_int_eq(unlink(path_of("etc/b.conf")), 0);
        ck_assert_int_eq(unlink(path_of("usr/a.conf")), 0);
        read_all();
        FOUND("b");
}
END_TEST

START_TEST(test_ignore) {
        put("etc/z.conf", "[Rule]\nMatch=process.pid=812\nSeverity=ignore\n");
        put("usr/a.conf", "[Rule]\nMatch=event=prog-load\nSeverity=critical\n");
        read_all();
        ck_assert_str_eq(bed.said, "");
        FOUND(NULL);
        event_set_u32(&event, FIELD_PROCESS_PID, 813);
        FOUND("a");
}
END_TEST

#define GOOD "[Rule]\nName=good\nMatch=event=prog-load\nSeverity=info\n"
#define BAD  "[Rule]\nName=bad\nMatch=event=prog-load\nSeverity=info\n"

static const struct {
        const char *text, *said;
} wrong[] = {
        {GOOD BAD "Match=prog.nmae=x\n" GOOD "Name=third\n",
         "w.conf:9: Match=: Unknown field \"prog.nmae\" in \"prog.nmae=x\"; did you mean "
         "\"prog.name\"?; the rule is left out\n"},
        {GOOD BAD "Match=event\n" GOOD "Name=third\n",
         "w.conf:9: Match=: Term \"event\" has no operator; write FIELD=VALUE; the rule is left "
         "out\n"},
        {GOOD BAD "Match=process.name=\"my tool\n" GOOD "Name=third\n",
         "w.conf:9: Match= has a quote that is not closed; the rule is left out\n"},
        {GOOD BAD "Match=prog.type=kprob event!=x\n" GOOD "Name=third\n",
         "w.conf:9: Match=: nothing has the prog.type \"kprob\"; did you mean \"kprobe\"?; the rule is "
         "left out\n"},
        {GOOD BAD "Match=prog.name!==x\n" GOOD "Name=third\n",
         "w.conf:9: Match=: In \"prog.name!==x\" write one =; a value that begins with = is written "
         "with \\= there; the rule is left out\n"},
        {GOOD BAD "Match=event==prog-load result=ok\n" GOOD "Name=third\n",
         "w.conf:9: Match=: In \"event==prog-load\" write one =; a value that begins with = is "
         "written with \\= there; the rule is left out\n"},
        {GOOD BAD "Severity=high\n" GOOD "Name=third\n",
         "w.conf:9: Severity=high is none of ignore, info, notice, warning and critical; the rule "
         "is left out\n"},
        {GOOD BAD "Sevrity=info\n" GOOD "Name=third\n",
         "w.conf:9: Unknown setting Sevrity= in [Rule]; did you mean Severity=?; the rule is left "
         "out\n"},
        {GOOD BAD "Count=0\n" GOOD "Name=third\n",
         "w.conf:9: Count=0 is no number from 1 to 1000000; the rule is left out\n"},
        {GOOD BAD "Within=soon\n" GOOD "Name=third\n",
         "w.conf:9: Within=soon is no time span, such as 10min or 1h; the rule is left out\n"},
        {GOOD BAD "Fold=99999d\n" GOOD "Name=third\n",
         "w.conf:9: Fold=99999d is no time span, such as 10min or 1h; the rule is left out\n"},
        {GOOD BAD "Name=a b\n" GOOD "Name=third\n",
         "w.conf:9: Name=a b is no name of a rule: at most 63 letters, digits, dots, dashes and "
         "underscores; the rule is left out\n"},
        {GOOD BAD "Message=by {process.nam}\n" GOOD "Name=third\n",
         "w.conf:9: Message=: There is no field \"process.nam\"; did you mean \"process.name\"?; "
         "the rule is left out\n"},
        {GOOD BAD "Message=by {process.name\n" GOOD "Name=third\n",
         "w.conf:9: Message=: A { lacks its }; write {{ for a brace; the rule is left out\n"},
        {GOOD BAD "Message=by }\n" GOOD "Name=third\n",
         "w.conf:9: Message=: A } lacks its {; write }} for a brace; the rule is left out\n"},
        {GOOD BAD "anything\n" GOOD "Name=third\n",
         "w.conf:9: \"anything\" is neither [Section] nor Setting=value; the rule is left out\n"},
        {GOOD BAD "Name=good\n" GOOD "Name=third\n",
         "w.conf:5: The rule is left out: another one has its name\n"},
        {GOOD "[Rule]\nName=bad\nSeverity=info\n" GOOD "Name=third\n",
         "w.conf:5: The rule lacks Match=; the rule is left out\n"},
        {GOOD "[Rule]\nName=bad\nMatch=event=x\n" GOOD "Name=third\n",
         "w.conf:5: The rule lacks Severity=; the rule is left out\n"},
        {GOOD "[Rule]\nMatch=event=x\nSeverity=info\n" GOOD "Name=third\n",
         "w.conf:5: The rule lacks Name=; the rule is left out\n"},
        {GOOD "[Rules]\nMatch=event=x\nSeverity=info\n" GOOD "Name=third\n",
         "w.conf:5: Unknown section [Rules], it is left out; rules are in [Rule]\n"},
        {GOOD "[Rule\nMatch=event=x\nSeverity=info\n" GOOD "Name=third\n",
         "w.conf:5: The section heading \"[Rule\" lacks its closing bracket; it is left out\n"},
        {"Name=x\n" GOOD GOOD "Name=third\n",
         "w.conf:1: Name= stands before the first [Section]\n"},
};

/* A wrong rule is named with file and line, and the others stand. */
START_TEST(test_wrong) {
        put("etc/a.conf", "[Rule]\nMatch=event=prog-load\nSeverity=info\n");
        put("etc/w.conf", wrong[_i].text);
        put("etc/z.conf", "[Rule]\nMatch=event=prog-load\nSeverity=info\n");
        read_all();
        ck_assert_str_eq(bed.said, wrong[_i].said);
        FOUND("a", "good", "third", "z");
}
END_TEST

START_TEST(test_bounds) {
        char text[INT16_MAX] = "";
        size_t n = 0;

        for (unsigned i = 0; i < RULES_MAX + 2; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n,
                                       "[Rule]\nName=r%u\nMatch=process.pid=%u\nSeverity=info\n", i,
                                       i % 2 ? 812 : 5);
        put("etc/many.conf", text);
        read_all();
        ck_assert_uint_eq(bed.complaints, 2);
        ck_assert_msg(strstr(bed.said, "there are 256 already"), "%s", bed.said);
        ck_assert_uint_eq(rules_count(rules), RULES_MAX);
        const struct rule *found[RULES_MAX];
        ck_assert_uint_eq(rules_find(rules, &event, found), RULES_MAX / 2);
        ck_assert_str_eq(found[RULES_MAX / 2 - 1]->name, "r255");

        n = (size_t) snprintf(text, sizeof(text), "%s", GOOD);
        for (unsigned i = 0; i < RULE_MATCHES_MAX; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "Match=process.pid=%u\n", i);
        put("etc/many.conf", text);
        read_all();
        ck_assert_uint_eq(bed.complaints, 1);
        FOUND(NULL);
}
END_TEST

/* Events that come in masses are asked for only by who names them. */
START_TEST(test_want) {
        static const struct {
                const char *match;
                bool wants;
        } rows[] = {
                {"event=map-access", true},    {"class=use", true},
                {"class=use prog.id=5", true}, {"bpf.cmd=MAP_LOOKUP_ELEM", true},
                {"process.name=tool", false},  {"event!=prog-load", false},
                {"event=prog-load", false},    {"event=map-access class=install", false},
        };

        event_reset(&event);
        event_set_static(&event, FIELD_EVENT, "map-access");
        event_set_static(&event, FIELD_CLASS, "use");
        event_set_static(&event, FIELD_BPF_CMD, "MAP_LOOKUP_ELEM");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[128];

                snprintf(text, sizeof(text), "[Rule]\nMatch=%s\nSeverity=info\n", rows[i].match);
                put("etc/a.conf", text);
                read_all();
                ck_assert_str_eq(bed.said, "");
                ck_assert_msg(rules_want(rules, &event) == rows[i].wants, "%s", rows[i].match);
        }
}
END_TEST

/* What the rule files that are installed say is right, all of it. */
START_TEST(test_defaults) {
        const char *const directories[] = {RULES_DIRECTORY, NULL};

        rules_read(rules, directories, on_complaint, &bed);
        ck_assert_str_eq(bed.said, "");
        ck_assert_uint_eq(rules_count(rules), 7);
}
END_TEST

static const struct {
        const char *text, *written;
} messages[] = {
        {"nothing", "nothing"},
        {"{process.name}[{process.pid}]", "my tool[812]"},
        {"{{process.name}} {{}}}}", "{process.name} {}}"},
        {"{prog.name} by {unit}", "? by ?"},
        {"{prog.helpers}; {process.capabilities}; {prog.gpl}; {bpf.attr_raw}",
         "probe_write_user, map_lookup_elem; 0x1ff; yes; 01ff"},
        {"{bpf.attr.insn_cnt} {bpf.attr.none} {bpf.attr}", "12 ? insn_cnt=12"},
};

START_TEST(test_messages) {
        struct rule_message *m = NULL;
        char error[RULE_MESSAGE_ERROR_MAX], written[RULE_MESSAGE_MAX];

        ck_assert_int_eq(rule_message_new(&m, messages[_i].text, error), 0);
        rule_message_write(m, &event, written);
        ck_assert_str_eq(written, messages[_i].written);
        rule_message_free(m);
}
END_TEST

/* Names that mean harm do none: not as placeholders, not on a terminal, not by their length. */
START_TEST(test_hostile_values) {
        struct rule_message *m = NULL;
        char error[RULE_MESSAGE_ERROR_MAX], written[RULE_MESSAGE_MAX], name[4096];

        event_set_static(&event, FIELD_PROCESS_NAME, "{user.name}%s%n\x1b[2J\n\u202e\u2028");
        ck_assert_int_eq(rule_message_new(&m, "by {process.name}!", error), 0);
        rule_message_write(m, &event, written);
        ck_assert_str_eq(written, "by {user.name}%s%n\\x1b[2J\\x0a\\u{202E}\\u{2028}!");
        rule_message_free(m);

        for (size_t i = 0; i + 2 < sizeof(name); i += 2)
                memcpy(name + i, "\u00e9", 3); /* two bytes and NUL */
        event_set_static(&event, FIELD_PROCESS_NAME, name);
        ck_assert_int_eq(rule_message_new(&m,
                                          "{process.name}{process.name}{process.name}"
                                          "{process.name}{process.name}{process.name}",
                                          error),
                         0);
        rule_message_write(m, &event, written);
        ck_assert_uint_lt(strlen(written), RULE_MESSAGE_MAX);
        ck_assert_uint_gt(strlen(written), RULE_MESSAGE_MAX - 8);
        for (size_t i = 0; written[i]; i++) /* nothing was cut within a character */
                ck_assert_msg((written[i] & 0xc0) != 0x80 || i > 0, "%zu", i);
        event_set_string(&event, FIELD_MESSAGE, written);
        ck_assert_str_eq(event_string(&event, FIELD_MESSAGE), written);
        rule_message_free(m);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("rules");
        TCase *c = tcase_create("rules");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, test_all_settings);
        tcase_add_test(c, test_several);
        tcase_add_test(c, test_masked);
        tcase_add_test(c, test_ignore);
        tcase_add_loop_test(c, test_wrong, 0, ELEMENTSOF(wrong));
        tcase_add_test(c, test_bounds);
        tcase_add_test(c, test_want);
        tcase_add_test(c, test_defaults);
        tcase_add_loop_test(c, test_messages, 0, ELEMENTSOF(messages));
        tcase_add_test(c, test_hostile_values);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
