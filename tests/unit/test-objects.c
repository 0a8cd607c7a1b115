/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who brought an object, how long it lived, and who touches what is our own. */

#include "decode-bed.h"
#include "intern.h"
#include "objects.h"
#include "tamper.h"

enum { SELF = 4242, OTHER = 900, FIRST = 812 };

static struct objects *objects;

static void begin(void) {
        setup();
        ck_assert_int_eq(objects_new(&objects), 0);
        objects_set_self(objects, SELF);
}

static void end(void) {
        objects_free(objects);
        teardown();
}

static bool follow(void) {
        return objects_follow(objects, event, false);
}

static void assert_pid(enum field f, uint32_t pid) {
        assert_u32(f, pid);
}

/* Calls ---------------------------------------------------------------------------------------- */

static struct record_object program(uint32_t id) {
        return (struct record_object){.kind = OBJECT_PROG,
                                      .id = id,
                                      .type = BPF_PROG_TYPE_KPROBE,
                                      .name = "watch",
                                      .tag = {1, 2, 3, 4, 5, 6, 7, 8}};
}

static struct record_object map(uint32_t id) {
        return (struct record_object){
                .kind = OBJECT_MAP, .id = id, .type = BPF_MAP_TYPE_HASH, .name = "flows"};
}

static struct record_object link_of(uint32_t id, uint32_t prog_id) {
        return (struct record_object){
                .kind = OBJECT_LINK, .id = id, .type = BPF_LINK_TYPE_TRACING, .prog_id = prog_id};
}

static bool called(uint32_t cmd, int64_t ret, struct record_object o, uint32_t pid) {
        struct record_call r = call(cmd, ret);

        r.object = o;
        r.task.tgid = r.task.tid = pid;
        snprintf(r.task.comm, sizeof(r.task.comm), "p%u", pid);
        decode(&r);
        return follow();
}

/* pid 0: in nobody's name. `later`: ns after now. */
static void decode_free(struct record_object o, uint32_t pid, uint64_t later) {
        struct record_free r = {
                .header = header(RECORD_FREE, sizeof(r)),
                .task = task(),
                .flags = pid ? CALL_ATTRIBUTED : 0,
                .source = HOOK_SECURITY_BPF_MAP_FREE,
                .object = o,
        };

        r.header.time += later;
        r.task.tgid = r.task.tid = pid;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
}

static bool freed(struct record_object o, uint32_t pid) {
        decode_free(o, pid, 0);
        return follow();
}

/* Who brought it ------------------------------------------------------------------------------- */

START_TEST(loader) {
        struct record_call r = call(BPF_PROG_LOAD, 3);

        r.object = program(77);
        r.entered = 1;
        ck_assert_int_eq(tell_context(&r.task, 1, "bpftrace\0bin\0usr", 17, "", 0), 0);
        r.task.uid = 1000;
        decode(&r);
        ck_assert(follow());
        assert_absent(FIELD_LOADED_BY_PID); /* process.* says it */

        ck_assert(called(BPF_PROG_ATTACH, 0, program(77), OTHER));
        assert_pid(FIELD_PROCESS_PID, OTHER);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        assert_string(FIELD_LOADED_BY_NAME, "bpftool");
        assert_string(FIELD_LOADED_BY_EXECUTABLE, "/usr/bin/bpftrace");
        assert_u32(FIELD_LOADED_BY_USER_ID, 1000);
        ck_assert(event_has(event, FIELD_LOADED_BY_TIME));
        assert_absent(FIELD_EXISTED);
        assert_absent(FIELD_LOADED_BY_UNIT);
}
END_TEST

START_TEST(unit_of_loader) {
        struct record_call r = call(BPF_MAP_CREATE, 3);

        r.object = map(5);
        r.entered = 1;
        tell_context(&r.task, 1, "x", 2, "demo.service\0system.slice", 26);
        decode(&r);
        follow();
        freed(map(5), OTHER);
        assert_string(FIELD_LOADED_BY_UNIT, "demo.service");
}
END_TEST

START_TEST(life) {
        called(BPF_MAP_CREATE, 3, map(5), FIRST);
        decode_free(map(5), OTHER, 4000000000);
        ck_assert(follow());
        assert_string(FIELD_EVENT, "map-free");
        assert_string(FIELD_CLASS, "remove");
        assert_string(FIELD_RESULT, "ok");
        assert_pid(FIELD_PROCESS_PID, OTHER);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        assert_string(FIELD_MESSAGE, "bpftool freed hash map \"flows\" (id 5)");
        uint64_t lifetime = event_get(event, FIELD_LIFETIME)->u64;
        ck_assert_uint_ge(lifetime, 4000000000);
        ck_assert_uint_lt(lifetime, 5000000000);

        /* It is forgotten: the id may come again. */
        ck_assert_uint_eq(objects_count(objects), 0);
        ck_assert(freed(map(5), OTHER));
        assert_absent(FIELD_LOADED_BY_PID);
        assert_absent(FIELD_LIFETIME);
}
END_TEST

START_TEST(in_nobodys_name) {
        called(BPF_PROG_LOAD, 3, program(77), FIRST);
        ck_assert(freed(program(77), 0));
        assert_string(FIELD_EVENT, "prog-unload");
        ck_assert(!event_get(event, FIELD_ATTRIBUTED)->boolean);
        assert_absent(FIELD_PROCESS_PID);
        assert_absent(FIELD_USER_ID);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        assert_string(FIELD_MESSAGE, "The kernel unloaded kprobe program \"watch\" (id 77)");
}
END_TEST

/* A monitor knows nothing but the id. */
START_TEST(from_memory) {
        struct record_action r = {
                .header = header(RECORD_ACTION, sizeof(r)),
                .action = ACTION_FREE,
                .object = {.kind = OBJECT_PROG, .id = 77},
        };

        called(BPF_PROG_LOAD, 3, program(77), FIRST);
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        event_clear(event, FIELD_PROG_TYPE); /* as it says when it does not know */
        ck_assert(follow());
        assert_string(FIELD_PROG_NAME, "watch");
        assert_string(FIELD_PROG_TYPE, "kprobe");
        assert_string(FIELD_PROG_TAG, "0102030405060708");
        assert_string(FIELD_MESSAGE, "The kernel unloaded kprobe program \"watch\" (id 77)");
}
END_TEST

/* Of one that goes a hook and a monitor tell, or the monitor alone; of one that nobody knew, too.
 */
START_TEST(goes_once) {
        called(BPF_PROG_LOAD, 3, program(77), FIRST);
        ck_assert(freed(program(77), OTHER));
        ck_assert(!freed(program(77), 0));
        ck_assert(freed(program(78), 0));
        ck_assert(!freed(program(78), 0));
        /* It went before, and comes again: ids do, in the end. */
        called(BPF_PROG_LOAD, 3, program(78), FIRST);
        ck_assert(freed(program(78), 0));
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        ck_assert(freed(map(78), 0));
}
END_TEST

START_TEST(failures_bring_nothing) {
        called(BPF_MAP_CREATE, -EPERM, (struct record_object){}, FIRST);
        called(BPF_PROG_ATTACH, -EINVAL, program(77), FIRST);
        ck_assert_uint_eq(objects_count(objects), 0);
}
END_TEST

START_TEST(same_id_again) {
        called(BPF_MAP_CREATE, 3, map(5), FIRST);
        called(BPF_MAP_CREATE, 3, map(5), OTHER); /* its end went unseen */
        ck_assert_uint_eq(objects_count(objects), 1);
        freed(map(5), FIRST);
        assert_pid(FIELD_LOADED_BY_PID, OTHER);
}
END_TEST

START_TEST(kinds_have_ids_of_their_own) {
        called(BPF_MAP_CREATE, 3, map(5), FIRST);
        called(BPF_PROG_LOAD, 3, program(5), OTHER);
        freed(program(5), FIRST);
        assert_pid(FIELD_LOADED_BY_PID, OTHER);
        freed(map(5), OTHER);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
}
END_TEST

/* Loaded by one, attached by the next, detached by a third. */
START_TEST(links) {
        called(BPF_PROG_LOAD, 3, program(77), FIRST);
        ck_assert(called(BPF_LINK_CREATE, 4, link_of(9, 77), OTHER));
        assert_pid(FIELD_PROCESS_PID, OTHER);
        assert_pid(FIELD_LOADED_BY_PID, FIRST); /* of the program */

        ck_assert(called(BPF_LINK_DETACH, 0, link_of(9, 77), 901));
        assert_pid(FIELD_PROCESS_PID, 901);
        assert_pid(FIELD_LOADED_BY_PID, OTHER); /* of the link */

        freed(link_of(9, 77), 901);
        assert_string(FIELD_EVENT, "link-free");
        assert_pid(FIELD_LOADED_BY_PID, OTHER);
        freed(program(77), 901);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        ck_assert_uint_eq(objects_count(objects), 0);
}
END_TEST

START_TEST(bounded) {
        for (uint32_t id = 1; id <= OBJECTS_MAX + 10; id++)
                ck_assert_int_eq(
                        objects_add(objects, &(struct existing){.kind = OBJECT_MAP, .id = id}), 0);
        ck_assert_uint_eq(objects_count(objects), OBJECTS_MAX);
        freed(map(10), FIRST);
        assert_absent(FIELD_EXISTED);
        freed(map(11), FIRST);
        ck_assert(event_has(event, FIELD_EXISTED));
}
END_TEST

/* What was there ------------------------------------------------------------------------------- */

START_TEST(existing) {
        uint64_t now = clock_ns(CLOCK_REALTIME) / 1000;
        struct existing x = {.kind = OBJECT_PROG,
                             .id = 3,
                             .name = "old",
                             .type = "xdp",
                             .tag = "0011223344556677",
                             .time = now - 5000000,
                             .has_user = true,
                             .user = 1001};
        struct record_object o = {.kind = OBJECT_PROG, .id = 3, .type = BPF_PROG_TYPE_XDP};

        ck_assert_int_eq(objects_add(objects, &x), 0);
        freed(o, OTHER);
        ck_assert(event_get(event, FIELD_EXISTED)->boolean);
        assert_string(FIELD_PROG_NAME, "old");
        assert_string(FIELD_PROG_TAG, "0011223344556677");
        assert_u32(FIELD_LOADED_BY_USER_ID, 1001);
        ck_assert_uint_eq(event_get(event, FIELD_LOADED_BY_TIME)->u64, now - 5000000);
        assert_absent(FIELD_LOADED_BY_PID);
        assert_absent(FIELD_LOADED_BY_NAME);
        ck_assert_uint_ge(event_get(event, FIELD_LIFETIME)->u64, 4900000000);
}
END_TEST

/* It came while we looked: its event tells more. */
START_TEST(existing_and_seen) {
        called(BPF_MAP_CREATE, 3, map(5), FIRST);
        objects_add(objects, &(struct existing){.kind = OBJECT_MAP, .id = 5});
        freed(map(5), OTHER);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        assert_absent(FIELD_EXISTED);

        objects_add(objects, &(struct existing){.kind = OBJECT_MAP, .id = 6});
        called(BPF_MAP_CREATE, 3, map(6), FIRST);
        freed(map(6), OTHER);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        assert_absent(FIELD_EXISTED);
}
END_TEST

START_TEST(strictly_what_was_seen) {
        decode_free(map(5), OTHER, 0);
        ck_assert(!objects_follow(objects, event, true));
        called(BPF_MAP_CREATE, 3, map(5), FIRST);
        decode_free(map(5), OTHER, 0);
        ck_assert(objects_follow(objects, event, true));
}
END_TEST

/* Our own -------------------------------------------------------------------------------------- */

START_TEST(of_ourselves_nothing) {
        objects_set_own(objects, OBJECT_LINK, 9, false);
        ck_assert(!freed(link_of(9, 77), SELF));
        ck_assert(!freed(link_of(9, 77), 0));
        /* Nobody knows it: we made it and dropped it again. */
        ck_assert(!freed(program(78), SELF));
        ck_assert_uint_eq(objects_count(objects), 0);
}
END_TEST

/* We held it for a moment, to look at it, when its owner let go. */
START_TEST(last_in_our_hands) {
        called(BPF_MAP_CREATE, 3, map(5), FIRST);
        ck_assert(freed(map(5), SELF));
        ck_assert(!event_get(event, FIELD_ATTRIBUTED)->boolean);
        assert_absent(FIELD_PROCESS_PID);
        assert_absent(FIELD_PROCESS_NAME);
        assert_absent(FIELD_USER_ID);
        assert_pid(FIELD_LOADED_BY_PID, FIRST);
        assert_string(FIELD_MESSAGE, "The kernel freed hash map \"flows\" (id 5)");
}
END_TEST

START_TEST(given_up) {
        objects_set_own(objects, OBJECT_LINK, 9, false);
        ck_assert(objects_is_own(objects, OBJECT_LINK, 9));
        objects_set_own(objects, OBJECT_LINK, 9, true);
        ck_assert(!objects_is_own(objects, OBJECT_LINK, 9));
        ck_assert(called(BPF_LINK_DETACH, 0, link_of(9, 77), OTHER));
        assert_string(FIELD_EVENT, "detach");

        /* Not one of ours: it stays. */
        called(BPF_MAP_CREATE, 3, map(5), FIRST);
        objects_set_own(objects, OBJECT_MAP, 5, true);
        ck_assert_uint_eq(objects_count(objects), 1);
}
END_TEST

static void assert_tamper(const char *message) {
        assert_string(FIELD_EVENT, "tamper");
        assert_string(FIELD_CLASS, "self");
        assert_string(FIELD_SEVERITY, "critical");
        assert_string(FIELD_MESSAGE, message);
}

START_TEST(touched) {
        static const struct {
                uint32_t cmd;
                int64_t ret;
                const char *message;
        } rows[] = {
                {BPF_MAP_GET_FD_BY_ID, 7, "p900 opened bpfmond's own hash map \"flows\" (id 7)"},
                {BPF_MAP_FREEZE, 0, "p900 froze bpfmond's own hash map \"flows\" (id 7)"},
                {BPF_OBJ_PIN, 0, "p900 pinned bpfmond's own hash map \"flows\" (id 7)"},
                {BPF_MAP_FREEZE, -EPERM,
                 "p900 was not allowed to freeze bpfmond's own hash map \"flows\" (id 7): EPERM"},
                {BPF_OBJ_PIN, -EEXIST,
                 "p900 failed to pin bpfmond's own hash map \"flows\" (id 7): EEXIST"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                objects_free(objects);
                ck_assert_int_eq(objects_new(&objects), 0);
                objects_set_own(objects, OBJECT_MAP, 7, false);
                ck_assert(called(rows[i].cmd, rows[i].ret, map(7), OTHER));
                assert_tamper(rows[i].message);
                assert_pid(FIELD_PROCESS_PID, OTHER);
                ck_assert_uint_eq(event_get(event, FIELD_BPF_CMD_NUMBER)->u32, rows[i].cmd);
                assert_absent(FIELD_CALLS);
        }
}
END_TEST

START_TEST(touched_link) {
        objects_set_own(objects, OBJECT_LINK, 9, false);
        ck_assert(called(BPF_LINK_DETACH, -EOPNOTSUPP, link_of(9, 77), OTHER));
        assert_tamper("p900 failed to detach bpfmond's own tracing link 9 of program 77: "
                      "EOPNOTSUPP");
        assert_u32(FIELD_LINK_ID, 9);
}
END_TEST

START_TEST(not_touched) {
        objects_set_own(objects, OBJECT_MAP, 7, false);
        ck_assert(called(BPF_OBJ_GET_INFO_BY_FD, 0, map(7), OTHER));
        assert_string(FIELD_EVENT, "object-query");
        ck_assert(called(BPF_MAP_FREEZE, 0, map(8), OTHER));
        assert_string(FIELD_EVENT, "map-freeze");
}
END_TEST

START_TEST(written) {
        struct record_element r = element(BPF_MAP_UPDATE_ELEM, 0);

        objects_set_own(objects, OBJECT_MAP, 12, false);
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        ck_assert(follow());
        assert_tamper("bpftool wrote to bpfmond's own hash map \"flows\" (id 12)");

        r = element(BPF_MAP_LOOKUP_ELEM, 0);
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        ck_assert(follow());
        assert_string(FIELD_EVENT, "map-access");
}
END_TEST

static bool loads_with_map(uint32_t program_id, uint32_t map_id) {
        const uint32_t maps[] = {3, map_id};
        struct record_call r = call(BPF_PROG_LOAD, 3);

        r.object = program(program_id);
        decode(&r);
        event_set_u32s(event, FIELD_PROG_MAPS, maps, ELEMENTSOF(maps));
        return follow();
}

START_TEST(used_by_another_program) {
        objects_set_own(objects, OBJECT_MAP, 7, false);
        ck_assert(loads_with_map(77, 7));
        assert_string(FIELD_EVENT, "prog-load");
        ck_assert(objects_tamper(objects, event, false));
        assert_tamper(
                "bpftool used an object of bpfmond's own in kprobe program \"watch\" (id 77)");

        ck_assert(loads_with_map(78, 8));
        ck_assert(!objects_tamper(objects, event, false));

        /* Nothing in the event is ours, and the kernel side knows better: it is to run in a program
         * of ours. */
        ck_assert(objects_tamper(objects, event, true));
        assert_tamper(
                "bpftool used an object of bpfmond's own in kprobe program \"watch\" (id 78)");
}
END_TEST

/* Each program is told of, however often our map is used, and remembered. */
START_TEST(use_hides_nothing) {
        int tampers = 0;

        objects_set_own(objects, OBJECT_MAP, 7, false);
        for (uint32_t id = 1; id <= 16; id++) {
                ck_assert(loads_with_map(id, 7));
                assert_string(FIELD_EVENT, "prog-load");
                tampers += objects_tamper(objects, event, false);
        }
        ck_assert_int_eq(tampers, 5);
        ck_assert_uint_eq(objects_count(objects), 16);
}
END_TEST

/* The 1st, 2nd, 4th and 8th time; another process, object or deed is another matter. */
START_TEST(flood) {
        int told = 0;

        objects_set_own(objects, OBJECT_MAP, 7, false);
        objects_set_own(objects, OBJECT_MAP, 8, false);
        for (int i = 1; i <= 10; i++)
                if (called(BPF_MAP_GET_FD_BY_ID, 7, map(7), OTHER)) {
                        told++;
                        if (i > 1)
                                ck_assert_uint_eq(event_get(event, FIELD_CALLS)->u64, i);
                }
        ck_assert_int_eq(told, 4);
        ck_assert(called(BPF_MAP_GET_FD_BY_ID, 7, map(7), OTHER + 1));
        ck_assert(called(BPF_MAP_GET_FD_BY_ID, 7, map(8), OTHER));
        ck_assert(called(BPF_MAP_FREEZE, 0, map(7), OTHER));
        assert_absent(FIELD_CALLS);
}
END_TEST

/* A listing opens all programs: that is one matter. */
START_TEST(listing) {
        int told = 0;

        for (uint32_t id = 1; id <= 100; id++) {
                objects_set_own(objects, OBJECT_PROG, id, false);
                told += called(BPF_PROG_GET_FD_BY_ID, 7, program(id), OTHER);
        }
        ck_assert_int_eq(told, 7);
}
END_TEST

/* Bytes kept once ------------------------------------------------------------------------------ */

START_TEST(interned) {
        struct intern *in;
        char text[16];
        const char *first, *last;

        ck_assert_int_eq(intern_new(&in), 0);
        first = intern_string(in, "hash");
        snprintf(text, sizeof(text), "hash");
        ck_assert_ptr_eq(intern_string(in, text), first);
        ck_assert_ptr_ne(intern_hold(in, "hash", 4), first);
        ck_assert_ptr_null(intern_string(in, NULL));
        ck_assert_uint_eq(intern_count(in), 2);

        for (int i = 0; i < 3000; i++) {
                snprintf(text, sizeof(text), "name %d", i);
                last = intern_string(in, text);
                ck_assert_str_eq(last, text);
        }
        ck_assert_ptr_eq(intern_string(in, "hash"), first);
        for (int i = 0; i < 3; i++) {
                ck_assert_uint_eq(intern_count(in), 3002);
                intern_release(in, first);
        }
        ck_assert_uint_eq(intern_count(in), 3001);
        intern_release(in, NULL);
        intern_free(in);
        intern_free(NULL);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("objects");
        TCase *t = tcase_create("objects");

        tcase_add_checked_fixture(t, begin, end);
        tcase_add_test(t, loader);
        tcase_add_test(t, unit_of_loader);
        tcase_add_test(t, life);
        tcase_add_test(t, in_nobodys_name);
        tcase_add_test(t, from_memory);
        tcase_add_test(t, goes_once);
        tcase_add_test(t, failures_bring_nothing);
        tcase_add_test(t, same_id_again);
        tcase_add_test(t, kinds_have_ids_of_their_own);
        tcase_add_test(t, links);
        tcase_add_test(t, bounded);
        tcase_add_test(t, existing);
        tcase_add_test(t, existing_and_seen);
        tcase_add_test(t, strictly_what_was_seen);
        tcase_add_test(t, of_ourselves_nothing);
        tcase_add_test(t, last_in_our_hands);
        tcase_add_test(t, given_up);
        tcase_add_test(t, touched);
        tcase_add_test(t, touched_link);
        tcase_add_test(t, not_touched);
        tcase_add_test(t, written);
        tcase_add_test(t, used_by_another_program);
        tcase_add_test(t, use_hides_nothing);
        tcase_add_test(t, flood);
        tcase_add_test(t, listing);
        tcase_add_test(t, interned);
        suite_add_tcase(s, t);
        return s;
}

TAP_MAIN(suite)
