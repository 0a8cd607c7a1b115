/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>

#include "bus-json.h"
#include "event.h"
#include "explain.h"
#include "field-values.h"
#include "tap-main.h"

static struct json_object *parse(const char *s) {
        struct json_object *o = json_tokener_parse(s);

        ck_assert_ptr_nonnull(o);
        return o;
}

/* A sentence: it begins with a capital letter, ends with a full stop, and is made of words alone.
 */
static void check_sentence(const struct text *t, const char *what) {
        const char *s = text_string(t);

        ck_assert_msg(s[0] >= 'A' && s[0] <= 'Z', "%s: \"%s\"", what, s);
        ck_assert_msg(s[t->n - 1] == '.', "%s: \"%s\"", what, s);
        ck_assert_msg(!strpbrk(s, "{}<>|"), "%s: \"%s\"", what, s);
        ck_assert_msg(!strstr(s, "  ") && !strstr(s, " .") && !strstr(s, " ,"), "%s: \"%s\"", what,
                      s);
}

static void check_explanation(struct json_object *event, const char *what) {
        struct explanation e = {};

        ck_assert_int_eq(explain_event(&e, event), 0);
        check_sentence(&e.happened, what);
        check_sentence(&e.does, what);
        check_sentence(&e.matters, what);
        explanation_clear(&e);
}

/* Every event that there is, with nothing known of it, and however it ended. */
START_TEST(every_event) {
        static const char *const results[] = {"ok", "rejected", "denied", "failed"};
        const struct field_values events = field_values(FIELD_EVENT);

        for (size_t i = 0; i < events.n; i++)
                for (size_t j = 0; j < ELEMENTSOF(results); j++) {
                        _cleanup_json_ struct json_object *event = json_object_new_object();
                        json_object_object_add(event, "event",
                                               json_object_new_string(events.values[i]));
                        json_object_object_add(event, "result", json_object_new_string(results[j]));
                        check_explanation(event, events.values[i]);
                }
}
END_TEST

/* None of them falls back to what is said of an event that is not known. */
START_TEST(no_event_forgotten) {
        const struct field_values events = field_values(FIELD_EVENT);

        for (size_t i = 0; i < events.n; i++) {
                _cleanup_json_ struct json_object *event = json_object_new_object();
                struct explanation e = {};
                json_object_object_add(event, "event", json_object_new_string(events.values[i]));
                ck_assert_int_eq(explain_event(&e, event), 0);
                ck_assert_msg(!strstr(text_string(&e.matters), "is older than bpfmond"), "%s",
                              events.values[i]);
                explanation_clear(&e);
        }
}
END_TEST

static const struct {
        const char *event;
        const char *happened, *does, *matters; /* parts */
} examples[] = {
        {"{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.type\":\"kprobe\",\"prog.name\":\"spy\","
         "\"prog.id\":77,\"process.name\":\"bpftrace\",\"process.pid\":812,\"user.name\":\"root\","
         "\"prog.helpers\":[\"probe_read_user\",\"probe_write_user\"]}",
         "bpftrace[812] of root loaded a program \"spy\" of type kprobe with id 77.",
         "It runs whenever a certain function",
         "It may write into the memory of the process that runs it"},
        {"{\"event\":\"prog-load\",\"result\":\"rejected\",\"prog.type\":\"xdp\","
         "\"process.pid\":5,\"verifier.reason\":\"R1 invalid mem access 'inv'\"}",
         "Process 5 tried to load a program of type xdp, but the verifier of the kernel rejected it: R1 "
         "invalid mem access 'inv'.",
         "nothing was installed", "mistake"},
        {"{\"event\":\"map-free\",\"attributed\":false,\"map.id\":3,\"lifetime\":4400000000,"
         "\"loaded_by.name\":\"top\",\"loaded_by.pid\":9}",
         "The kernel freed the map with id 3.", "after 4.4 s", "top (process 9) had created it"},
        {"{\"event\":\"attach\",\"result\":\"ok\",\"prog.id\":4,\"attach.target\":\"eth0\","
         "\"prog.type\":\"xdp\",\"container.id\":\"abc\"}",
         "attached program 4 to eth0.", "sees each packet", "container abc"},
        {"{\"event\":\"prog-load\",\"result\":\"ok\",\"severity\":\"warning\","
         "\"rule.name\":[\"20-dangerous-helpers\"],\"rule.description\":\"A dangerous program\","
         "\"prog.helpers\":[\"send_signal\"]}",
         "loaded a program.", "runs inside the kernel",
         "It was raised to warning by 20-dangerous-helpers, \"A dangerous program\", as it may send "
         "signals to the process that runs it: be sure"},
        {"{\"event\":\"hidden-object\",\"severity\":\"critical\",\"prog.id\":31,"
         "\"hidden.from\":\"list\",\"message\":\"Program 31 exists, but nobody lists it\"}",
         "program 31", "nobody lists it.", "rootkits"},
        {"{\"event\":\"brand-new\",\"seq\":5,\"message\":\"Something new\"}",
         "caused the event brand-new.", "Something new.", "seq=5"},
        {"{\"event\":\"map-create\",\"process.name\":\"\\u001b[31mx\",\"process.pid\":1}",
         "\\x1b[31mx[1] created a map.", "memory", "programs that use it"},
};

START_TEST(example) {
        _cleanup_json_ struct json_object *event = parse(examples[_i].event);
        struct explanation e = {};

        ck_assert_int_eq(explain_event(&e, event), 0);
        ck_assert_msg(strstr(text_string(&e.happened), examples[_i].happened) != NULL, "%s",
                      text_string(&e.happened));
        ck_assert_msg(strstr(text_string(&e.does), examples[_i].does) != NULL, "%s",
                      text_string(&e.does));
        ck_assert_msg(strstr(text_string(&e.matters), examples[_i].matters) != NULL, "%s",
                      text_string(&e.matters));
        explanation_clear(&e);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-explain");
        TCase *c = tcase_create("explain");

        tcase_add_test(c, every_event);
        tcase_add_test(c, no_event_forgotten);
        tcase_add_loop_test(c, example, 0, ELEMENTSOF(examples));
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
