/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "event.h"
#include "tap-main.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

static struct event event;
static struct event *const e = &event;

/* What an event that has been used looks like: the next one must not see any of it. */
static void setup(void) {
        memset(e, 0xaa, sizeof(*e));
        event_reset(e);
}

/* A text of `n` bytes (the caller frees it). */
static char *text_of(size_t n, char c) {
        char *text = malloc(n + 1);

        memset(text, c, n);
        text[n] = '\0';
        return text;
}

START_TEST(fresh_is_empty) {
        for (int f = 0; f < _FIELD_MAX; f++) {
                ck_assert(!event_has(e, f));
                ck_assert_ptr_null(event_get(e, f));
        }
        ck_assert_int_eq(event_next(e, -1), -1);
        ck_assert_ptr_null(event_string(e, FIELD_EVENT));
        ck_assert_ptr_null(event_dict_get(e, FIELD_BPF_ATTR, "map_fd"));
        ck_assert_uint_eq(e->truncated, 0);
}
END_TEST

START_TEST(numbers) {
        event_set_bool(e, FIELD_BPF_COMPAT, true);
        event_set_u32(e, FIELD_PROG_ID, UINT32_MAX);
        event_set_u64(e, FIELD_SEQ, UINT64_MAX);
        event_set_s64(e, FIELD_BPF_RETURN, INT64_MIN);

        ck_assert(event_get(e, FIELD_BPF_COMPAT)->boolean);
        ck_assert_uint_eq(event_get(e, FIELD_PROG_ID)->u32, UINT32_MAX);
        ck_assert_uint_eq(event_get(e, FIELD_SEQ)->u64, UINT64_MAX);
        ck_assert_int_eq(event_get(e, FIELD_BPF_RETURN)->s64, INT64_MIN);
        ck_assert_int_eq(event_get(e, FIELD_BPF_RETURN)->type, TYPE_S64);
        ck_assert_uint_eq(e->arena_used, 0);
}
END_TEST

START_TEST(strings_are_copied) {
        char text[] = "bpftool";

        event_set_string(e, FIELD_PROCESS_NAME, text);
        text[0] = 'X';
        ck_assert_str_eq(event_string(e, FIELD_PROCESS_NAME), "bpftool");
}
END_TEST

START_TEST(static_strings_are_not) {
        static const char text[] = "prog-load";

        event_set_static(e, FIELD_EVENT, text);
        ck_assert_ptr_eq(event_string(e, FIELD_EVENT), text);
        ck_assert_uint_eq(e->arena_used, 0);
}
END_TEST

START_TEST(strings_become_valid) {
        static const char comm[16] = "sixteen \xffletters"; /* without NUL */

        event_set_string(e, FIELD_PROG_NAME,
                         "a\xff\xc3"
                         "b");
        ck_assert_str_eq(event_string(e, FIELD_PROG_NAME), "a" BAD BAD "b");

        event_set_stringn(e, FIELD_PROCESS_NAME, comm, sizeof(comm));
        ck_assert_str_eq(event_string(e, FIELD_PROCESS_NAME), "sixteen " BAD "letters");

        event_set_stringn(e, FIELD_MAP_NAME, "map\0hidden", 10);
        ck_assert_str_eq(event_string(e, FIELD_MAP_NAME), "map");

        event_set_printf(e, FIELD_MESSAGE, "%s loads %d", "\xff", 7);
        ck_assert_str_eq(event_string(e, FIELD_MESSAGE), BAD " loads 7");
        /* A later field does not disturb it. */
        event_set_string(e, FIELD_UNIT, "a.service");
        ck_assert_str_eq(event_string(e, FIELD_MESSAGE), BAD " loads 7");

        event_set_string(e, FIELD_HOST, "");
        ck_assert_str_eq(event_string(e, FIELD_HOST), "");
}
END_TEST

START_TEST(null_is_absent) {
        event_set_string(e, FIELD_PROCESS_NAME, "before");
        event_set_string(e, FIELD_PROCESS_NAME, NULL);
        event_set_static(e, FIELD_EVENT, NULL);
        event_set_stringn(e, FIELD_UNIT, NULL, 5);
        event_set_strings(e, FIELD_MAP_FLAGS, NULL, 0);
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, NULL, 0);

        ck_assert_int_eq(event_next(e, -1), -1);
        ck_assert_uint_eq(e->truncated, 0);
}
END_TEST

START_TEST(arrays_are_copied) {
        char first[] = "mmapable";
        const char *flags[] = {first, NULL, "bad\xff"};
        uint8_t bytes[] = {1, 0, 255};

        event_set_strings(e, FIELD_MAP_FLAGS, flags, ELEMENTSOF(flags));
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, bytes, sizeof(bytes));
        memset(first, 'X', sizeof(first) - 1);
        memset(flags, 0, sizeof(flags));
        memset(bytes, 0, sizeof(bytes));

        const struct value *v = event_get(e, FIELD_MAP_FLAGS);
        ck_assert_uint_eq(v->strings.n, 2);
        ck_assert_str_eq(v->strings.items[0], "mmapable");
        ck_assert_str_eq(v->strings.items[1], "bad" BAD);

        v = event_get(e, FIELD_BPF_ATTR_RAW);
        ck_assert_uint_eq(v->bytes.size, 3);
        ck_assert_mem_eq(v->bytes.data, "\x01\x00\xff", 3);
}
END_TEST

START_TEST(empty_arrays_are_present) {
        event_set_strings(e, FIELD_MAP_FLAGS, (const char *const[]){""}, 0);
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, "", 0);

        ck_assert_uint_eq(event_get(e, FIELD_MAP_FLAGS)->strings.n, 0);
        ck_assert_uint_eq(event_get(e, FIELD_BPF_ATTR_RAW)->bytes.size, 0);
}
END_TEST

START_TEST(fields_are_iterated) {
        static const enum field expected[] = {FIELD_SEQ, FIELD_EVENT, FIELD_PROCESS_NAME,
                                              FIELD_PROG_ID, _FIELD_MAX - 1};
        size_t n = 0;

        event_set_static(e, _FIELD_MAX - 1, "last");
        event_set_u32(e, FIELD_PROG_ID, 1);
        event_set_static(e, FIELD_EVENT, "prog-load");
        event_set_u64(e, FIELD_SEQ, 1);
        event_set_string(e, FIELD_PROCESS_NAME, "x");

        for (int f = -1; (f = event_next(e, f)) >= 0; n++) {
                ck_assert_uint_lt(n, ELEMENTSOF(expected));
                ck_assert_int_eq(f, expected[n]);
        }
        ck_assert_uint_eq(n, ELEMENTSOF(expected));
}
END_TEST

START_TEST(cleared_and_reset) {
        event_set_u32(e, FIELD_PROG_ID, 1);
        event_set_u32(e, FIELD_MAP_ID, 2);
        event_set_string(e, FIELD_UNIT, "a.service");
        event_clear(e, FIELD_PROG_ID);
        ck_assert(!event_has(e, FIELD_PROG_ID));
        ck_assert(event_has(e, FIELD_MAP_ID));

        event_reset(e);
        ck_assert_int_eq(event_next(e, -1), -1);
        ck_assert_uint_eq(e->arena_used, 0);
}
END_TEST

START_TEST(last_value_counts) {
        event_set_string(e, FIELD_UNIT, "first.service");
        event_set_string(e, FIELD_UNIT, "second.service");
        ck_assert_str_eq(event_string(e, FIELD_UNIT), "second.service");
}
END_TEST

/* Fills the arena but for `left` bytes. */
static void fill(size_t left) {
        _cleanup_free_ char *text = text_of(EVENT_ARENA_SIZE, 'x');

        event_set_bytes(e, FIELD_BPF_ATTR_RAW, text, EVENT_ARENA_SIZE - left);
        ck_assert(event_has(e, FIELD_BPF_ATTR_RAW));
}

START_TEST(full_arena_leaves_out) {
        fill(16);
        event_set_string(e, FIELD_UNIT, "longer than sixteen bytes.service");
        ck_assert(!event_has(e, FIELD_UNIT));
        ck_assert_uint_eq(e->truncated, 1);

        event_set_printf(e, FIELD_MESSAGE, "%s", "longer than sixteen bytes");
        ck_assert(!event_has(e, FIELD_MESSAGE));
        ck_assert_uint_eq(e->truncated, 2);

        event_set_strings(e, FIELD_MAP_FLAGS, (const char *const[]){"a", "b", "c"}, 3);
        ck_assert(!event_has(e, FIELD_MAP_FLAGS));
        ck_assert_uint_eq(e->truncated, 3);

        /* What needs no room, or little, still goes in. */
        event_set_u32(e, FIELD_PROG_ID, 7);
        event_set_string(e, FIELD_HOST, "here");
        ck_assert_uint_eq(event_get(e, FIELD_PROG_ID)->u32, 7);
        ck_assert_str_eq(event_string(e, FIELD_HOST), "here");
        ck_assert_uint_eq(e->truncated, 3);
        ck_assert_uint_le(e->arena_used, EVENT_ARENA_SIZE);
}
END_TEST

/* The old value is not kept in place of one that does not fit. */
START_TEST(full_arena_drops_the_old_value) {
        event_set_string(e, FIELD_UNIT, "old.service");
        fill(128);
        _cleanup_free_ char *text = text_of(1000, 'x');
        event_set_string(e, FIELD_UNIT, text);
        ck_assert(!event_has(e, FIELD_UNIT));
}
END_TEST

/* Never cut: a text is whole or absent, at each size around the end of the arena. */
START_TEST(full_arena_cuts_nothing) {
        for (size_t left = 0; left < 32; left++) {
                setup();
                fill(left);
                event_set_string(e, FIELD_UNIT, "é\xff日本");
                if (event_has(e, FIELD_UNIT))
                        ck_assert_str_eq(event_string(e, FIELD_UNIT), "é" BAD "日本");
                ck_assert_uint_eq(e->truncated, !event_has(e, FIELD_UNIT));
                ck_assert_uint_le(e->arena_used, EVENT_ARENA_SIZE);
        }
        ck_assert(event_has(e, FIELD_UNIT));
}
END_TEST

START_TEST(huge_values) {
        const size_t n = 1024 * 1024;
        _cleanup_free_ char *text = text_of(n, 'x'), *bad = text_of(n, '\xff');
        _cleanup_free_ const char **items = calloc(n, sizeof(items[0]));

        for (size_t i = 0; i < n; i++)
                items[i] = "x";
        event_set_string(e, FIELD_UNIT, text);
        event_set_string(e, FIELD_HOST, bad);
        event_set_printf(e, FIELD_MESSAGE, "%s", text);
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, text, n);
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, text, SIZE_MAX);
        event_set_strings(e, FIELD_MAP_FLAGS, items, n);
        event_set_strings(e, FIELD_MAP_FLAGS, items, SIZE_MAX);
        event_set_strings(e, FIELD_MAP_FLAGS, items, EVENT_ARENA_SIZE / sizeof(items[0]));

        ck_assert_int_eq(event_next(e, -1), -1);
        ck_assert_uint_eq(e->truncated, 8);
        ck_assert_uint_eq(e->arena_used, 0);
}
END_TEST

START_TEST(dict) {
        char name[] = "my_map\xff";
        const uint32_t ids[] = {4, 5};

        event_dict_add(e, FIELD_BPF_ATTR, "map_type", &(struct value){TYPE_U32, .u32 = 1});
        event_dict_add(e, FIELD_BPF_ATTR, "map_name", &(struct value){TYPE_STRING, .string = name});
        event_dict_add(e, FIELD_BPF_ATTR, "ids", &(struct value){TYPE_U32S, .u32s = {ids, 2}});
        name[0] = 'X';

        const struct value *v = event_get(e, FIELD_BPF_ATTR);
        ck_assert_uint_eq(v->dict.n, 3);
        ck_assert_str_eq(v->dict.items[0].key, "map_type");
        ck_assert_uint_eq(event_dict_get(e, FIELD_BPF_ATTR, "map_type")->u32, 1);
        ck_assert_str_eq(event_dict_get(e, FIELD_BPF_ATTR, "map_name")->string, "my_map" BAD);
        ck_assert_uint_eq(event_dict_get(e, FIELD_BPF_ATTR, "ids")->u32s.items[1], 5);
        ck_assert_ptr_null(event_dict_get(e, FIELD_BPF_ATTR, "map"));

        /* a{sv} must not have a key twice. */
        event_dict_add(e, FIELD_BPF_ATTR, "map_type", &(struct value){TYPE_U32, .u32 = 2});
        ck_assert_uint_eq(event_get(e, FIELD_BPF_ATTR)->dict.n, 3);
        ck_assert_uint_eq(event_dict_get(e, FIELD_BPF_ATTR, "map_type")->u32, 2);
        ck_assert_uint_eq(e->truncated, 0);
}
END_TEST

START_TEST(dict_is_bounded) {
        static char keys[EVENT_DICT_MAX + 10][8];

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
                event_dict_add(e, FIELD_BPF_ATTR, keys[i],
                               &(struct value){TYPE_U32, .u32 = (uint32_t) i});
        }

        ck_assert_uint_eq(event_get(e, FIELD_BPF_ATTR)->dict.n, EVENT_DICT_MAX);
        ck_assert_uint_eq(e->truncated, 10);
        ck_assert_uint_eq(event_dict_get(e, FIELD_BPF_ATTR, keys[EVENT_DICT_MAX - 1])->u32,
                          EVENT_DICT_MAX - 1);
        ck_assert_ptr_null(event_dict_get(e, FIELD_BPF_ATTR, keys[EVENT_DICT_MAX]));
}
END_TEST

START_TEST(dict_in_a_full_arena) {
        fill(64);
        size_t used = e->arena_used;

        event_dict_add(e, FIELD_BPF_ATTR, "a", &(struct value){TYPE_STRING, .string = "text"});
        ck_assert(!event_has(e, FIELD_BPF_ATTR));
        ck_assert_uint_eq(e->truncated, 1);
        ck_assert_uint_eq(e->arena_used, used);

        /* An entry that does not fit leaves the others alone. */
        setup();
        _cleanup_free_ char *text = text_of(EVENT_ARENA_SIZE, 'x');
        event_dict_add(e, FIELD_BPF_ATTR, "a", &(struct value){TYPE_U32, .u32 = 1});
        event_dict_add(e, FIELD_BPF_ATTR, "b", &(struct value){TYPE_STRING, .string = text});
        ck_assert_uint_eq(event_get(e, FIELD_BPF_ATTR)->dict.n, 1);
        ck_assert_uint_eq(event_dict_get(e, FIELD_BPF_ATTR, "a")->u32, 1);
        ck_assert_uint_eq(e->truncated, 1);
}
END_TEST

START_TEST(pointers_stay_aligned) {
        event_set_string(e, FIELD_UNIT, "odd");
        event_set_strings(e, FIELD_MAP_FLAGS, (const char *const[]){"a"}, 1);
        ck_assert_uint_eq((uintptr_t) event_get(e, FIELD_MAP_FLAGS)->strings.items % sizeof(void *),
                          0);
}
END_TEST

START_TEST(wrong_type_is_a_bug) {
        event_set_u32(e, FIELD_EVENT, 1);
}
END_TEST

static Suite *event_suite(void) {
        Suite *suite = suite_create("event");
        TCase *values = tcase_create("values"), *limits = tcase_create("limits");

        tcase_add_checked_fixture(values, setup, NULL);
        tcase_add_test(values, fresh_is_empty);
        tcase_add_test(values, numbers);
        tcase_add_test(values, strings_are_copied);
        tcase_add_test(values, static_strings_are_not);
        tcase_add_test(values, strings_become_valid);
        tcase_add_test(values, null_is_absent);
        tcase_add_test(values, arrays_are_copied);
        tcase_add_test(values, empty_arrays_are_present);
        tcase_add_test(values, fields_are_iterated);
        tcase_add_test(values, cleared_and_reset);
        tcase_add_test(values, last_value_counts);
        tcase_add_test(values, dict);
        tcase_add_test(values, pointers_stay_aligned);
        suite_add_tcase(suite, values);

        tcase_add_checked_fixture(limits, setup, NULL);
        tcase_add_test(limits, full_arena_leaves_out);
        tcase_add_test(limits, full_arena_drops_the_old_value);
        tcase_add_test(limits, full_arena_cuts_nothing);
        tcase_add_test(limits, huge_values);
        tcase_add_test(limits, dict_is_bounded);
        tcase_add_test(limits, dict_in_a_full_arena);
        tcase_add_test_raise_signal(limits, wrong_type_is_a_bug, SIGABRT);
        suite_add_tcase(suite, limits);
        return suite;
}

TAP_MAIN(event_suite)
