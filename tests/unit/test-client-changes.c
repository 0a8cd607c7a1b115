/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was added and removed, from events and from what is there. */

#include <json.h>

#include "changes.h"
#include "tap-main.h"

static struct changes *changes;
static struct json_object *rows;
static struct changes_summary summary;

static void setup(void) {
        ck_assert_int_eq(changes_new(&changes), 0);
        rows = NULL;
}

static void teardown(void) {
        changes_free(changes);
        json_object_put(rows);
}

static void follow(const char *event) {
        struct json_object *e = json_tokener_parse(event);

        ck_assert_ptr_nonnull(e);
        ck_assert_int_eq(changes_follow(changes, e), 0);
        json_object_put(e);
}

static void compare(const char *kind, const char *list, uint64_t since) {
        struct json_object *objects = json_tokener_parse(list);

        ck_assert_ptr_nonnull(objects);
        ck_assert_int_eq(changes_compare(changes, kind, objects, since), 0);
        json_object_put(objects);
}

static void finish(size_t added, size_t removed, size_t replaced, size_t passing) {
        ck_assert_int_eq(changes_rows(changes, &rows, &summary), 0);
        ck_assert_uint_eq(summary.added, added);
        ck_assert_uint_eq(summary.removed, removed);
        ck_assert_uint_eq(summary.replaced, replaced);
        ck_assert_uint_eq(summary.passing, passing);
        ck_assert_uint_eq(json_object_array_length(rows), added + removed + replaced);
}

static const char *text(size_t i, const char *key) {
        return json_object_get_string(
                json_object_object_get(json_object_array_get_idx(rows, i), key));
}

#define LOAD(id)   "{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.id\":" #id "}"
#define UNLOAD(id) "{\"event\":\"prog-unload\",\"result\":\"ok\",\"prog.id\":" #id "}"

START_TEST(comes_and_goes) {
        follow(LOAD(1));
        follow(LOAD(2));
        follow(UNLOAD(2));
        follow(UNLOAD(3));
        follow("{\"event\":\"map-create\",\"result\":\"ok\",\"map.id\":1}");
        follow("{\"event\":\"map-create\",\"result\":\"denied\",\"map.id\":2}");
        finish(2, 1, 0, 1);
        ck_assert_str_eq(text(0, "prog.id"), "1");
        ck_assert_str_eq(text(0, "change"), "added");
        ck_assert_str_eq(text(1, "prog.id"), "3");
        ck_assert_str_eq(text(1, "change"), "removed");
        ck_assert_str_eq(text(2, "map.id"), "1");
}
END_TEST

/* The same program at two places; a pin that another one takes the place of. */
START_TEST(places) {
        follow("{\"event\":\"attach\",\"result\":\"ok\",\"prog.id\":1,\"attach.type\":\"xdp\","
               "\"attach.target\":\"eth0\"}");
        follow("{\"event\":\"attach\",\"result\":\"ok\",\"prog.id\":1,\"attach.type\":\"xdp\","
               "\"attach.target\":\"eth1\"}");
        follow("{\"event\":\"detach\",\"result\":\"ok\",\"prog.id\":1,\"attach.type\":\"xdp\","
               "\"attach.target\":\"eth1\"}");
        follow("{\"event\":\"unpin\",\"result\":\"ok\",\"pin.path\":\"/a\",\"prog.id\":1}");
        follow("{\"event\":\"pin\",\"result\":\"ok\",\"pin.path\":\"/a\",\"prog.id\":2}");
        /* This one makes a link. */
        follow("{\"event\":\"attach\",\"result\":\"ok\",\"prog.id\":1,\"link.id\":9}");
        finish(2, 0, 1, 1);
        ck_assert_str_eq(text(0, "link.id"), "9");
        ck_assert_str_eq(text(1, "attach.target"), "eth0");
        ck_assert_str_eq(text(2, "change"), "replaced");
        ck_assert_str_eq(text(2, "prog.id"), "2");
}
END_TEST

/* Ids of another boot are of other objects. */
START_TEST(boots) {
        follow("{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.id\":1,\"boot.id\":\"a\"}");
        follow("{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.id\":2,\"boot.id\":\"a\"}");
        follow("{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.id\":1,\"boot.id\":\"b\","
               "\"prog.name\":\"new\",\"time\":5}");
        finish(1, 0, 0, 2);
        ck_assert_str_eq(text(0, "prog.name"), "new");
        ck_assert_uint_eq(summary.boots, 1);
        ck_assert_uint_eq(summary.booted, 5);
}
END_TEST

START_TEST(what_is_there) {
        follow(LOAD(1));
        follow(LOAD(2));
        follow("{\"event\":\"attach\",\"result\":\"ok\",\"prog.id\":1,\"attach.target\":\"eth0\"}");
        follow(UNLOAD(7));
        /* 1 went without an event, 5 came without one, 6 was there before, 8 is bpfmond's. */
        compare("prog",
                "[{\"prog.id\":2,\"prog.load_time\":100},{\"prog.id\":5,\"prog.load_time\":200},"
                "{\"prog.id\":6,\"prog.load_time\":10},"
                "{\"prog.id\":8,\"prog.load_time\":200,\"own\":true}]",
                50);
        compare("map", "[{\"map.id\":3,\"loaded_by.time\":60},{\"map.id\":4}]", 50);
        finish(3, 1, 0, 2);
        ck_assert_str_eq(text(0, "prog.id"), "2");
        ck_assert_str_eq(text(1, "prog.id"), "7");
        ck_assert_str_eq(text(2, "prog.id"), "5");
        ck_assert_str_eq(text(3, "map.id"), "3");
}
END_TEST

START_TEST(losses) {
        follow("{\"event\":\"lost\",\"lost.count\":3}");
        follow("{\"event\":\"lost\"}");
        finish(0, 0, 0, 0);
        ck_assert(summary.lost);
        ck_assert_uint_eq(summary.n_lost, 3);
}
END_TEST

/* Whatever a daemon tells. */
START_TEST(odd) {
        follow("{}");
        follow("{\"event\":5,\"result\":[],\"prog.id\":\"x\"}");
        follow("{\"event\":\"prog-load\",\"result\":\"ok\"}");
        follow("{\"event\":\"pin\",\"result\":\"ok\"}");
        follow("{\"event\":\"prog-load\",\"result\":\"ok\",\"prog.id\":null}");
        finish(0, 0, 0, 0);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-changes");
        TCase *c = tcase_create("changes");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, comes_and_goes);
        tcase_add_test(c, places);
        tcase_add_test(c, boots);
        tcase_add_test(c, what_is_there);
        tcase_add_test(c, losses);
        tcase_add_test(c, odd);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
