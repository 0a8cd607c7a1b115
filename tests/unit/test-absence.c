/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went while nobody saw it, and since when it may have gone. */

#include <bpf/bpf.h>
#include <errno.h>
#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#include "absence.h"
#include "history-bed.h"
#include "history-query.h"
#include "objects.h"

enum {
        PROG = 0x7fffff00, /* ids that no kernel gets to: objects that are gone */
        LINK,
        MAP,
        OTHER_PROG,
        SECOND = 1000000, /* µs */
        TOLD_MAX = 4,     /* that are looked at */
        MOST = 4096,      /* that are told one by one */
        READ = 5000,      /* events that are looked at: more than are asked for at once */
};

static const unsigned WATCHED = 1U << OBJECT_PROG | 1U << OBJECT_LINK;

static struct {
        sd_event *loop;
        struct history *history;
        struct queries *queries;
        struct objects *objects;
        struct absence *absence;
        struct event event;
        uint64_t start, seq;
        struct {
                uint32_t prog;
                uint64_t after, until;
        } told[TOLD_MAX];
        size_t n_told;
        struct {
                char where[16];
                uint64_t time;
        } rest; /* what says that not all is told */
        bool complete, all;
} bed;

static void setup(void) {
        struct timespec now;

        if (bpf_prog_get_fd_by_id(PROG) != -ENOENT)
                tap_skip("needs root, and a kernel that lists programs");
        bed_setup();
        ck_assert_int_ge(sd_id128_get_boot(&bed_options.boot), 0);
        clock_gettime(CLOCK_REALTIME, &now);
        bed.start = (uint64_t) now.tv_sec * SECOND;
        bed.history = bed_open();
        ck_assert_int_ge(sd_event_new(&bed.loop), 0);
        ck_assert_int_ge(queries_new(&bed.queries, bed.history, bed.loop, &query_limits_default),
                         0);
        ck_assert_int_ge(objects_new(&bed.objects), 0);
}

static void teardown(void) {
        absence_free(bed.absence);
        queries_free(bed.queries);
        history_free(bed.history);
        objects_free(bed.objects);
        sd_event_unref(bed.loop);
        bed_teardown();
}

/* Keeps an event of so many seconds after the start. */
static struct event *begin(unsigned second, const char *name, const char *result) {
        event_reset(&bed.event);
        event_set_u64(&bed.event, FIELD_SEQ, ++bed.seq);
        event_set_u64(&bed.event, FIELD_TIME, bed.start + (uint64_t) second * SECOND);
        event_set_static(&bed.event, FIELD_EVENT, name);
        event_set_static(&bed.event, FIELD_RESULT, result);
        return &bed.event;
}

static void keep(struct event *e) {
        history_offer(bed.history, e);
}

static void prog(unsigned second, const char *name, uint32_t id) {
        struct event *e = begin(second, name, "ok");

        event_set_u32(e, FIELD_PROG_ID, id);
        keep(e);
}

static void link_create(unsigned second, uint32_t link, uint32_t id, const char *result) {
        struct event *e = begin(second, "link-create", result);

        if (strcmp(result, "ok") == 0)
                event_set_u32(e, FIELD_LINK_ID, link);
        event_set_u32(e, FIELD_PROG_ID, id);
        keep(e);
}

static void link_free(unsigned second, uint32_t link) {
        struct event *e = begin(second, "link-free", "ok");

        event_set_u32(e, FIELD_LINK_ID, link);
        keep(e);
}

static void lost(unsigned second, const char *where, const char *class) {
        struct event *e = begin(second, "lost", "ok");

        event_clear(e, FIELD_RESULT);
        event_set_static(e, FIELD_LOST_WHERE, where);
        event_set_static(e, FIELD_CLASS, class);
        keep(e);
}

static void on_gone(void *userdata) {
        const struct value *id = event_get(&bed.event, FIELD_PROG_ID);

        (void) userdata;
        if (bed.n_told < TOLD_MAX) {
                bed.told[bed.n_told].prog = id ? id->u32 : 0;
                bed.told[bed.n_told].after = event_get(&bed.event, FIELD_TIME_AFTER)->u64;
                bed.told[bed.n_told].until = event_get(&bed.event, FIELD_TIME)->u64;
        }
        bed.n_told++;
}

/* What it says of the rest is kept, and so seen by the next one. */
static void on_done(bool all, void *userdata) {
        (void) userdata;
        bed.complete = true;
        bed.all = all;
        if (!all) {
                const char *where = event_string(&bed.event, FIELD_LOST_WHERE);

                snprintf(bed.rest.where, sizeof(bed.rest.where), "%s", where ?: "");
                bed.rest.time = event_get(&bed.event, FIELD_TIME)->u64;
                event_set_u64(&bed.event, FIELD_SEQ, ++bed.seq);
                keep(&bed.event);
        }
        bed.absence = absence_free(bed.absence);
}

/* A daemon that begins in second `until`, after one that stopped in second `from`. */
static void look(unsigned from, unsigned until) {
        const struct absence_context context = {
                .queries = bed.queries,
                .objects = bed.objects,
                .kinds = WATCHED,
                .from = bed.start + (uint64_t) from * SECOND,
                .until = bed.start + (uint64_t) until * SECOND,
                .events_max = READ,
                .event = &bed.event,
                .gone = on_gone,
                .done = on_done,
        };

        bed_flush(bed.history);
        ck_assert_int_eq(absence_new(&bed.absence, &context), 0);
        while (!bed.complete)
                ck_assert_int_ge(sd_event_run(bed.loop, 10000000), 1);
}

/* The only thing that is told. */
static void check_told(uint32_t id, unsigned after, unsigned until) {
        ck_assert(bed.all);
        ck_assert_uint_eq(bed.n_told, 1);
        ck_assert_uint_eq(bed.told[0].prog, id);
        ck_assert_uint_eq(bed.told[0].after, bed.start + (uint64_t) after * SECOND);
        ck_assert_uint_eq(bed.told[0].until, bed.start + (uint64_t) until * SECOND);
}

START_TEST(what_was_watched_went_after_the_stop) {
        prog(1, "prog-load", PROG);
        prog(2, "prog-load", OTHER_PROG);
        prog(3, "prog-unload", OTHER_PROG);
        look(5, 9);
        check_told(PROG, 5, 9);
}
END_TEST

START_TEST(what_may_have_been_lost_went_after_it_came) {
        prog(2, "prog-load", PROG);
        lost(3, "ring", "self");
        look(5, 9);
        check_told(PROG, 2, 9);
}
END_TEST

START_TEST(what_was_lost_before_it_came_is_another) {
        lost(1, "ring", "self");
        prog(2, "prog-load", PROG);
        look(5, 9);
        check_told(PROG, 5, 9);
}
END_TEST

START_TEST(what_was_used_was_there) {
        prog(1, "prog-load", PROG);
        lost(2, "ring", "self");
        link_create(3, LINK, PROG, "ok");
        link_free(4, LINK);
        look(5, 9);
        check_told(PROG, 5, 9);
}
END_TEST

START_TEST(what_was_used_and_then_lost_went_after_that) {
        prog(1, "prog-load", PROG);
        link_create(2, LINK, PROG, "failed");
        link_create(3, LINK, PROG, "ok");
        link_free(4, LINK);
        lost(5, "store", "self");
        look(6, 9);
        check_told(PROG, 3, 9);
}
END_TEST

/* The link went at some time before second 5: whether the program was there then is not known. */
START_TEST(what_went_unseen_says_nothing_of_others) {
        struct event *e;

        prog(1, "prog-load", PROG);
        link_create(2, LINK, PROG, "ok");
        lost(3, "ring", "self");
        e = begin(5, "link-free", "ok");
        event_set_u32(e, FIELD_LINK_ID, LINK);
        event_set_u32(e, FIELD_PROG_ID, PROG);
        event_set_u64(e, FIELD_TIME_AFTER, bed.start + UINT64_C(2) * SECOND);
        event_set_static(e, FIELD_SOURCE, "history");
        keep(e);
        look(6, 9);
        check_told(PROG, 2, 9);
}
END_TEST

START_TEST(what_nobody_watches_went_after_its_last_use) {
        static const uint32_t maps[] = {MAP};
        struct event *e = begin(1, "map-create", "ok");

        event_set_u32(e, FIELD_MAP_ID, MAP);
        keep(e);
        e = begin(3, "prog-load", "ok");
        event_set_u32(e, FIELD_PROG_ID, OTHER_PROG);
        event_set_u32s(e, FIELD_PROG_MAPS, maps, ELEMENTSOF(maps));
        keep(e);
        prog(4, "prog-unload", OTHER_PROG);
        look(5, 9);
        check_told(0, 3, 9);
}
END_TEST

/* Lost were connections; of what is missed while a daemon starts, the kernel is asked. */
START_TEST(what_is_lost_of_others_does_not_matter) {
        static const struct {
                const char *where, *class;
        } losses[] = {{"connections", "self"}, {"start", "self"}, {"ring", "traffic"}};

        prog(1, "prog-load", PROG);
        lost(2, losses[_i].where, losses[_i].class);
        look(5, 9);
        check_told(PROG, 5, 9);
}
END_TEST

START_TEST(what_is_lost_later_does_not_matter) {
        prog(1, "prog-load", PROG);
        lost(10, "ring", "self");
        look(5, 9);
        check_told(PROG, 5, 9);
}
END_TEST

START_TEST(it_says_where_it_does_not_tell_all) {
        for (uint32_t i = 0; i <= MOST; i++)
                prog(1, "prog-load", PROG - i);
        look(5, 9);
        ck_assert_uint_eq(bed.n_told, MOST);
        ck_assert(!bed.all);
}
END_TEST

/* The first one cannot tell all, which takes it some time to find. */
START_TEST(what_came_after_the_rest_is_none_of_it) {
        for (unsigned i = 0; i <= READ; i++)
                prog(1, "prog-unload", OTHER_PROG);
        look(2, 3);
        ck_assert(!bed.all);
        ck_assert_str_eq(bed.rest.where, "restart");
        ck_assert_uint_eq(bed.rest.time, bed.start + UINT64_C(3) * SECOND);
        bed.complete = false;
        prog(5, "prog-load", PROG);
        look(6, 9);
        ck_assert_uint_eq(bed.n_told, 1);
        ck_assert_uint_eq(bed.told[0].after, bed.start + UINT64_C(6) * SECOND);
}
END_TEST

/* What came before all of them is not found. */
START_TEST(it_says_where_it_does_not_read_all) {
        prog(1, "prog-load", PROG);
        for (unsigned i = 0; i < READ; i++)
                prog(2, "prog-unload", OTHER_PROG);
        look(5, 9);
        ck_assert_uint_eq(bed.n_told, 0);
        ck_assert(!bed.all);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("absence");
        TCase *c = tcase_create("absence");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, what_was_watched_went_after_the_stop);
        tcase_add_test(c, what_may_have_been_lost_went_after_it_came);
        tcase_add_test(c, what_was_lost_before_it_came_is_another);
        tcase_add_test(c, what_was_used_was_there);
        tcase_add_test(c, what_was_used_and_then_lost_went_after_that);
        tcase_add_test(c, what_went_unseen_says_nothing_of_others);
        tcase_add_test(c, what_nobody_watches_went_after_its_last_use);
        tcase_add_loop_test(c, what_is_lost_of_others_does_not_matter, 0, 3);
        tcase_add_test(c, what_is_lost_later_does_not_matter);
        tcase_add_test(c, it_says_where_it_does_not_tell_all);
        tcase_add_test(c, it_says_where_it_does_not_read_all);
        tcase_add_test(c, what_came_after_the_rest_is_none_of_it);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
