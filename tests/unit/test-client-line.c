/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>
#include <time.h>

#include "columns.h"
#include "line.h"
#include "tap-main.h"
#include "value.h"

static const char load[] =
        "{\"seq\":1,\"time\":1795356187218999,\"event\":\"prog-load\",\"class\":\"install\","
        "\"result\":\"ok\",\"duration\":212000,\"process.pid\":812,\"process.name\":\"bpftrace\","
        "\"user.id\":0,\"user.name\":\"root\",\"unit\":\"bpftrace.service\",\"prog.id\":77,"
        "\"prog.name\":\"trace_open\",\"prog.type\":\"kprobe\",\"prog.tag\":\"3b185187f1855c4c\"}";
static const char rejected[] =
        "{\"time\":1795356187218999,\"event\":\"prog-load\",\"class\":\"install\","
        "\"result\":\"rejected\",\"errno\":\"EACCES\",\"process.pid\":991,"
        "\"process.name\":\"loader\",\"user.id\":1000,\"prog.name\":\"fw\",\"prog.type\":\"xdp\"}";
static const char hostile[] =
        "{\"time\":18446744073709551615,\"event\":\"\\u001b]0;x\\u0007\",\"class\":\"\\n\","
        "\"result\":\"\\u009b\",\"errno\":\"\\u202e\",\"duration\":18446744073709551615,"
        "\"process.pid\":4194304,\"process.name\":\"\\u001b[31m\\u009b\\r\\n\",\"user.name\":\"\\t\","
        "\"unit\":\"\\u2028日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語\","
        "\"bpf.cmd\":\"\\u0000\",\"bpf.attr\":{\"\\u001b\":\"\\u001b[2J\"}}";
static const char *const all[] = {load, rejected, hostile, "{}"};

static void add(struct text *t, const char *json, size_t columns, bool colour) {
        _cleanup_json_ struct json_object *event = json_tokener_parse(json);

        ck_assert_ptr_nonnull(event);
        setenv("TZ", "UTC", 1);
        tzset();
        line_add(t, event, &(struct line_format){columns, colour});
        ck_assert(!t->failed);
}

static const struct {
        const char *json;
        size_t columns;
        const char *line;
} lines[] = {
        {load, 0,
         "14:03:07.218 prog-load    kprobe \"trace_open\" id 77 tag 3b185187f1855c4c    "
         "bpftrace[812]          root      bpftrace.service          ok, 212 µs\n"},
        {load, 92,
         "14:03:07.218 prog-load    kprobe \"trace_open\" id 77 tag 3b185187…  bpftrace[812]  "
         "ok, 212 µs\n"},
        {load, 80,
         "14:03:07 prog-load    kprobe \"trace_open\" id 77 tag 3b185187…  bpftrace[812]  ok\n"},
        {rejected, 80,
         "14:03:07 prog-load    xdp \"fw\" REJECTED                 loader[991]       EACCES\n"},
        {"{\"event\":\"prog-load\",\"result\":\"rejected\",\"errno\":\"EACCES\",\"prog.type\":\"xdp\","
         "\"verifier.reason\":\"R0 !read_ok and then some more to say than fits on such a "
         "narrow line as this\"}",
         80,
         "         prog-load    xdp REJECTED                                        EACCES\n"
         "         ╰ R0 !read_ok and then some more to say than fits on such a narrow lin…\n"},
        {"{\"event\":\"prog-unload\",\"prog.type\":\"xdp\",\"prog.id\":9,\"lifetime\":3500000000,"
         "\"attributed\":false,\"loaded_by.name\":\"ip\",\"loaded_by.pid\":44}",
         100, "             prog-unload  xdp id 9, lived 3.5 s, from ip[44]  (kernel)\n"},
        {"{\"event\":\"map-create\",\"map.type\":\"hash\",\"map.id\":3,\"map.key_size\":4,"
         "\"map.value_size\":2048,\"map.max_entries\":9}",
         80, "         map-create   hash id 3, 4 B → 2 KiB × 9\n"},
        {"{\"event\":\"attach\",\"attach.type\":\"kprobe\",\"attach.target\":\"do_sys_openat2\","
         "\"prog.id\":77}",
         80, "         attach       kprobe do_sys_openat2 ← prog 77\n"},
        {"{\"event\":\"never-heard-of\",\"bpf.cmd\":\"NEW\",\"bpf.attr\":{\"fd\":3,\"x\":\"y\"}}",
         80, "         never-heard-of NEW fd=3 x=y\n"},
};

START_TEST(line) {
        _cleanup_text_ struct text t = {};

        add(&t, lines[_i].json, lines[_i].columns, false);
        ck_assert_str_eq(text_string(&t), lines[_i].line);
}
END_TEST

/* Whatever an event holds and however narrow the terminal: one line, that fits, of harmless
 * characters. */
START_TEST(line_fits) {
        for (size_t columns = 24; columns < 200; columns++) {
                _cleanup_text_ struct text t = {};

                add(&t, all[_i], columns, false);
                ck_assert_uint_eq(t.data[t.n - 1], '\n');
                t.data[t.n - 1] = '\0';
                ck_assert_msg(text_width(t.data) <= columns, "%zu columns of %zu: %s",
                              text_width(t.data), columns, t.data);
                for (const char *s = t.data; *s; s++)
                        ck_assert((unsigned char) *s >= ' ' && *s != 0x7f);
        }
}
END_TEST

/* Colour adds sequences of ours, and changes nothing else. */
START_TEST(line_in_colour) {
        _cleanup_text_ struct text plain = {}, colour = {}, stripped = {};

        add(&plain, all[_i], 100, false);
        add(&colour, all[_i], 100, true);
        ck_assert_ptr_null(strchr(text_string(&plain), '\x1b'));

        for (const char *s = text_string(&colour); *s;)
                if (*s == '\x1b')
                        s = strchr(s, 'm') + 1;
                else
                        text_add_bytes(&stripped, s++, 1);
        ck_assert_str_eq(text_string(&stripped), text_string(&plain));
}
END_TEST

START_TEST(rejected_stands_out) {
        _cleanup_text_ struct text t = {};

        add(&t, rejected, 0, true);
        ck_assert_ptr_nonnull(strstr(text_string(&t), "\x1b[1;31mREJECTED\x1b[0m"));
}
END_TEST

START_TEST(lost) {
        _cleanup_text_ struct text t = {};

        line_add_lost(&t, 1, NULL, &(struct line_format){});
        line_add_lost(&t, UINT64_MAX, "ri\x1bng", &(struct line_format){});
        ck_assert_str_eq(text_string(&t), "-- 1 event lost --\n"
                                          "-- 18446744073709551615 events lost (ri\\x1bng) --\n");
}
END_TEST

/* What sentences are made of is asked for, what they never show is not. */
START_TEST(wanted_fields) {
        struct field_set set = {};

        line_fields(&set);
        ck_assert(field_set_has(&set, FIELD_TIME));
        ck_assert(field_set_has(&set, FIELD_PROG_TAG));
        ck_assert(field_set_has(&set, FIELD_BPF_ATTR));
        ck_assert(field_set_has(&set, FIELD_LOST_COUNT));
        ck_assert(!field_set_has(&set, FIELD_CGROUP_ID));
        ck_assert(!field_set_has(&set, FIELD_BPF_ATTR_RAW));
}
END_TEST

static void add_columns(struct text *t, struct columns *c, const char *json, size_t columns) {
        _cleanup_json_ struct json_object *event = json_tokener_parse(json);

        columns_add(t, c, event, &(struct line_format){.columns = columns});
}

START_TEST(chosen_columns) {
        static const enum field fields[] = {FIELD_PROG_ID, FIELD_PROCESS_NAME, FIELD_EVENT};
        _cleanup_text_ struct text t = {};
        struct columns c;

        columns_init(&c, fields, ELEMENTSOF(fields));
        columns_add_legend(&t, &c, &(struct line_format){});
        add_columns(&t, &c, load, 0);
        add_columns(&t, &c, "{\"process.name\":\"a-name-of-17-bytes\",\"event\":\"pin\"}", 0);
        add_columns(&t, &c, load, 0);
        add_columns(&t, &c, load, 24);
        ck_assert_str_eq(text_string(&t), "prog.id  process.name  event\n"
                                          "     77  bpftrace      prog-load\n"
                                          "      -  a-name-of-17-bytes  pin\n"
                                          "     77  bpftrace            prog-load\n"
                                          "     77  bpftrace       \n");
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-line");
        TCase *sentence = tcase_create("sentence"), *chosen = tcase_create("columns");

        tcase_add_loop_test(sentence, line, 0, ELEMENTSOF(lines));
        tcase_add_loop_test(sentence, line_fits, 0, ELEMENTSOF(all));
        tcase_add_loop_test(sentence, line_in_colour, 0, ELEMENTSOF(all));
        tcase_add_test(sentence, rejected_stands_out);
        tcase_add_test(sentence, lost);
        tcase_add_test(sentence, wanted_fields);
        suite_add_tcase(s, sentence);

        tcase_add_test(chosen, chosen_columns);
        suite_add_tcase(s, chosen);
        return s;
}

TAP_MAIN(suite)
