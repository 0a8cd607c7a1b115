/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of records: put together in order, bounded, and nothing invented where some are missing. */
#include "parts.h"
#include "tap-main.h"

static struct parts *parts;
static struct record_part *record; /* of any size */

static void setup(void) {
        ck_assert_int_eq(parts_new(&parts), 0);
        record = calloc(1, sizeof(*record) + RECORD_PART_LARGE);
}

static void teardown(void) {
        parts_free(parts);
        free(record);
}

/* Adds one piece of the part; its bytes are the numbers of their places. */
static int add(uint64_t thread, uint64_t entered, enum part_kind kind, uint32_t total,
               uint32_t offset, uint32_t size) {
        uint32_t room = size <= RECORD_PART_SMALL ? RECORD_PART_SMALL : RECORD_PART_LARGE;

        record->thread = thread;
        record->entered = entered;
        record->part = kind;
        record->total = total;
        record->offset = offset;
        record->size = size;
        for (uint32_t i = 0; i < room; i++)
                record->data[i] = (uint8_t) (offset + i + entered);
        return parts_add(parts, record, sizeof(*record) + room);
}

static void add_all(uint64_t thread, uint64_t entered, enum part_kind kind, uint32_t total) {
        for (uint32_t at = 0; at < total; at += RECORD_PART_LARGE)
                ck_assert_int_eq(add(thread, entered, kind, total, at,
                                     MIN(total - at, (uint32_t) RECORD_PART_LARGE)),
                                 0);
}

static struct part get(uint64_t thread, uint64_t entered, enum part_kind kind) {
        struct part p = {};

        ck_assert(parts_get(parts, thread, entered, kind, &p));
        size_t same = 0;
        while (same < p.size && ((const uint8_t *) p.data)[same] == (uint8_t) (same + entered))
                same++;
        ck_assert_uint_eq(same, p.size);
        ck_assert_uint_eq((uintptr_t) p.data % 8, 0);
        return p;
}

static bool has(uint64_t thread, uint64_t entered, enum part_kind kind) {
        struct part p;

        return parts_get(parts, thread, entered, kind, &p);
}

START_TEST(one_piece) {
        ck_assert_int_eq(add(1, 10, PART_MAPS, 12, 0, 12), 0);
        struct part p = get(1, 10, PART_MAPS);
        ck_assert_uint_eq(p.size, 12);
        ck_assert_uint_eq(p.total, 12);
        ck_assert(p.whole);

        /* Each of the three says whose it is. */
        ck_assert(!has(2, 10, PART_MAPS));
        ck_assert(!has(1, 11, PART_MAPS));
        ck_assert(!has(1, 10, PART_LOG));

        parts_drop(parts, 1, 10);
        ck_assert(!has(1, 10, PART_MAPS));
        parts_drop(parts, 1, 10); /* nothing to drop */
}
END_TEST

START_TEST(empty_part) {
        ck_assert_int_eq(add(1, 10, PART_LOG, 0, 0, 0), 0);
        struct part p = get(1, 10, PART_LOG);
        ck_assert_uint_eq(p.size, 0);
        ck_assert(p.whole);
        ck_assert_ptr_nonnull(p.data);
}
END_TEST

/* Two threads, two calls of one of them inside each other, and two parts of each. */
START_TEST(interleaved) {
        static const struct { uint64_t thread, entered; } calls[] = {{1, 10}, {2, 10}, {1, 20}};
        enum { TOTAL = 3 * RECORD_PART_LARGE + 100 };

        for (uint32_t at = 0; at < TOTAL; at += RECORD_PART_LARGE)
                for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                        uint32_t size = MIN((uint32_t) TOTAL - at, (uint32_t) RECORD_PART_LARGE);

                        ck_assert_int_eq(add(calls[i].thread, calls[i].entered, PART_INSTRUCTIONS,
                                             TOTAL, at, size),
                                         0);
                        ck_assert_int_eq(
                                add(calls[i].thread, calls[i].entered, PART_LOG, TOTAL, at, size),
                                0);
                }
        for (size_t i = 0; i < ELEMENTSOF(calls); i++) {
                struct part p = get(calls[i].thread, calls[i].entered, PART_INSTRUCTIONS);

                ck_assert_uint_eq(p.size, TOTAL);
                ck_assert(p.whole);
                ck_assert(get(calls[i].thread, calls[i].entered, PART_LOG).whole);
        }
        parts_drop(parts, 1, 20);
        ck_assert(!has(1, 20, PART_LOG));
        ck_assert(has(1, 10, PART_LOG));
}
END_TEST

START_TEST(missing_pieces) {
        /* The end, */
        add(1, 1, PART_LOG, 3 * RECORD_PART_LARGE, 0, RECORD_PART_LARGE);
        struct part p = get(1, 1, PART_LOG);
        ck_assert_uint_eq(p.size, RECORD_PART_LARGE);
        ck_assert_uint_eq(p.total, 3 * RECORD_PART_LARGE);
        ck_assert(!p.whole);

        /* the middle: what is behind it does not take its place, */
        add(1, 1, PART_LOG, 3 * RECORD_PART_LARGE, 2 * RECORD_PART_LARGE, RECORD_PART_LARGE);
        p = get(1, 1, PART_LOG);
        ck_assert_uint_eq(p.size, RECORD_PART_LARGE);
        ck_assert(!p.whole);
        add(1, 1, PART_LOG, 3 * RECORD_PART_LARGE, RECORD_PART_LARGE, RECORD_PART_LARGE);
        ck_assert(!get(1, 1, PART_LOG).whole);

        /* the beginning, */
        add(1, 2, PART_LOG, 2 * RECORD_PART_LARGE, RECORD_PART_LARGE, RECORD_PART_LARGE);
        ck_assert(!has(1, 2, PART_LOG));

        /* and what could not be read: its piece comes without bytes. */
        add(1, 3, PART_LOG, 100, 0, 0);
        p = get(1, 3, PART_LOG);
        ck_assert_uint_eq(p.size, 0);
        ck_assert(!p.whole);

        /* One part that is not whole says nothing of the others. */
        add(1, 1, PART_MAPS, 4, 0, 4);
        ck_assert(get(1, 1, PART_MAPS).whole);
}
END_TEST

START_TEST(twice) {
        add(1, 1, PART_LOG, 20, 0, 20);
        add(1, 1, PART_LOG, 20, 0, 20);
        struct part p = get(1, 1, PART_LOG);
        ck_assert_uint_eq(p.size, 20);
        ck_assert(!p.whole);
}
END_TEST

/* Of too many calls those that came first go. */
START_TEST(too_many) {
        for (uint64_t i = 1; i <= PARTS_ACTIONS_MAX + 10; i++)
                ck_assert_int_eq(add(i, i, PART_MAPS, 4, 0, 4), 0);
        for (uint64_t i = 1; i <= PARTS_ACTIONS_MAX + 10; i++)
                ck_assert(has(i, i, PART_MAPS) == (i > 10));

        /* A dropped one makes room. */
        parts_drop(parts, 20, 20);
        add(200, 200, PART_MAPS, 4, 0, 4);
        ck_assert(has(11, 11, PART_MAPS));
        ck_assert(has(200, 200, PART_MAPS));
}
END_TEST

/* Of too many bytes likewise; those of one call alone are cut. */
START_TEST(too_big) {
        enum { BIG = PARTS_BYTES_MAX / 4 };

        for (uint64_t i = 1; i <= 4; i++)
                add_all(i, i, PART_INSTRUCTIONS, BIG);
        for (uint64_t i = 1; i <= 4; i++)
                ck_assert(get(i, i, PART_INSTRUCTIONS).whole);
        add(5, 5, PART_MAPS, 4, 0, 4);
        ck_assert(!has(1, 1, PART_INSTRUCTIONS));
        for (uint64_t i = 2; i <= 4; i++)
                ck_assert(get(i, i, PART_INSTRUCTIONS).whole);
        ck_assert(get(5, 5, PART_MAPS).whole);

        add_all(9, 9, PART_INSTRUCTIONS, PARTS_BYTES_MAX + 5 * RECORD_PART_LARGE);
        struct part p = get(9, 9, PART_INSTRUCTIONS);
        ck_assert_uint_eq(p.size, PARTS_BYTES_MAX);
        ck_assert(!p.whole);
        ck_assert(!has(4, 4, PART_INSTRUCTIONS));

        /* It is not for ever. */
        parts_drop(parts, 9, 9);
        add_all(10, 10, PART_INSTRUCTIONS, BIG);
        ck_assert(get(10, 10, PART_INSTRUCTIONS).whole);
}
END_TEST

START_TEST(hostile_sizes) {
        static const struct {
                uint32_t part, total, offset, size;
        } rows[] = {
                {0, 4, 0, 4},
                {_PART_MAX, 4, 0, 4},
                {UINT32_MAX, 4, 0, 4},
                {PART_LOG, 3, 0, 4},
                {PART_LOG, 4, 1, 4},
                {PART_LOG, 100, UINT32_MAX, 4},
                {PART_LOG, UINT32_MAX, UINT32_MAX - 2, 4},
                {PART_LOG, UINT32_MAX, 0, RECORD_PART_SMALL + 1}, /* more than came */
                {PART_LOG, UINT32_MAX, 0, UINT32_MAX},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                *record = (struct record_part){.thread = 1,
                                               .entered = 1,
                                               .part = rows[i].part,
                                               .total = rows[i].total,
                                               .offset = rows[i].offset,
                                               .size = rows[i].size};
                ck_assert_int_eq(parts_add(parts, record, sizeof(*record) + RECORD_PART_SMALL),
                                 -EBADMSG);
        }
        *record = (struct record_part){.thread = 1, .entered = 1, .part = PART_LOG};
        for (size_t size = 0; size < sizeof(*record); size++)
                ck_assert_int_eq(parts_add(parts, record, size), -EBADMSG);
        for (enum part_kind kind = 1; kind < _PART_MAX; kind++)
                ck_assert(!has(1, 1, kind));

        /* What is sound besides is taken, however much is said to come. */
        ck_assert_int_eq(add(1, 1, PART_LOG, UINT32_MAX, 0, 4), 0);
        ck_assert(!get(1, 1, PART_LOG).whole);
}
END_TEST

/* Any order of anything: what is called whole is. */
START_TEST(random_pieces) {
        srandom(3);
        for (int round = 0; round < 20000; round++) {
                uint64_t thread = 1 + (uint64_t) random() % 80, entered = (uint64_t) random() % 2;
                enum part_kind kind = 1 + (unsigned) random() % (_PART_MAX - 1);
                uint32_t total = RECORD_PART_LARGE * 3;
                struct part p;

                switch (random() % 8) {
                case 0:
                        parts_drop(parts, thread, entered);
                        break;
                case 1:
                        add(thread, entered, kind, total, (uint32_t) random(),
                            (uint32_t) random() % 9000);
                        break;
                default:
                        add(thread, entered, kind, total,
                            (uint32_t) random() % 3 * RECORD_PART_LARGE, RECORD_PART_LARGE);
                }
                if (parts_get(parts, thread, entered, kind, &p) && p.whole)
                        ck_assert_uint_eq(p.size, p.total);
        }
}
END_TEST

START_TEST(nothing) {
        ck_assert_ptr_null(parts_free(NULL));
        ck_assert(!has(1, 1, PART_LOG));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("parts");
        TCase *c = tcase_create("parts");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, one_piece);
        tcase_add_test(c, empty_part);
        tcase_add_test(c, interleaved);
        tcase_add_test(c, missing_pieces);
        tcase_add_test(c, twice);
        tcase_add_test(c, too_many);
        tcase_add_test(c, too_big);
        tcase_add_test(c, hostile_sizes);
        tcase_add_test(c, random_pieces);
        tcase_add_test(c, nothing);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
