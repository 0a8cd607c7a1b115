/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes into the history comes out of it: every type, pages, matches, retention. */

#include "history-bed.h"
#include "history-cache.h"

static bool same_value(const struct value *a, const struct value *b) {
        if (a->type != b->type)
                return false;
        switch (a->type) {
        case TYPE_BOOL:
                return a->boolean == b->boolean;
        case TYPE_U32:
                return a->u32 == b->u32;
        case TYPE_U64:
                return a->u64 == b->u64;
        case TYPE_S64:
                return a->s64 == b->s64;
        case TYPE_STRING:
                return strcmp(a->string, b->string) == 0;
        case TYPE_STRINGS:
                if (a->strings.n != b->strings.n)
                        return false;
                for (size_t i = 0; i < a->strings.n; i++)
                        if (strcmp(a->strings.items[i], b->strings.items[i]) != 0)
                                return false;
                return true;
        case TYPE_U32S:
                return a->u32s.n == b->u32s.n &&
                       memcmp(a->u32s.items, b->u32s.items, a->u32s.n * sizeof(uint32_t)) == 0;
        case TYPE_BYTES:
                return a->bytes.size == b->bytes.size &&
                       memcmp(a->bytes.data, b->bytes.data, a->bytes.size) == 0;
        case TYPE_DICT:
                if (a->dict.n != b->dict.n)
                        return false;
                for (size_t i = 0; i < a->dict.n; i++)
                        if (strcmp(a->dict.items[i].key, b->dict.items[i].key) != 0 ||
                            !same_value(&a->dict.items[i].value, &b->dict.items[i].value))
                                return false;
                return true;
        default:
                return false;
        }
}

/* Stores the event several times (what comes again is written in another way), and compares. */
static void check_round_trip(struct event *e) {
        static struct event got;
        struct history *h = bed_open();
        struct history_answer answer;

        for (uint64_t i = 1; i <= 4; i++) {
                event_set_u64(e, FIELD_SEQ, i);
                history_offer(h, e);
        }
        bed_flush(h);
        ck_assert_int_eq(ASK(&answer, ), 0);
        ck_assert_uint_eq(answer.n, 4);
        ck_assert_uint_eq(answer.unread, 0);
        struct bytes_reader rows = bytes_reader(answer.rows.data, answer.rows.n);
        for (uint64_t i = 1; i <= 4; i++) {
                ck_assert_int_eq(flat_take(&rows, &got), 0);
                ck_assert_uint_eq(event_get(&got, FIELD_SEQ)->u64, i);
                ck_assert_str_eq(event_string(&got, FIELD_BOOT_ID),
                                 "01020304050607080910111213141516");
                event_clear(&got, FIELD_BOOT_ID);
                event_set_u64(e, FIELD_SEQ, i);
                for (int f = 0; f < _FIELD_MAX; f++) {
                        const char *name = field_info(f)->name;
                        const struct value *a = event_get(e, f), *b = event_get(&got, f);

                        ck_assert_msg(!a == !b, "%s is %s", name, b ? "new" : "missing");
                        ck_assert_msg(!a || same_value(a, b), "%s differs (round %u)", name,
                                      (unsigned) i);
                }
        }
        history_answer_done(&answer);
        history_free(h);
}

START_TEST(every_field_with_every_sort_of_value) {
        static const char *const texts[] = {
                "",
                "x",
                "netns 4026532177",
                "0x7ffdf9f96c60",
                "0x0",
                "0x00ff",
                "007 and 0",
                "\"\" \"",
                "10:00",
                "59f4a931744dcdc6",
                "59F4A931744DCDC6",
                "18446744073709551615",
                "184467440737095516150",
                "\x01\x02\x03",
                "\xf0\x9f\x90\x9d \xc3\xa4",
                "trigger loaded kprobe program \"a b\" (id 77)",
                "a \"b\" c \"d",
                "'; DROP TABLE event_1; --",
        };
        static const uint32_t numbers[] = {0, 1, UINT32_MAX, 77};
        static const uint8_t bytes[] = {0, 0, 0, 0, 1, 2, 0, 3, 0, 0, 0, 0, 0, 0, 4, 0, 0};
        struct event *e = &bed_event;

        event_reset(e);
        for (int f = 0; f < _FIELD_MAX; f++) {
                const char *text = texts[((size_t) f + (size_t) _i) % ELEMENTSOF(texts)];
                struct value values[] = {
                        {TYPE_BOOL, .boolean = true},
                        {TYPE_U32, .u32 = UINT32_MAX},
                        {TYPE_U64, .u64 = UINT64_MAX},
                        {TYPE_S64, .s64 = INT64_MIN},
                        {TYPE_STRING, .string = text},
                        {TYPE_STRINGS, .strings = {texts + 1, 9}},
                        {TYPE_U32S, .u32s = {numbers, 4}},
                        {TYPE_BYTES, .bytes = {bytes, sizeof(bytes)}},
                };
                uint64_t big = f % 3 ? UINT64_MAX - (uint64_t) f : (uint64_t) f;

                if (f == FIELD_BOOT_ID)
                        continue;
                switch (field_info(f)->type) {
                case TYPE_BOOL:
                        event_set_bool(e, f, (f + _i) % 2);
                        break;
                case TYPE_U32:
                        event_set_u32(e, f, (uint32_t) big);
                        break;
                case TYPE_U64:
                        event_set_u64(e, f, big);
                        break;
                case TYPE_S64:
                        event_set_s64(e, f, f % 2 ? INT64_MIN : -1);
                        break;
                case TYPE_STRING:
                        event_set_string(e, f, text);
                        break;
                case TYPE_STRINGS:
                        event_set_strings(e, f, texts, ELEMENTSOF(texts));
                        break;
                case TYPE_U32S:
                        event_set_u32s(e, f, numbers, ELEMENTSOF(numbers));
                        break;
                case TYPE_BYTES:
                        event_set_bytes(e, f, bytes, sizeof(bytes));
                        break;
                case TYPE_DICT:
                        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                                static const char *const keys[] = {"a", "b", "c", "d",
                                                                   "e", "f", "g", "0x1 \"q\""};
                                event_dict_add(e, f, keys[i], &values[i]);
                        }
                        break;
                default:
                        ck_abort();
                }
        }
        ck_assert_uint_eq(e->truncated, 0);
        event_set_u64(e, FIELD_TIME, UINT64_C(1700000000000000));
        event_set_static(e, FIELD_CLASS, "install");
        check_round_trip(e);
}
END_TEST

START_TEST(empty_values) {
        struct event *e = &bed_event;
        struct value bytes = {TYPE_BYTES, .bytes = {"", 0}};

        event_reset(e);
        event_set_u64(e, FIELD_TIME, 1);
        event_set_strings(e, FIELD_PROG_HELPERS, (const char *const[]){""}, 0);
        event_set_u32s(e, FIELD_PROG_MAPS, (const uint32_t[]){0}, 0);
        event_set_bytes(e, FIELD_BPF_ATTR_RAW, "", 0);
        event_dict_add(e, FIELD_BPF_ATTR, "nothing", &bytes);
        check_round_trip(e);
}
END_TEST

START_TEST(long_strings) {
        static char text[12000];
        struct event *e = &bed_event;

        memset(text, 'x', sizeof(text) - 1);
        for (size_t i = 0; i < sizeof(text) - 20; i += 16)
                memcpy(text + i, "12345 \"q\" 0xbeef", 16);
        event_reset(e);
        event_set_u64(e, FIELD_TIME, 1);
        event_set_string(e, FIELD_VERIFIER_LOG, text);
        event_set_string(e, FIELD_PROCESS_EXECUTABLE, text + 8000);
        event_set_string(e, FIELD_PROG_NAME, text + 11500);
        check_round_trip(e);
}
END_TEST

START_TEST(matches_find_what_they_match) {
        static const struct {
                const char *term;
                size_t n;
        } rows[] = {
                {"map.id=77", 1},
                {"map.id=0x4d", 1},
                {"map.id=5000", 0},
                {"process.pid=103", 300},
                {"process.pid!=103", 2700},
                {"process.pid<102", 600},
                {"map.name=map_2", 600},
                {"map.name=map_*", 3000},
                {"map.name=*", 3000},
                {"map.name!=*", 0},
                {"process.name=load?r", 3000},
                {"process.name=x", 0},
                {"event=map-create", 3000},
                {"event!=map-create", 0},
                {"event=prog-load", 0},
                {"seq>2990", 10},
                {"unit!=*", 3000},
                {"unit=*", 0},
                {"user.id=0", 3000},
                {"user.id=1", 0},
                {"boot.id=01*", 3000},
                {"map.name=' OR 1=1 --", 0},
                {"map.name=map_1'); DROP TABLE segment; --", 0},
                {"process.name=loader\" OR \"\"=\"", 0},
                {"bpf.attr.x'y=1", 0},
        };

        bed_options.segment_rows = 1000;
        struct history *h = bed_open();
        bed_fill(h, 1, 3000);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                ck_assert_msg(bed_count(rows[i].term) == rows[i].n, "%s: %zu", rows[i].term,
                              bed_count(rows[i].term));
        history_free(h);
}
END_TEST

/* Asks in pages, while events come in. */
static void check_pages(bool reverse, const char *term) {
        const char *const terms[] = {term, NULL};
        char cursor[HISTORY_CURSOR_MAX] = "";
        uint64_t n = 0, next = 3000;
        static struct event e;

        bed_options.segment_rows = 700;
        struct history *h = bed_open();
        bed_fill(h, 1, 3000);
        for (;;) {
                struct history_answer answer;
                struct history_question q = {.until = UINT64_MAX,
                                             .limit = 97,
                                             .reverse = reverse,
                                             .cursor = cursor[0] ? cursor : NULL};

                ck_assert_int_eq(bed_ask(q, terms, &answer), 0);
                struct bytes_reader rows = bytes_reader(answer.rows.data, answer.rows.n);
                while (bytes_left(&rows) > 0) {
                        ck_assert_int_eq(flat_take(&rows, &e), 0);
                        n++;
                        ck_assert_uint_eq(event_get(&e, FIELD_SEQ)->u64, reverse ? 3001 - n : n);
                }
                bool more = answer.more;
                strcpy(cursor, answer.cursor);
                history_answer_done(&answer);
                if (!more || (!reverse && n >= 3000))
                        break;
                bed_fill(h, next + 1, next + 50);
                next += 50;
        }
        ck_assert_uint_ge(n, 3000);
        history_free(h);
}

START_TEST(pages_have_no_gap_and_no_duplicate) {
        check_pages(_i % 2, _i / 2 ? "map.name=map_*" : NULL);
}
END_TEST

/* Whether rows of others pass a match, nobody learns by where it is to go on. */
START_TEST(cursors_tell_nothing_of_others) {
        static const char *const terms[] = {"map.id=5", "map.name=map_3", "map.id=5000",
                                            "map.name=nobody-has-it"};
        struct history *h = bed_open();

        bed_fill(h, 1, 10);
        for (size_t i = 0; i < ELEMENTSOF(terms); i++) {
                const struct viewer viewer = {.scope = SCOPE_OWN, .uid = 65534};
                struct history_answer answer;
                int r = ASK(&answer, .viewer = viewer, terms[i]);

                ck_assert_int_eq(r, 0);
                ck_assert_uint_eq(answer.n, 0);
                ck_assert_str_eq(answer.cursor, "");
                history_answer_done(&answer);
        }
        history_free(h);
}
END_TEST

START_TEST(cursors_of_others_are_refused) {
        static const char *const cursors[] = {"x",     "-",     "0011223344556677-5",  "%s-",
                                              "%s-zz", "%s--5", "%s-ffffffffffffffff", "%s-5 "};
        struct history *h = bed_open();
        struct history_answer answer;
        char name[17];

        bed_fill(h, 1, 10);
        ck_assert_int_eq(ASK(&answer, ), 0);
        snprintf(name, sizeof(name), "%.16s", answer.cursor);
        history_answer_done(&answer);
        for (size_t i = 0; i < ELEMENTSOF(cursors); i++) {
                char cursor[64];

                if (strncmp(cursors[i], "%s", 2) == 0)
                        snprintf(cursor, sizeof(cursor), "%s%s", name, cursors[i] + 2);
                else
                        snprintf(cursor, sizeof(cursor), "%s", cursors[i]);
                int r = ASK(&answer, .cursor = cursor);
                ck_assert_msg(r == -EINVAL, "%s: %d", cursor, r);
                history_answer_done(&answer);
        }
        history_free(h);
}
END_TEST

START_TEST(times_limit_what_comes) {
        struct history *h = bed_open();
        struct history_answer answer;

        bed_options.segment_rows = 30;
        bed_fill(h, 1, 100);
        ck_assert_int_eq(ASK(&answer, .since = UINT64_C(1700000000000000) + 11 * 1000), 0);
        ck_assert_uint_eq(answer.n, 90);
        history_answer_done(&answer);
        ck_assert_int_eq(bed_ask((struct history_question){.since = UINT64_C(1700000000011000),
                                                           .until = UINT64_C(1700000000020000),
                                                           .limit = 1000},
                                 NULL, &answer),
                         0);
        ck_assert_uint_eq(answer.n, 10);
        history_answer_done(&answer);
        history_free(h);
}
END_TEST

START_TEST(clock_set_back) {
        struct history *h = bed_open();
        struct event *e;
        struct history_answer answer;

        bed_fill(h, 1, 50);
        for (uint64_t seq = 51; seq <= 100; seq++) {
                e = bed_make(seq);
                event_set_u64(e, FIELD_TIME, 1000 + seq); /* 1970 */
                history_offer(h, e);
        }
        bed_flush(h);
        ck_assert_uint_eq(bed_count(NULL), 100);
        ck_assert_int_eq(
                bed_ask((struct history_question){.until = 2000, .limit = 1000}, NULL, &answer), 0);
        ck_assert_uint_eq(answer.n, 50);
        history_answer_done(&answer);
        history_free(h);
}
END_TEST

START_TEST(bytes_limit_what_comes) {
        struct history *h = bed_open();
        struct history_answer answer;

        bed_fill(h, 1, 1000);
        ck_assert_int_eq(ASK(&answer, .bytes = 10000), 0);
        ck_assert_uint_gt(answer.n, 5);
        ck_assert_uint_lt(answer.n, 100);
        ck_assert(answer.more);
        history_answer_done(&answer);
        history_free(h);
}
END_TEST

START_TEST(numbers_go_on_after_a_restart) {
        struct history *h = bed_open();

        ck_assert_uint_eq(history_last_seq(h), 0);
        bed_fill(h, 1, 100);
        history_free(h);
        h = bed_open();
        ck_assert_uint_eq(history_last_seq(h), 100);
        bed_fill(h, 101, 120);
        history_free(h);
        ck_assert_uint_eq(bed_count(NULL), 120);
        ck_assert_uint_eq(bed_count("process.pid=103"), 12);
}
END_TEST

START_TEST(boots_are_told_apart) {
        struct history *h = bed_open();

        bed_fill(h, 1, 10);
        history_free(h);
        bed_options.boot.bytes[0] = 0xff;
        h = bed_open();
        bed_fill(h, 11, 30);
        history_free(h);
        ck_assert_uint_eq(bed_count("boot.id=01*"), 10);
        ck_assert_uint_eq(bed_count("boot.id=ff*"), 20);
}
END_TEST

START_TEST(masses_are_not_kept) {
        struct history *h = bed_open();
        struct event *e = bed_make(1);

        event_set_static(e, FIELD_EVENT, "map-access");
        event_set_static(e, FIELD_CLASS, "use");
        history_offer(h, e);
        event_set_u64(e, FIELD_CALLS, 12);
        history_offer(h, e);
        bed_flush(h);
        ck_assert_uint_eq(bed_count(NULL), 1);
        ck_assert_uint_eq(bed_count("calls=12"), 1);
        history_free(h);
}
END_TEST

START_TEST(old_events_go_when_there_are_too_many) {
        struct stat st;

        bed_options.max_size = 2 << 20;
        bed_options.segment_rows = 2000;
        for (uint64_t i = 0; i < 10; i++) {
                struct history *h = bed_open();
                bed_fill(h, i * 5000 + 1, (i + 1) * 5000);
                history_free(h);
        }
        ck_assert_int_eq(stat(bed_path, &st), 0);
        ck_assert_int_lt(st.st_size, 3 << 20);
        ck_assert_uint_gt(bed_count(NULL), 5000);
        ck_assert_uint_lt(bed_count(NULL), 45000);
        ck_assert_uint_eq(bed_count("seq=50000"), 1);
        ck_assert_uint_eq(bed_count("seq=1"), 0);
}
END_TEST

/* Of few that come again and again none turns another out, wherever the seed has them. */
START_TEST(few_have_one_number_each) {
        for (unsigned round = 0; round < 50; round++) {
                struct cache *c = NULL;

                ck_assert_int_eq(cache_new(&c, 1024), 0);
                for (unsigned i = 0; i < 16 * 100; i++) {
                        const unsigned word = i % 16 * 7919;
                        const uint64_t number = cache_find(c, &word, sizeof(word));

                        ck_assert_uint_eq(number, i < 16 ? 0 : i % 16 + 1);
                        if (number == 0)
                                cache_keep(c, &word, sizeof(word), i % 16 + 1);
                }
                cache_free(c);
        }
}
END_TEST

START_TEST(a_full_queue_is_told) {
        bed_options.queue_bytes = 1000;
        struct history *h = bed_open();
        struct history_status status;

        for (uint64_t seq = 1; seq <= 1000; seq++)
                history_offer(h, bed_make(seq));
        bed_flush(h);
        history_status(h, &status);
        ck_assert_uint_gt(status.lost, 0);
        ck_assert_uint_eq(status.lost + status.stored, 1000);
        history_offer(h, bed_make(1001));
        bed_flush(h);
        ck_assert_uint_eq(bed_count("event=lost"), bed_count("lost.where=store"));
        ck_assert_uint_ge(bed_count("event=lost"), 1);
        history_free(h);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("history");
        TCase *c = tcase_create("history");

        tcase_add_checked_fixture(c, bed_setup, bed_teardown);
        tcase_set_timeout(c, 60);
        tcase_add_loop_test(c, every_field_with_every_sort_of_value, 0, 18);
        tcase_add_test(c, empty_values);
        tcase_add_test(c, long_strings);
        tcase_add_test(c, matches_find_what_they_match);
        tcase_add_loop_test(c, pages_have_no_gap_and_no_duplicate, 0, 4);
        tcase_add_test(c, cursors_tell_nothing_of_others);
        tcase_add_test(c, cursors_of_others_are_refused);
        tcase_add_test(c, times_limit_what_comes);
        tcase_add_test(c, clock_set_back);
        tcase_add_test(c, bytes_limit_what_comes);
        tcase_add_test(c, numbers_go_on_after_a_restart);
        tcase_add_test(c, boots_are_told_apart);
        tcase_add_test(c, masses_are_not_kept);
        tcase_add_test(c, old_events_go_when_there_are_too_many);
        tcase_add_test(c, few_have_one_number_each);
        tcase_add_test(c, a_full_queue_is_told);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
