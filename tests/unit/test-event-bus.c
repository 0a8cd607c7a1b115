/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-bus.h"

#include "bus-bed.h"
#include "event.h"

static struct bus_pair pair;
static struct event *event;

static void setup(void) {
        bus_pair_open(&pair);
        event = malloc(sizeof(*event));
        ck_assert_ptr_nonnull(event);
        event_reset(event);
}

static void teardown(void) {
        bus_pair_close(&pair);
        free(event);
}

static sd_bus_message *new_message(void) {
        sd_bus_message *m = NULL;

        ck_assert_int_ge(sd_bus_message_new_signal(pair.ours, &m, "/a", "a.b", "C"), 0);
        return m;
}

static void finish(sd_bus_message *m) {
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(m, 1), 0);
}

/* Enters the next {sv}, whose key and type must be these. */
static void enter(sd_bus_message *m, const char *key, const char *type) {
        const char *got, *contents;
        char kind;

        ck_assert_int_gt(sd_bus_message_enter_container(m, 'e', "sv"), 0);
        ck_assert_int_gt(sd_bus_message_read_basic(m, 's', &got), 0);
        ck_assert_str_eq(got, key);
        ck_assert_int_gt(sd_bus_message_peek_type(m, &kind, &contents), 0);
        ck_assert_int_eq(kind, 'v');
        ck_assert_str_eq(contents, type);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'v', type), 0);
}

static void leave(sd_bus_message *m) {
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
}

static void expect_u32(sd_bus_message *m, const char *key, uint32_t want) {
        uint32_t got;

        enter(m, key, "u");
        ck_assert_int_gt(sd_bus_message_read_basic(m, 'u', &got), 0);
        ck_assert_uint_eq(got, want);
        leave(m);
}

static void expect_string(sd_bus_message *m, const char *key, const char *want) {
        const char *got;

        enter(m, key, "s");
        ck_assert_int_gt(sd_bus_message_read_basic(m, 's', &got), 0);
        ck_assert_str_eq(got, want);
        leave(m);
}

static void expect_u64(sd_bus_message *m, const char *key, uint64_t want) {
        uint64_t got;

        enter(m, key, "t");
        ck_assert_int_gt(sd_bus_message_read_basic(m, 't', &got), 0);
        ck_assert_uint_eq(got, want);
        leave(m);
}

static void expect_s64(sd_bus_message *m, const char *key, int64_t want) {
        int64_t got;

        enter(m, key, "x");
        ck_assert_int_gt(sd_bus_message_read_basic(m, 'x', &got), 0);
        ck_assert_int_eq(got, want);
        leave(m);
}

static void expect_bool(sd_bus_message *m, const char *key, int want) {
        int got;

        enter(m, key, "b");
        ck_assert_int_gt(sd_bus_message_read_basic(m, 'b', &got), 0);
        ck_assert_int_eq(got, want);
        leave(m);
}

static void expect_array(sd_bus_message *m, const char *key, const char *type, const void *want,
                         size_t want_size) {
        const void *got;
        size_t size;

        enter(m, key, type);
        ck_assert_int_ge(sd_bus_message_read_array(m, type[1], &got, &size), 0);
        ck_assert_uint_eq(size, want_size);
        ck_assert_int_eq(memcmp(got, want, size), 0);
        leave(m);
}

static void expect_strings(sd_bus_message *m, const char *key, const char *const *want) {
        const char *got;

        enter(m, key, "as");
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "s"), 0);
        for (; *want; want++) {
                ck_assert_int_gt(sd_bus_message_read_basic(m, 's', &got), 0);
                ck_assert_str_eq(got, *want);
        }
        ck_assert_int_eq(sd_bus_message_at_end(m, 0), 1);
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        leave(m);
}

static const char *const flags[] = {"NO_PREALLOC", "", "MMAPABLE", NULL};
static const uint32_t numbers[] = {1, 0, UINT32_MAX};
static const uint8_t bytes[] = {0, 255, 7};

/* A dictionary with a value of every type that it can have. */
static void add_attributes(struct event *e) {
        const struct value values[] = {
                {.type = TYPE_BOOL, .boolean = true},
                {.type = TYPE_U32, .u32 = 5},
                {.type = TYPE_U64, .u64 = UINT64_MAX},
                {.type = TYPE_S64, .s64 = INT64_MIN},
                {.type = TYPE_STRING, .string = "kprobe"},
                {.type = TYPE_STRINGS, .strings = {flags, ELEMENTSOF(flags) - 1}},
                {.type = TYPE_U32S, .u32s = {numbers, ELEMENTSOF(numbers)}},
                {.type = TYPE_BYTES, .bytes = {bytes, sizeof(bytes)}},
        };
        static const char *const keys[] = {"bool",   "u32",     "u64",  "s64",
                                           "string", "strings", "u32s", "bytes"};

        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                event_dict_add(e, FIELD_BPF_ATTR, keys[i], &values[i]);
}

static void expect_attributes(sd_bus_message *m) {
        enter(m, "bpf.attr", "a{sv}");
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        expect_bool(m, "bool", 1);
        expect_u32(m, "u32", 5);
        expect_u64(m, "u64", UINT64_MAX);
        expect_s64(m, "s64", INT64_MIN);
        expect_string(m, "string", "kprobe");
        expect_strings(m, "strings", flags);
        expect_array(m, "u32s", "au", numbers, sizeof(numbers));
        expect_array(m, "bytes", "ay", bytes, sizeof(bytes));
        ck_assert_int_eq(sd_bus_message_at_end(m, 0), 1);
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
        leave(m);
}

static void fill(struct event *e) {
        event_set_u64(e, FIELD_SEQ, UINT64_MAX);
        event_set_string(e, FIELD_EVENT, "prog-load");
        event_set_string(e, FIELD_MESSAGE, "");
        event_set_u32(e, FIELD_PROCESS_PID, 812);
        add_attributes(e);
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, bytes, sizeof(bytes));
        event_set_s64(e, FIELD_BPF_RETURN, -13);
        event_set_bool(e, FIELD_BPF_COMPAT, false);
        event_set_bool(e, FIELD_BPF_IN_KERNEL, true);
        event_set_strings(e, FIELD_MAP_FLAGS, flags, ELEMENTSOF(flags) - 1);
        event_set_string(e, FIELD_PIN_PATH, "/sys/fs/bpf/ä");
}

static void expect_filled(sd_bus_message *m) {
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        expect_u64(m, "seq", UINT64_MAX);
        expect_string(m, "event", "prog-load");
        expect_string(m, "message", "");
        expect_u32(m, "process.pid", 812);
        expect_attributes(m);
        expect_array(m, "bpf.attr_raw", "ay", bytes, sizeof(bytes));
        expect_s64(m, "bpf.return", -13);
        expect_bool(m, "bpf.compat", 0);
        expect_bool(m, "bpf.in_kernel", 1);
        expect_strings(m, "map.flags", flags);
        expect_string(m, "pin.path", "/sys/fs/bpf/ä");
        ck_assert_int_eq(sd_bus_message_at_end(m, 0), 1);
        ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
}

START_TEST(test_every_type_reads_back) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();

        fill(event);
        ck_assert_int_gt(event_append(event, NULL, m), 0);
        finish(m);
        expect_filled(m);
}
END_TEST

START_TEST(test_some_fields) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        struct field_set only = {};

        fill(event);
        field_set_add(&only, FIELD_EVENT);
        field_set_add(&only, FIELD_PROCESS_PID);
        field_set_add(&only, FIELD_PROG_TAG); /* not in the event */
        ck_assert_int_gt(event_append(event, &only, m), 0);
        finish(m);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        expect_string(m, "event", "prog-load");
        expect_u32(m, "process.pid", 812);
        ck_assert_int_eq(sd_bus_message_at_end(m, 0), 1);
}
END_TEST

START_TEST(test_empty_event) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();

        ck_assert_int_gt(event_append(event, NULL, m), 0);
        finish(m);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "{sv}"), 0);
        ck_assert_int_eq(sd_bus_message_at_end(m, 0), 1);
}
END_TEST

START_TEST(test_many_in_a_signal) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();

        fill(event);
        ck_assert_int_ge(sd_bus_message_append(m, "tt", UINT64_C(1), UINT64_C(0)), 0);
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "a{sv}"), 0);
        for (int i = 0; i < 3; i++)
                ck_assert_int_gt(event_append(event, NULL, m), 0);
        ck_assert_int_ge(sd_bus_message_close_container(m), 0);
        finish(m);

        ck_assert_int_gt(sd_bus_message_skip(m, "tt"), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "a{sv}"), 0);
        for (int i = 0; i < 3; i++)
                expect_filled(m);
        ck_assert_int_eq(sd_bus_message_at_end(m, 0), 1);
}
END_TEST

/* Sends the message and returns the length of its body, from its fixed header (D-Bus
 * specification, "Message Format"). */
static uint32_t sent_size(sd_bus_message *m) {
        uint32_t header[4];

        ck_assert_int_ge(sd_bus_send(pair.ours, m, NULL), 0);
        ck_assert_int_eq(recv(pair.other_fd, header, sizeof(header), MSG_PEEK), sizeof(header));
        bus_pair_process(&pair);
        return header[1];
}

/* The size is what windows are counted in: never too small, and not far off. `before` bytes stand
 * in front of the event. */
static void check_size(size_t before) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = new_message();
        uint32_t real;
        int size;

        for (size_t i = 0; i < before; i++)
                ck_assert_int_ge(sd_bus_message_append(m, "y", 1), 0);
        size = event_append(event, NULL, m);
        ck_assert_int_gt(size, 0);
        real = sent_size(m) - before;
        ck_assert_uint_ge(size, real);
        ck_assert_uint_le(size, real + 16);
}

START_TEST(test_size) {
        for (size_t before = 0; before < 8; before++)
                check_size(before);
        fill(event);
        for (size_t before = 0; before < 8; before++)
                check_size(before);
}
END_TEST

/* Each length of a string moves what comes after it. */
START_TEST(test_size_of_strings) {
        char text[40] = {};

        for (size_t i = 0; i < sizeof(text) - 1; i++) {
                event_reset(event);
                memset(text, 'x', i);
                event_set_string(event, FIELD_PROCESS_NAME, text);
                event_set_u64(event, FIELD_PROCESS_CAPABILITIES, 1);
                check_size(0);
        }
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("event-bus");
        TCase *t = tcase_create("event-bus");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, test_every_type_reads_back);
        tcase_add_test(t, test_some_fields);
        tcase_add_test(t, test_empty_event);
        tcase_add_test(t, test_many_in_a_signal);
        tcase_add_test(t, test_size);
        tcase_add_test(t, test_size_of_strings);
        suite_add_tcase(s, t);
        return s;
}

TAP_MAIN(suite)
