/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>
#include <math.h>
#include <sys/socket.h>

#include "bus-json.h"
#include "tap-main.h"

/* A connection that nobody answers: enough to make messages with. */
static sd_bus *make_bus(void) {
        sd_bus *bus = NULL;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(bus, fds[0], fds[0]), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        close(fds[1]);
        return bus;
}

static sd_bus_message *make_message(sd_bus *bus) {
        sd_bus_message *m = NULL;

        ck_assert_int_ge(sd_bus_message_new_signal(bus, &m, "/", "a.b", "C"), 0);
        return m;
}

static void seal(sd_bus_message *m) {
        ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
}

static void assert_json(struct json_object *o, const char *json) {
        ck_assert_str_eq(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE),
                         json);
}

START_TEST(every_type) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = make_bus();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_message(bus);
        _cleanup_json_ struct json_object *o = NULL;

        ck_assert_int_ge(sd_bus_message_append(m, "(ybnqiuxtdsogasaua{sv}a{us}a(iv)vad)", 255, 1,
                                               -32768, 65535, INT32_MIN, UINT32_MAX, INT64_MIN,
                                               UINT64_MAX, 0.5, "s\x1b", "/a/b", "a{sv}", 2, "x",
                                               "y", 0, 1, "k", "v", "as", 1, "z", 1, 7, "seven", 1,
                                               1, "t", UINT64_C(9), "v", "b", 0, 2, (double) NAN,
                                               (double) INFINITY),
                         0);
        seal(m);
        ck_assert_int_eq(bus_json_read(m, &o), 1);
        assert_json(o, "[255,true,-32768,65535,-2147483648,4294967295,-9223372036854775808,"
                       "18446744073709551615,0.5,\"s\\u001b\",\"/a/b\",\"a{sv}\",[\"x\",\"y\"],[],"
                       "{\"k\":[\"z\"]},{\"7\":\"seven\"},[[1,9]],false,[null,null]]");
        ck_assert_int_eq(bus_json_read(m, &o), 0);
}
END_TEST

START_TEST(bytes_are_hexadecimal) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = make_bus();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_message(bus);
        _cleanup_json_ struct json_object *o = NULL, *empty = NULL;
        static const uint8_t data[] = {0x00, 0xff, 0x1b};

        ck_assert_int_ge(sd_bus_message_append_array(m, 'y', data, sizeof(data)), 0);
        ck_assert_int_ge(sd_bus_message_append_array(m, 'y', NULL, 0), 0);
        seal(m);
        ck_assert_int_eq(bus_json_read(m, &o), 1);
        assert_json(o, "\"00ff1b\"");
        ck_assert_int_eq(bus_json_read(m, &empty), 1);
        assert_json(empty, "\"\"");
}
END_TEST

static sd_bus_message *make_row(sd_bus *bus) {
        sd_bus_message *m = make_message(bus);

        /* prog.id has a type that the table does not know it by; "new.field" is no field. */
        ck_assert_int_ge(sd_bus_message_append(m, "a{sv}", 5, "seq", "t", UINT64_C(3), "event", "s",
                                               "pin", "bpf.attr", "a{sv}", 1, "fd", "i", -1,
                                               "prog.id", "s", "odd", "new.field", "(ib)", 4, 1),
                         0);
        seal(m);
        return m;
}

START_TEST(whole_row) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = make_bus();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_row(bus);
        _cleanup_json_ struct json_object *o = NULL;

        ck_assert_int_eq(bus_json_read_row(m, NULL, &o), 1);
        assert_json(o, "{\"seq\":3,\"event\":\"pin\",\"bpf.attr\":{\"fd\":-1},\"prog.id\":\"odd\","
                       "\"new.field\":[4,true]}");
}
END_TEST

START_TEST(some_of_a_row) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = make_bus();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_row(bus);
        _cleanup_json_ struct json_object *o = NULL;
        struct field_set only = {};

        field_set_add(&only, FIELD_EVENT);
        field_set_add(&only, FIELD_LINK_ID);
        ck_assert_int_eq(bus_json_read_row(m, &only, &o), 1);
        assert_json(o, "{\"event\":\"pin\"}");
}
END_TEST

START_TEST(rows) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = make_bus();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_message(bus);
        _cleanup_json_ struct json_object *o = NULL;

        ck_assert_int_ge(sd_bus_message_append(m, "aa{sv}", 3, 1, "seq", "t", UINT64_C(1), 0, 1,
                                               "event", "s", "x"),
                         0);
        seal(m);
        ck_assert_int_eq(bus_json_read_rows(m, &o), 1);
        assert_json(o, "[{\"seq\":1},{},{\"event\":\"x\"}]");
}
END_TEST

/* What is no row is refused, and nothing is handed out. */
START_TEST(no_row) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = make_bus();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = make_message(bus);
        _cleanup_json_ struct json_object *o = NULL;

        ck_assert_int_ge(sd_bus_message_append(m, "a{ss}", 1, "event", "x"), 0);
        seal(m);
        ck_assert_int_lt(bus_json_read_row(m, NULL, &o), 0);
        ck_assert_int_lt(bus_json_read_rows(m, &o), 0);
        ck_assert_ptr_null(o);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-bus-json");
        TCase *c = tcase_create("bus-json");

        tcase_add_test(c, every_type);
        tcase_add_test(c, bytes_are_hexadecimal);
        tcase_add_test(c, whole_row);
        tcase_add_test(c, some_of_a_row);
        tcase_add_test(c, rows);
        tcase_add_test(c, no_row);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
