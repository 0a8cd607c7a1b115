/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each line is held against what bpfmonctl prints of the same event from the bus, byte by byte. */

#include "event-json.h"

#include <json.h>

#include "bus-bed.h"
#include "bus-json.h"
#include "event-bus.h"
#include "event.h"
#include "output.h"

static struct bus_pair pair;
static struct event *event;
static char line[EVENT_JSON_MAX];

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

/* What the client makes of the event in a message. */
static void print_from_bus(const struct field_set *only, struct output *o) {
        const struct options options = {.json = JSON_SHORT};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_json_ struct json_object *row = NULL;

        ck_assert_int_ge(sd_bus_message_new_signal(pair.ours, &m, "/a", "a.b", "C"), 0);
        ck_assert_int_ge(event_append(event, only, m), 0);
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(m, 1), 0);
        ck_assert_int_eq(bus_json_read_row(m, NULL, &row), 1);
        output_row(o, row, &options);
        ck_assert(!o->text.failed);
}

/* Compares the two, and returns the line as an object for the caller to put. */
static struct json_object *check_line(const struct field_set *only) {
        struct output o = OUTPUT_INIT;
        struct json_object *parsed;
        ssize_t n = event_json(event, only, line, sizeof(line));

        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(line[n - 1], '\n');
        print_from_bus(only, &o);
        line[n] = 0;
        ck_assert_str_eq(line, text_string(&o.text));
        text_clear(&o.text);

        line[n - 1] = 0;
        parsed = json_tokener_parse(line);
        ck_assert(json_object_is_type(parsed, json_type_object));
        return parsed;
}

START_TEST(test_empty) {
        ck_assert_int_eq(event_json(event, NULL, line, sizeof(line)), 3);
        ck_assert_int_eq(memcmp(line, "{}\n", 3), 0);
}
END_TEST

static const uint8_t bytes[] = {0, 255, 7};
static const uint32_t numbers[] = {1, 0, UINT32_MAX};
static const char *const strings[] = {"NO_PREALLOC", "", "a\"b\\c\n"};

START_TEST(test_every_type) {
        static const char *const keys[] = {"bool",   "u32",     "u64",  "s64",
                                           "string", "strings", "u32s", "bytes"};
        const struct value values[] = {
                {.type = TYPE_BOOL, .boolean = true},
                {.type = TYPE_U32, .u32 = 5},
                {.type = TYPE_U64, .u64 = UINT64_MAX},
                {.type = TYPE_S64, .s64 = INT64_MIN},
                {.type = TYPE_STRING, .string = "kprobe"},
                {.type = TYPE_STRINGS, .strings = {strings, ELEMENTSOF(strings)}},
                {.type = TYPE_U32S, .u32s = {numbers, ELEMENTSOF(numbers)}},
                {.type = TYPE_BYTES, .bytes = {bytes, sizeof(bytes)}},
        };

        event_set_u64(event, FIELD_SEQ, (UINT64_C(1) << 53) + 1);
        event_set_u64(event, FIELD_TIME, UINT64_MAX);
        event_set_u32(event, FIELD_PROCESS_PID, 0);
        event_set_u32(event, FIELD_USER_ID, UINT32_MAX);
        event_set_s64(event, FIELD_BPF_RETURN, INT64_MIN);
        event_set_bool(event, FIELD_BPF_COMPAT, false);
        event_set_bool(event, FIELD_BPF_IN_KERNEL, true);
        event_set_static(event, FIELD_EVENT, "prog-load");
        event_set_string(event, FIELD_MESSAGE, "");
        event_set_bytes(event, FIELD_BPF_ATTR_RAW, bytes, sizeof(bytes));
        event_set_bytes(event, FIELD_MAP_KEY, bytes, 0);
        event_set_strings(event, FIELD_MAP_FLAGS, strings, ELEMENTSOF(strings));
        event_set_strings(event, FIELD_ATTACH_FLAGS, strings, 0);
        event_set_u32s(event, FIELD_PROG_MAPS, numbers, ELEMENTSOF(numbers));
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                event_dict_add(event, FIELD_BPF_ATTR, keys[i], &values[i]);

        _cleanup_json_ struct json_object *o = check_line(NULL);
        struct json_object *v;

        ck_assert(json_object_object_get_ex(o, "seq", &v));
        ck_assert_uint_eq(json_object_get_uint64(v), (UINT64_C(1) << 53) + 1);
        ck_assert(json_object_object_get_ex(o, "bpf.attr", &v));
        ck_assert(json_object_object_get_ex(v, "s64", &v));
        ck_assert_int_eq(json_object_get_int64(v), INT64_MIN);
        ck_assert(json_object_object_get_ex(o, "map.key", &v));
        ck_assert_str_eq(json_object_get_string(v), "");
}
END_TEST

static size_t encode(char ret[static 5], uint32_t c) {
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        for (size_t i = n - 1; i > 0; i--, c >>= 6)
                ret[i] = (char) (0x80 | (c & 0x3f));
        ret[0] = (char) (n == 1 ? c : (0xf00 >> n & 0xff) | c);
        ret[n] = 0;
        return n;
}

static void check_character(uint32_t c) {
        struct json_object *o, *v;
        char text[16] = "a", character[5];

        encode(character, c);
        strcat(strcat(text, character), "b");
        event_reset(event);
        event_set_string(event, FIELD_PROCESS_NAME, text);
        o = check_line(NULL);
        ck_assert(json_object_object_get_ex(o, "process.name", &v));
        ck_assert_str_eq(json_object_get_string(v), event_string(event, FIELD_PROCESS_NAME));
        json_object_put(o);
        for (const char *p = line; *p; p++)
                ck_assert((uint8_t) *p >= ' ' && *p != 0x7f);
}

/* All that have one byte or two, every so many of the others, what reorders or hides text, and what
 * is no UTF-8. */
START_TEST(test_hostile_strings) {
        static const uint32_t others[] = {0x200b, 0x200e, 0x2028, 0x202e,  0x2066,  0xfeff,
                                          0xfffd, 0xfffe, 0xd800, 0x1d173, 0xe0001, 0x10ffff};

        for (uint32_t c = 1; c < 0x110000; c += c < 0x800 ? 1 : c < 0x10000 ? 67 : 0xfed)
                check_character(c);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                check_character(others[i]);

        /* Sanitized before; written harmlessly all the same where it is not. */
        event_reset(event);
        event_set_static(event, FIELD_PROCESS_NAME, "a\xff\xc3");
        ck_assert_int_gt(event_json(event, NULL, line, sizeof(line)), 0);
        ck_assert_int_eq(memcmp(line, "{\"process.name\":\"a\\ufffd\\ufffd\"}\n", 32), 0);
}
END_TEST

START_TEST(test_some_fields) {
        struct field_set only = {};

        event_set_u64(event, FIELD_SEQ, 1);
        event_set_static(event, FIELD_EVENT, "prog-load");
        event_set_u32(event, FIELD_PROG_ID, 7);
        field_set_add(&only, FIELD_PROG_ID);
        field_set_add(&only, FIELD_EVENT);
        field_set_add(&only, FIELD_MAP_ID);
        json_object_put(check_line(&only));
        ck_assert_str_eq(line, "{\"event\":\"prog-load\",\"prog.id\":7}");
}
END_TEST

/* The largest event fits what is said to be enough; less room is never overrun. */
START_TEST(test_room) {
        static char long_text[EVENT_ARENA_SIZE];
        ssize_t n;

        memset(long_text, '\x1b', sizeof(long_text) - 16);
        for (int f = 0; f < _FIELD_MAX; f++)
                switch (field_info((enum field) f)->type) {
                case TYPE_U64:
                        event_set_u64(event, (enum field) f, UINT64_MAX);
                        break;
                case TYPE_U32:
                        event_set_u32(event, (enum field) f, UINT32_MAX);
                        break;
                default:
                        break;
                }
        event_set_string(event, FIELD_VERIFIER_LOG, long_text);
        ck_assert(event_has(event, FIELD_VERIFIER_LOG));
        n = event_json(event, NULL, line, sizeof(line));
        ck_assert_int_gt(n, 6 * (EVENT_ARENA_SIZE - 16));

        event_reset(event);
        event_set_u64(event, FIELD_SEQ, 12345);
        event_set_string(event, FIELD_MESSAGE, "a\n\"b\x01");
        event_set_bytes(event, FIELD_MAP_KEY, bytes, sizeof(bytes));
        event_set_strings(event, FIELD_MAP_FLAGS, strings, ELEMENTSOF(strings));
        n = event_json(event, NULL, line, sizeof(line));
        for (ssize_t size = 0; size < 2 * n; size++) {
                char *room = malloc((size_t) size + 1);
                ssize_t got;

                ck_assert_ptr_nonnull(room);
                room[size] = '#';
                got = event_json(event, NULL, room, (size_t) size);
                ck_assert(got == -ENOBUFS || got == n);
                ck_assert(got < 0 || size >= n);
                ck_assert_int_eq(room[size], '#');
                free(room);
        }
        ck_assert_int_eq(event_json(event, NULL, line, (size_t) n * 6), n);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("event-json");
        TCase *t = tcase_create("event-json");

        tcase_set_timeout(t, 60);
        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_test(t, test_empty);
        tcase_add_test(t, test_every_type);
        tcase_add_test(t, test_hostile_strings);
        tcase_add_test(t, test_some_fields);
        tcase_add_test(t, test_room);
        suite_add_tcase(s, t);
        return s;
}

TAP_MAIN(suite)
