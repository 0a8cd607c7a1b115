/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people read: what alerts are called, and that nothing in them is taken for more than text.
 */

#include <json.h>
#include <time.h>

#include "bubbles.h"
#include "sample.h"
#include "tap-main.h"
#include "wording.h"

static const struct abilities all = {.body = true, .markup = true, .actions = true};
static const struct abilities plain = {.body = true};
static const struct abilities none = {};

static struct alert *alert_of(const char *json) {
        struct json_object *row = json_tokener_parse(json);
        struct alert *a;

        ck_assert_ptr_nonnull(row);
        ck_assert_int_eq(alert_new(&a, row), 0);
        json_object_put(row);
        return a;
}

static void say(struct wording *ret, const char *json, uint64_t count,
                const struct abilities *can) {
        struct bubble bubble = {.alert = alert_of(json), .count = count, .first = 1795356187218999};

        ck_assert_int_eq(wording_of_bubble(ret, &bubble, can), 0);
        alert_free(bubble.alert);
}

#define WHO "\"process.name\":\"bpftrace\",\"process.pid\":812,\"user.id\":0,\"user.name\":\"root\""

static const struct {
        const char *json, *title, *body;
} cases[] = {
        /* what the scope alerts tells of somebody else's process */
        {"{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.type\":\"kprobe\","
         "\"prog.name\":\"spy\",\"prog.id\":7," WHO "}",
         "bpftrace loaded a BPF program",
         "kprobe program \"spy\" (id 7)\nbpftrace (process 812), user root"},
        {"{\"event\":\"prog-load\",\"result\":\"rejected\",\"prog.type\":\"kprobe\"," WHO "}",
         "The kernel's verifier did not let bpftrace load a BPF program",
         "kprobe program\nbpftrace (process 812), user root"},
        {"{\"event\":\"map-create\",\"result\":\"denied\",\"map.type\":\"hash\"," WHO "}",
         "bpftrace was not allowed to create a BPF map",
         "hash map\nbpftrace (process 812), user root"},
        {"{\"event\":\"tamper\",\"result\":\"ok\",\"map.type\":\"hash\",\"map.id\":3,"
         "\"process.executable\":\"/usr/bin/bpftrace\",\"unit\":\"x.service\","
         "\"message\":\"bpftrace opened bpfmond's own hash map 3\"," WHO "}",
         "bpftrace touched bpfmon's own objects",
         "bpftrace opened bpfmond's own hash map 3\n"
         "/usr/bin/bpftrace (process 812), user root, x.service"},
        {"{\"event\":\"attach\",\"result\":\"ok\",\"container.id\":\"c0ffee\"," WHO "}",
         "bpftrace (container c0ffee) attached a BPF program",
         "bpftrace (process 812), user root, container c0ffee"},
        {"{\"event\":\"prog-unload\",\"result\":\"ok\",\"attributed\":false,\"prog.id\":7,"
         "\"prog.type\":\"xdp\"}",
         "The kernel unloaded a BPF program", "xdp program 7"},
        {"{\"event\":\"lost\",\"lost.count\":12,\"lost.where\":\"ring\"}",
         "bpfmon did not see everything", "Up to 12 events were lost (ring)"},
        {"{\"event\":\"probe-state\",\"probe.name\":\"syscall\",\"probe.state\":\"failed\"}",
         "bpfmon's probe syscall: failed", ""},
        {"{\"event\":\"time-travel\",\"result\":\"ok\"," WHO "}", "bpftrace did time-travel",
         "bpftrace (process 812), user root"},
        {"{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.type\":\"kprobe\","
         "\"rule.name\":[\"outside\"],\"rule.description\":\"A program from outside\"," WHO "}",
         "bpftrace loaded a BPF program",
         "A program from outside\nkprobe program\nbpftrace (process 812), user root"},
        {"{\"event\":\"alert\",\"alert.count\":7,\"rule.description\":\"A program from outside\"," WHO
         "}",
         "bpftrace goes on with what was an alert",
         "A program from outside\nbpftrace (process 812), user root"},
        {"{}", "Somebody did something", ""},
};

START_TEST(sentences) {
        _cleanup_wording_ struct wording w;

        say(&w, cases[_i].json, 1, &plain);
        ck_assert_str_eq(text_string(&w.title), cases[_i].title);
        ck_assert_str_eq(text_string(&w.body), cases[_i].body);
}
END_TEST

START_TEST(a_count_says_since_when) {
        _cleanup_wording_ struct wording w;

        setenv("TZ", "UTC", 1);
        tzset();
        say(&w, "{\"event\":\"lost\"}", 14, &plain);
        ck_assert_str_eq(text_string(&w.body), "Events were lost\n14 times since 14:03:07");
}
END_TEST

#define HOSTILE                                                                         \
        "{\"event\":\"prog-load\",\"result\":\"ok\",\"process.name\":"                  \
        "\"<b>x</b>&amp;\\u001b[31m\\n\\u202e\",\"prog.type\":\"<a href='http://x'>\"," \
        "\"prog.name\":\"\\\"><img src=x>\",\"prog.id\":1,\"user.name\":\"a&b\"}"

START_TEST(nothing_is_markup) {
        _cleanup_wording_ struct wording w;

        say(&w, HOSTILE, 1, &all);
        ck_assert_ptr_null(strchr(text_string(&w.body), '<'));
        ck_assert_ptr_null(strchr(text_string(&w.body), '"'));
        ck_assert_ptr_nonnull(strstr(text_string(&w.body), "&lt;a href=&#39;http://x&#39;&gt;"));
        ck_assert_ptr_nonnull(strstr(text_string(&w.body), "user a&amp;b"));
        ck_assert_ptr_nonnull(strstr(text_string(&w.body), "&lt;b&gt;x&lt;/b&gt;&amp;amp;"));
        /* A title has no markup that it could be taken for. */
        ck_assert_str_eq(text_string(&w.title),
                         "<b>x</b>&amp;\\x1b[31m\\x0a\\u{202E} loaded a BPF program");
}
END_TEST

/* A server that says that it has none is not trusted with brackets. */
START_TEST(without_markup_there_are_no_brackets) {
        _cleanup_wording_ struct wording w;

        say(&w, HOSTILE, 1, &plain);
        ck_assert_ptr_nonnull(strstr(text_string(&w.body), "‹a href='http://x'›"));
        ck_assert_ptr_nonnull(strstr(text_string(&w.body), "user a&b"));
        ck_assert_ptr_null(strpbrk(text_string(&w.body), "<>"));
        ck_assert_ptr_null(strstr(text_string(&w.body), "&lt;"));
        for (const char *s = text_string(&w.body); *s; s++)
                ck_assert(*s == '\n' || (unsigned char) *s >= ' ');
}
END_TEST

START_TEST(without_a_body_the_title_says_it) {
        _cleanup_wording_ struct wording w;

        say(&w, cases[0].json, 3, &none);
        ck_assert_str_eq(text_string(&w.title),
                         "bpftrace loaded a BPF program: kprobe program \"spy\" (id 7)");
        ck_assert_str_eq(text_string(&w.body), "");
}
END_TEST

/* However long a message is, a bubble is none of its size; and no character is cut in two. */
START_TEST(long_ones_are_cut) {
        _cleanup_text_ struct text json = {};
        _cleanup_wording_ struct wording w;

        text_add(&json, "{\"event\":\"tamper\",\"process.name\":\"");
        for (int i = 0; i < 1000; i++)
                text_add(&json, "ä&");
        text_add(&json, "\",\"message\":\"");
        for (int i = 0; i < 5000; i++)
                text_add(&json, "&ö");
        text_add(&json, "\"}");
        say(&w, text_string(&json), 1, &all);
        ck_assert_uint_le(text_width(text_string(&w.title)), 100);
        ck_assert_ptr_nonnull(strstr(text_string(&w.title), "…"));
        ck_assert_uint_lt(w.body.n, 2 * 300 * 5 * 2);
        /* No entity is cut, either. */
        for (const char *s = text_string(&w.body); (s = strchr(s, '&')); s++)
                ck_assert_int_eq(strncmp(s, "&amp;", 5), 0);
}
END_TEST

START_TEST(programs_and_causes) {
        static const struct {
                const char *json, *program, *cause;
        } rows[] = {
                {"{\"event\":\"prog-load\",\"result\":\"ok\",\"process.executable\":\"/bin/a\","
                 "\"process.name\":\"b\"}",
                 "/bin/a", "prog-load ok"},
                {"{\"event\":\"prog-load\",\"process.name\":\"b\",\"user.name\":\"alice\","
                 "\"user.id\":1000}",
                 "alice:b", "prog-load"},
                {"{\"event\":\"tamper\",\"process.name\":\"b\",\"user.id\":1000}", "1000:b",
                 "tamper"},
                {"{\"event\":\"x\",\"process.executable\":\"/bin/a\",\"container.id\":\"c1\"}",
                 "container c1 /bin/a", "x"},
                {"{\"event\":\"x\",\"rule.name\":[\"spies\",\"all\"],\"process.executable\":\"/a\\n/b\"}",
                 "/a\\x0a/b", "rule spies"},
                {"{\"event\":\"lost\"}", NULL, "lost"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct alert *a = alert_of(rows[i].json);

                if (rows[i].program)
                        ck_assert_str_eq(a->program, rows[i].program);
                else
                        ck_assert_ptr_null(a->program);
                ck_assert_str_eq(a->cause, rows[i].cause);
                alert_free(a);
        }
}
END_TEST

START_TEST(details_tell_everything) {
        struct bubble bubble = {.count = 3, .first = 1795356187218999};
        _cleanup_text_ struct text t;

        setenv("TZ", "UTC", 1);
        tzset();
        bubble.alert = alert_of(
                "{\"seq\":31,\"event\":\"prog-load\",\"result\":\"ok\",\"severity\":\"critical\","
                "\"prog.name\":\"\\u001b[2J\",\"x.new\":5,"
                "\"verifier.log\":\"a\\nb\\u0007\"," WHO "}");
        ck_assert_int_eq(wording_of_details(&t, &bubble, "/home/x/mutes"), 0);
        ck_assert_ptr_nonnull(strstr(t.data, "3 alerts since Sun 2026-11-22 14:03:07 UTC"));
        ck_assert_ptr_nonnull(strstr(t.data, "bpftrace loaded a BPF program\n===="));
        ck_assert_ptr_nonnull(strstr(t.data, "Critical"));
        ck_assert_ptr_nonnull(strstr(t.data, "does nothing until it is attached"));
        ck_assert_ptr_nonnull(strstr(t.data, "bpfmonctl explain --scope=alerts 31\n"));
        ck_assert_ptr_nonnull(strstr(t.data, "\\x1b[2J"));
        ck_assert_ptr_nonnull(strstr(t.data, "x.new"));
        ck_assert_ptr_nonnull(strstr(t.data, "\n      a\n      b\\x07\n"));
        ck_assert_ptr_nonnull(
                strstr(t.data, "\n    bpfmonctl query --since=-1h --scope=all process.pid=812\n"));
        ck_assert_ptr_nonnull(strstr(t.data, "/home/x/mutes:\n\n    root:bpftrace\n"));
        for (size_t i = 0; i < t.n; i++)
                ck_assert(t.data[i] == '\n' || (unsigned char) t.data[i] >= ' ');
        alert_free(bubble.alert);
}
END_TEST

START_TEST(several_in_one) {
        struct bubble bubble = {.more = true, .count = 1};
        _cleanup_wording_ struct wording one, two;
        _cleanup_text_ struct text page;

        bubble.alert = alert_of(cases[0].json);
        ck_assert_int_eq(wording_of_bubble(&one, &bubble, &plain), 0);
        ck_assert_str_eq(text_string(&one.title), "1 more alert");
        ck_assert_str_eq(text_string(&one.body), "bpftrace loaded a BPF program");
        bubble.count = 90;
        bubble.others[bubble.n_others++] = alert_of(cases[2].json);
        ck_assert_int_eq(wording_of_bubble(&two, &bubble, &plain), 0);
        ck_assert_str_eq(text_string(&two.title), "90 more alerts");
        ck_assert_str_eq(text_string(&two.body), "The last: bpftrace loaded a BPF program");
        ck_assert_int_eq(wording_of_details(&page, &bubble, "f"), 0);
        ck_assert_ptr_nonnull(strstr(page.data, "bpftrace loaded"));
        ck_assert_ptr_nonnull(strstr(page.data, "bpftrace was not allowed"));
        alert_free(bubble.alert);
        alert_free(bubble.others[0]);
}
END_TEST

START_TEST(sample_says_that_it_is_one) {
        struct json_object *row = sample_alert();
        _cleanup_wording_ struct wording w;

        say(&w, json_object_to_json_string(row), 1, &all);
        ck_assert_ptr_nonnull(strstr(text_string(&w.body), "sample"));
        json_object_put(row);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("notify-wording");
        TCase *c = tcase_create("words");

        tcase_add_loop_test(c, sentences, 0, ELEMENTSOF(cases));
        tcase_add_test(c, a_count_says_since_when);
        tcase_add_test(c, nothing_is_markup);
        tcase_add_test(c, without_markup_there_are_no_brackets);
        tcase_add_test(c, without_a_body_the_title_says_it);
        tcase_add_test(c, long_ones_are_cut);
        tcase_add_test(c, programs_and_causes);
        tcase_add_test(c, details_tell_everything);
        tcase_add_test(c, several_in_one);
        tcase_add_test(c, sample_says_that_it_is_one);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
