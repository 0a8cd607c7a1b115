/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records that are cut short, lie about their sizes, or hold anything at all. */
#include "attr.h"
#include "decode-bed.h"
#include "escape.h"

static const size_t sizes[_RECORD_KIND_MAX] = {
        [RECORD_PROCESS] = offsetof(struct record_process, context.executable),
        [RECORD_CALL] = sizeof(struct record_call),
        [RECORD_ELEMENT] = sizeof(struct record_element),
        [RECORD_CALLER] = sizeof(struct record_caller),
        [RECORD_CONTENT] = sizeof(struct record_content),
};

static bool is_right(int k, bool whole) {
        return whole ? k >= 0 : k == -EBADMSG;
}

/* Each length in a block of just that size, so that the sanitizers see a byte read too many. */
START_TEST(truncated) {
        for (uint32_t kind = 0; kind < _RECORD_KIND_MAX; kind++)
                for (size_t n = 0; n <= sizes[kind] + 8; n++) {
                        struct record_header h = {kind, (uint32_t) sizes[kind], 0};
                        _cleanup_free_ char *data = calloc(1, n ?: 1);
                        bool whole = sizes[kind] > 0 && n == sizes[kind];

                        memcpy(data, &h, MIN(n, sizeof(h)));
                        int k = decoder_record(decoder, event, data, n);
                        if (!is_right(k, whole))
                                ck_abort_msg("kind %u, %zu bytes: %d", kind, n, k);

                        /* A record that says itself how short it is. */
                        h.size = (uint32_t) n;
                        memcpy(data, &h, MIN(n, sizeof(h)));
                        k = decoder_record(decoder, event, data, n);
                        if (!is_right(k, whole))
                                ck_abort_msg("kind %u, said to have %zu bytes: %d", kind, n, k);
                }
}
END_TEST

START_TEST(unknown_kinds) {
        struct record_call r = call(BPF_PROG_LOAD, 0);
        static const uint32_t kinds[] = {0, _RECORD_KIND_MAX, 100, 1u << 31, UINT32_MAX};

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                r.header.kind = kinds[i];
                ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
                ck_assert_int_eq(event_next(event, -1), -1); /* nothing of it is used */
        }
}
END_TEST

START_TEST(lying_sizes) {
        static const uint32_t beyond[] = {1, 2, 1000, 1u << 16, 1u << 31, UINT32_MAX};
        struct record_call r;
        struct record_element element_record;
        struct record_content content;

        for (size_t i = 0; i < ELEMENTSOF(beyond); i++) {
                r = call(BPF_PROG_LOAD, 0);
                r.attr_size = MAX(beyond[i], RECORD_ATTR_MAX + beyond[i]);
                ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
                r = call(BPF_PROG_LOAD, 0);
                r.string_size = MAX(beyond[i], RECORD_STRING_MAX + beyond[i]);
                ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
                r = call(BPF_PROG_LOAD, 0);
                r.common_size = MAX(beyond[i], RECORD_COMMON_MAX + beyond[i]);
                ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
                r = call(BPF_PROG_LOAD, 0);
                r.object.kind = MAX(beyond[i], OBJECT_BTF + beyond[i]);
                ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
                element_record = element(BPF_MAP_LOOKUP_ELEM, 0);
                element_record.attr_size = MAX(beyond[i], RECORD_ELEMENT_ATTR_MAX + beyond[i]);
                ck_assert_int_eq(
                        decoder_record(decoder, event, &element_record, sizeof(element_record)),
                        -EBADMSG);
                content = content_of(element(BPF_MAP_LOOKUP_ELEM, 0));
                content.content.key_size = MAX(beyond[i], RECORD_CONTENT_MAX + 1u);
                ck_assert_int_eq(decoder_record(decoder, event, &content, sizeof(content)),
                                 -EBADMSG);
                content = content_of(element(BPF_MAP_LOOKUP_ELEM, 0));
                content.content.value_size = MAX(beyond[i], RECORD_CONTENT_MAX + 1u);
                ck_assert_int_eq(decoder_record(decoder, event, &content, sizeof(content)),
                                 -EBADMSG);
        }

        /* What is just full is taken, also without any NUL. */
        r = call(BPF_OBJ_PIN, 0);
        r.attr_size = RECORD_ATTR_MAX;
        r.string_size = RECORD_STRING_MAX;
        memset(r.string, 's', sizeof(r.string));
        memset(r.task.comm, 'c', sizeof(r.task.comm));
        r.object.kind = OBJECT_MAP;
        memset(r.object.name, 'n', sizeof(r.object.name));
        decode(&r);
        ck_assert_uint_eq(strlen(event_string(event, FIELD_PIN_PATH)), RECORD_STRING_MAX);
        ck_assert_uint_eq(strlen(event_string(event, FIELD_PROCESS_NAME)), 16);
        ck_assert_uint_eq(strlen(event_string(event, FIELD_MAP_NAME)), 16);
}
END_TEST

START_TEST(context_sizes) {
        static const char path[RECORD_EXECUTABLE_MAX + RECORD_CGROUP_MAX];
        const struct record_task t = task();
        struct record_process r = {.header = header(RECORD_PROCESS, sizeof(r)), .task = t};

        for (uint64_t entered = 0; entered < 2; entered++) {
                ck_assert_int_eq(tell_context(&t, entered, path, RECORD_EXECUTABLE_MAX, path,
                                              RECORD_CGROUP_MAX),
                                 0);
                ck_assert_int_eq(
                        tell_context(&t, entered, path, RECORD_EXECUTABLE_MAX + 1, path, 1),
                        -EBADMSG);
                ck_assert_int_eq(tell_context(&t, entered, path, 1, path, RECORD_CGROUP_MAX + 1),
                                 -EBADMSG);
                /* Paths that are not there, and bytes that are of none. */
                r.entered = entered;
                r.header.size = offsetof(struct record_process, context.executable) + 10;
                for (uint16_t n = 0; n < 20; n++) {
                        r.context.executable_size = n;
                        ck_assert_int_eq(decoder_record(decoder, event, &r, r.header.size),
                                         n == 10 ? 0 : -EBADMSG);
                }
        }
}
END_TEST

/* A check of its own costs a system call: in loops they are made only when they fail. */
static void assert_utf8(const char *s) {
        for (size_t n; *s; s += n) {
                n = utf8_sequence(s, strlen(s));
                if (n == 0)
                        ck_abort_msg("\"%s\" is not UTF-8", s);
        }
}

/* Whatever is in it, a record of the right shape makes an event that the bus can carry. */
static void assert_sound(uint32_t cmd, int64_t ret) {
        assert_string(FIELD_EVENT, command_info(cmd, ret)->event);
        assert_u32(FIELD_BPF_CMD_NUMBER, cmd);
        ck_assert_uint_eq(event->truncated, 0);
        for (int f = -1; (f = event_next(event, f)) >= 0;) {
                const struct value *v = event_get(event, (enum field) f);
                if (v->type != field_info((enum field) f)->type)
                        ck_abort_msg("%s has a wrong type", field_info((enum field) f)->name);
                if (v->type == TYPE_STRING)
                        assert_utf8(v->string);
                for (size_t i = 0; v->type == TYPE_DICT && i < v->dict.n; i++)
                        if (v->dict.items[i].value.type == TYPE_STRING)
                                assert_utf8(v->dict.items[i].value.string);
        }
}

static void fill_randomly(void *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                ((uint8_t *) data)[i] = (uint8_t) rand();
}

START_TEST(random_attributes) {
        srand(20 + (unsigned) _i);
        for (uint32_t cmd = 0; cmd <= 64; cmd++)
                for (uint32_t size = 0; size <= RECORD_ATTR_MAX; size += 1 + (uint32_t) _i) {
                        struct record_call r = call(cmd, rand() % 3 - 1);

                        fill_randomly(r.attr, size);
                        if (rand() % 2)
                                r.attr[8] &= 0x3f; /* an attach type that may exist */
                        if (rand() % 2)
                                memset(r.attr + 9, 0, 3);
                        r.attr_size = size;
                        decode(&r);
                        assert_sound(cmd, r.outcome.ret);
                }
}
END_TEST

START_TEST(random_records) {
        srand(4711);
        for (int round = 0; round < 5000; round++) {
                struct record_call r;
                struct record_element q;

                fill_randomly(&r, sizeof(r));
                r.header = header(RECORD_CALL, sizeof(r));
                r.attr_size %= RECORD_ATTR_MAX + 1;
                r.string_size %= RECORD_STRING_MAX + 1;
                r.common_size %= RECORD_COMMON_MAX + 1;
                r.object.kind %= OBJECT_BTF + 1;
                r.target.text_size %= RECORD_STRING_MAX + 1;
                r.outcome.cmd %= 64;
                decode(&r);
                assert_sound(r.outcome.cmd, r.outcome.ret);

                fill_randomly(&q, sizeof(q));
                q.header.kind = RECORD_ELEMENT;
                q.header.size = sizeof(q);
                q.attr_size %= RECORD_ELEMENT_ATTR_MAX + 1;
                q.outcome.cmd %= 64;
                ck_assert_int_eq(decoder_record(decoder, event, &q, sizeof(q)), 1);
                assert_sound(q.outcome.cmd, q.outcome.ret);
        }
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("record");
        TCase *c = tcase_create("hostile");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, truncated);
        tcase_add_test(c, context_sizes);
        tcase_add_test(c, unknown_kinds);
        tcase_add_test(c, lying_sizes);
        tcase_add_loop_test(c, random_attributes, 0, 3);
        tcase_add_test(c, random_records);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
