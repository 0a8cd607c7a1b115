/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>
#include <time.h>

#include "bus-json.h"
#include "output.h"
#include "tap-main.h"
#include "text.h"
#include "value.h"

static const struct {
        uint64_t nanoseconds;
        const char *text;
} durations[] = {
        {0, "0 ns"},
        {850, "850 ns"},
        {999, "999 ns"},
        {1000, "1 µs"},
        {1949, "1.9 µs"},
        {9960, "10 µs"},
        {212000, "212 µs"},
        {999499, "999 µs"},
        {999500, "1 ms"},
        {1234567, "1.2 ms"},
        {4400000000, "4.4 s"},
        {59400000000, "59 s"},
        {59600000000, "1 min"},
        {123000000000, "2 min 3 s"},
        {7500000000000, "2 h 5 min"},
        {86400000000000, "1 d"},
        {UINT64_MAX, "213503 d 23 h"},
};

START_TEST(duration) {
        _cleanup_text_ struct text t = {};

        text_add_duration(&t, durations[_i].nanoseconds);
        ck_assert_str_eq(text_string(&t), durations[_i].text);
}
END_TEST

static const struct {
        uint64_t bytes;
        const char *text;
} sizes[] = {
        {0, "0 B"},         {512, "512 B"},           {1023, "1023 B"},
        {1024, "1 KiB"},    {1536, "1.5 KiB"},        {123456, "121 KiB"},
        {8 << 20, "8 MiB"}, {(8 << 20) - 1, "8 MiB"}, {UINT64_MAX, "16777216 TiB"},
};

START_TEST(size) {
        _cleanup_text_ struct text t = {};

        text_add_size(&t, sizes[_i].bytes);
        ck_assert_str_eq(text_string(&t), sizes[_i].text);
}
END_TEST

START_TEST(clock_and_date) {
        const uint64_t us = UINT64_C(1795356187218999);
        _cleanup_text_ struct text t = {};

        setenv("TZ", "UTC", 1);
        tzset();
        text_add_clock(&t, us, true);
        text_add(&t, " ");
        text_add_clock(&t, us, false);
        text_add(&t, " ");
        text_add_date(&t, us);
        ck_assert_str_eq(text_string(&t), "14:03:07.218 14:03:07 Sun 2026-11-22 14:03:07 UTC");
}
END_TEST

/* Times that no calendar has leave nothing behind, or something printable; they don't crash. */
START_TEST(clock_of_hostile_time) {
        _cleanup_text_ struct text t = {};

        text_add_clock(&t, UINT64_MAX, true);
        text_add_date(&t, UINT64_MAX);
        ck_assert(!strchr(text_string(&t), '\x1b'));
}
END_TEST

static const struct {
        const char *text;
        size_t columns;
        const char *fitted;
        size_t width;
} fits[] = {
        {"bpftrace", 8, "bpftrace", 8},
        {"bpftrace", 7, "bpftra…", 7},
        {"bpftrace", 1, "…", 1},
        {"bpftrace", 0, "", 0},
        {"", 0, "", 0},
        {"日本語", 6, "日本語", 6},
        {"日本語", 5, "日本…", 5},
        {"日本語", 4, "日…", 3},
        {"é", 1, "é", 1},
};

START_TEST(fit) {
        _cleanup_text_ struct text t = {};

        size_t width = text_add_fitted(&t, fits[_i].text, fits[_i].columns);
        ck_assert_str_eq(text_string(&t), fits[_i].fitted);
        ck_assert_uint_eq(width, fits[_i].width);
}
END_TEST

static const struct {
        const char *text;
        size_t columns;
        const char *end;
        size_t width;
} ends[] = {
        {"/run/a.sock", 11, "/run/a.sock", 11},
        {"/run/a.sock", 7, "…a.sock", 7},
        {"/run/a.sock", 1, "…", 1},
        {"/run/a.sock", 0, "", 0},
        {"日本語", 5, "…本語", 5},
        {"日本語", 4, "…語", 3},
        {"日本é", 2, "…é", 2},
};

START_TEST(fit_end) {
        _cleanup_text_ struct text t = {};

        size_t width = text_add_end(&t, ends[_i].text, ends[_i].columns);
        ck_assert_str_eq(text_string(&t), ends[_i].end);
        ck_assert_uint_eq(width, ends[_i].width);
}
END_TEST

START_TEST(style) {
        _cleanup_text_ struct text t = {};

        text_add_styled(&t, "a", 9, STYLE_RED, false);
        ck_assert_str_eq(text_string(&t), "a");
        text_add_styled(&t, "b", 9, STYLE_RED, true);
        ck_assert_str_eq(text_string(&t), "a\x1b[31mb\x1b[0m");
}
END_TEST

START_TEST(escaped) {
        _cleanup_text_ struct text t = {};

        text_add_escaped(&t, "plain \x1b[31m\\");
        ck_assert_str_eq(text_string(&t), "plain \\x1b[31m\\\\");
}
END_TEST

/* Longer than anything that was reserved before. */
START_TEST(grows) {
        _cleanup_text_ struct text t = {};

        for (int i = 0; i < 10000; i++)
                text_printf(&t, "%04d", i);
        ck_assert(!t.failed);
        ck_assert_uint_eq(t.n, 40000);
        ck_assert_str_eq(t.data + t.n - 4, "9999");
        text_reset(&t);
        ck_assert_str_eq(text_string(&t), "");
}
END_TEST

static const struct {
        const char *template;
        const char *text;
} templates[] = {
        {"<{prog.type}>< id {prog.id}>", "kprobe id 77"},
        {"<{link.type}>< id {prog.id}>", "id 77"},
        {"<{link.type}|{prog.type}|{event}>", "kprobe"},
        {"<{prog.type} {link.type}|none>", "none"},
        {"<{bpf.attr.insn_cnt} of {bpf.attr.license}>", "64 of GPL"},
        {"<{bpf.attr.nothing}|{no.such.field}|>", ""},
        {"{prog.type}[{prog.id}]", "kprobe[77]"},
        {"<{prog.id", "{prog.id"},
        {"<", ""},
        {"", ""},
};

START_TEST(template) {
        _cleanup_json_ struct json_object *row = json_tokener_parse(
                "{\"prog.type\":\"kprobe\",\"prog.id\":77,"
                "\"bpf.attr\":{\"insn_cnt\":64,\"license\":\"GPL\"}}");
        _cleanup_text_ struct text t = {};

        row_add(&t, row, templates[_i].template);
        ck_assert_str_eq(text_string(&t), templates[_i].text);
}
END_TEST

/* A value of a type that the field should not have is shown, not trusted. */
START_TEST(template_of_wrong_types) {
        _cleanup_json_ struct json_object *row = json_tokener_parse(
                "{\"prog.id\":\"x\",\"bpf.attr\":[1,2],\"lost.count\":\"7\",\"event\":{}}");
        _cleanup_text_ struct text t = {};

        row_add(&t, row, "<{prog.id}>< {bpf.attr}>< {bpf.attr.x}>< {event}>");
        ck_assert_str_eq(text_string(&t), "x 1, 2 ");
        ck_assert_uint_eq(row_number(row, FIELD_LOST_COUNT), 0);
        ck_assert_ptr_null(row_string(row, FIELD_EVENT));
}
END_TEST

static const struct {
        enum field field;
        const char *json;
        const char *text;
} values[] = {
        {FIELD_DURATION, "212000", "212 µs"},
        {FIELD_BPF_SIZE, "2048", "2 KiB"},
        {FIELD_PROCESS_CAPABILITIES, "4398046511103", "0x3ffffffffff"},
        {FIELD_SEQ, "18446744073709551615", "18446744073709551615"},
        {FIELD_BPF_RETURN, "-22", "-22"},
        {FIELD_BPF_COMPAT, "true", "yes"},
        {FIELD_MAP_FLAGS, "[\"MMAPABLE\",\"\\u001b[0m\"]", "MMAPABLE, \\x1b[0m"},
        {FIELD_BPF_ATTR, "{\"a\\u0007\":\"\\n\",\"n\":[1]}", "a\\x07=\\x0a n=1"},
};

START_TEST(value) {
        _cleanup_json_ struct json_object *v = json_tokener_parse(values[_i].json);
        _cleanup_text_ struct text t = {};

        value_add(&t, (int) values[_i].field, v);
        ck_assert_str_eq(text_string(&t), values[_i].text);
}
END_TEST

/* JSON keeps every character, but shows none that a terminal would act on. */
START_TEST(json_is_harmless) {
        const char *hostile = "\x1b[31m\x7f\xc2\x9b"
                              "31m\xe2\x80\xae\xf3\xa0\x80\x81é日🙂\\\"/";
        const struct options options = {.json = JSON_SHORT};
        struct output o = OUTPUT_INIT;
        _cleanup_json_ struct json_object *row = json_object_new_object(), *back = NULL;

        json_object_object_add(row, "process.name", json_object_new_string(hostile));
        output_row(&o, row, &options);
        ck_assert_str_eq(text_string(&o.text),
                         "{\"process.name\":\"\\u001b[31m\\u007f\\u009b31m\\u202e\\udb40\\udc01"
                         "é日🙂\\\\\\\"/\"}\n");

        back = json_tokener_parse(text_string(&o.text));
        ck_assert_str_eq(json_object_get_string(json_object_object_get(back, "process.name")),
                         hostile);
        text_clear(&o.text);
}
END_TEST

START_TEST(json_of_chosen_fields) {
        const struct options options = {
                .json = JSON_SHORT,
                .fields = {FIELD_PROG_NAME, FIELD_LINK_ID, FIELD_SEQ},
                .n_fields = 3,
        };
        _cleanup_json_ struct json_object *row = json_tokener_parse(
                "{\"seq\":18446744073709551615,\"event\":\"prog-load\",\"prog.name\":\"x\"}");
        struct output o = OUTPUT_INIT;

        output_row(&o, row, &options);
        ck_assert_str_eq(text_string(&o.text),
                         "{\"prog.name\":\"x\",\"seq\":18446744073709551615}\n");
        text_clear(&o.text);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-text");
        TCase *text = tcase_create("text"), *rows = tcase_create("rows");

        tcase_add_loop_test(text, duration, 0, ELEMENTSOF(durations));
        tcase_add_loop_test(text, size, 0, ELEMENTSOF(sizes));
        tcase_add_test(text, clock_and_date);
        tcase_add_test(text, clock_of_hostile_time);
        tcase_add_loop_test(text, fit, 0, ELEMENTSOF(fits));
        tcase_add_loop_test(text, fit_end, 0, ELEMENTSOF(ends));
        tcase_add_test(text, style);
        tcase_add_test(text, escaped);
        tcase_add_test(text, grows);
        suite_add_tcase(s, text);

        tcase_add_loop_test(rows, template, 0, ELEMENTSOF(templates));
        tcase_add_test(rows, template_of_wrong_types);
        tcase_add_loop_test(rows, value, 0, ELEMENTSOF(values));
        tcase_add_test(rows, json_is_harmless);
        tcase_add_test(rows, json_of_chosen_fields);
        suite_add_tcase(s, rows);
        return s;
}

TAP_MAIN(suite)
