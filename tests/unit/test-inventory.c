/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is found in the kernel, put together; what is hidden from one side; rates of two looks. */

#include <fcntl.h>
#include <systemd/sd-event.h>

#include "access.h"
#include "clock.h"
#include "event.h"
#include "inventory-check.h"
#include "inventory-row.h"
#include "inventory-scan.h"
#include "inventory.h"
#include "names.h"
#include "objects.h"
#include "statistics.h"
#include "tap-main.h"

#define SECOND UINT64_C(1000000000)

/* A kernel of our own: what is there, and what its list has of it. */
static struct { bool there[64], listed[64]; } kernel[4];

static struct objects *objects;
static struct check *check;
static struct check_hooks hooks;
static uint64_t now;
static struct scan *scan;

static struct {
        enum hiding how;
        enum object_kind kind;
        uint32_t id;
} told[64];
static size_t n_told;

static int next_id(enum object_kind kind, uint32_t id, uint32_t *ret_next) {
        for (uint32_t i = id + 1; i < 64; i++)
                if (kernel[kind].there[i] && kernel[kind].listed[i]) {
                        *ret_next = i;
                        return 0;
                }
        return -ENOENT;
}

static int open_id(enum object_kind kind, uint32_t id) {
        return id < 64 && kernel[kind].there[id] ? open("/dev/null", O_RDONLY | O_CLOEXEC)
                                                 : -ENOENT;
}

/* As one that also keeps its objects from being opened. */
static int open_none(enum object_kind kind, uint32_t id) {
        return kernel[kind].listed[id] ? open_id(kind, id) : -ENOENT;
}

static const struct check_kernel plain = {next_id, open_id}, thorough = {next_id, open_none};

static void setup(void) {
        memset(kernel, 0, sizeof(kernel));
        ck_assert_int_eq(objects_new(&objects), 0);
        ck_assert_int_eq(check_new(&check, objects, &plain), 0);
        hooks = (struct check_hooks){
                .comes = true, .goes = 1U << OBJECT_PROG | 1U << OBJECT_MAP | 1U << OBJECT_LINK};
        now = 100 * SECOND;
        n_told = 0;
}

static void teardown(void) {
        scan = scan_free(scan);
        check_free(check);
        objects_free(objects);
}

/* An object comes, seen by a hook. */
static void seen(enum object_kind kind, uint32_t id) {
        kernel[kind].there[id] = kernel[kind].listed[id] = true;
        ck_assert_int_eq(objects_add(objects, &(struct existing){.kind = kind, .id = id}), 0);
}

static void on_told(enum hiding how, enum object_kind kind, uint32_t id, void *userdata) {
        (void) userdata;
        told[n_told].how = how;
        told[n_told].kind = kind;
        told[n_told++].id = id;
}

/* What a look at the list finds. */
static void begin_look(uint64_t later) {
        uint32_t id = 0;

        scan_free(scan);
        scan = calloc(1, sizeof(*scan));
        now += later;
        scan->started = now;
        for (id = 0; next_id(OBJECT_PROG, id, &id) == 0;)
                ((struct scan_prog *) scan_add(&scan->progs, &scan->n_progs,
                                               sizeof(struct scan_prog), 64))
                        ->info.id = id;
        for (id = 0; next_id(OBJECT_MAP, id, &id) == 0;)
                ((struct scan_map *) scan_add(&scan->maps, &scan->n_maps, sizeof(struct scan_map),
                                              64))
                        ->info.id = id;
        for (id = 0; next_id(OBJECT_LINK, id, &id) == 0;)
                ((struct scan_link *) scan_add(&scan->links, &scan->n_links,
                                               sizeof(struct scan_link), 64))
                        ->info.id = id;
}

static void held(enum object_kind kind, uint32_t id) {
        struct scan_holder *h = scan_add(&scan->holders, &scan->n_holders, sizeof(*h), 64);

        *h = (struct scan_holder){.kind = kind, .id = id, .pid = 1};
}

static bool end_look(void) {
        return check_scan(check, scan, &hooks, on_told, NULL);
}

static bool look(uint64_t later) {
        begin_look(later);
        return end_look();
}

static void use_kernel(const struct check_kernel *k) {
        check_free(check);
        ck_assert_int_eq(check_new(&check, objects, k), 0);
}

/* Looks ---------------------------------------------------------------------------------------- */

static void on_any_look(_unused_ const struct scan *s, void *userdata) {
        (*(unsigned *) userdata)++;
}

static struct look *asked;

static void on_done(int r, struct scan *s, void *userdata) {
        ck_assert_ptr_null(s);
        *(int *) userdata = r;
        look_free(asked);
}

/* The daemon ends when a look is done, and nobody was told yet: nobody is. */
START_TEST(ends_behind_a_look) {
        struct inventory *inventory;
        struct names *names;
        sd_event *loop;
        unsigned looks = 0;
        int result = 1;

        ck_assert_int_ge(sd_event_new(&loop), 0);
        ck_assert_int_ge(names_new(&names, NULL), 0);
        ck_assert_int_ge(inventory_new(&inventory, loop, names, on_any_look, &looks), 0);
        ck_assert_int_ge(inventory_look(&asked, inventory, 0, 0, 0, on_done, &result), 0);
        usleep(300000);
        inventory_free(inventory);
        ck_assert_int_eq(result, -ECANCELED);
        ck_assert_uint_eq(looks, 0);
        names_free(names);
        sd_event_unref(loop);
}
END_TEST

/* Hidden things -------------------------------------------------------------------------------- */

START_TEST(nothing_hidden) {
        seen(OBJECT_PROG, 1);
        seen(OBJECT_MAP, 2);
        seen(OBJECT_LINK, 3);
        for (int i = 0; i < 10; i++)
                ck_assert(!look(60 * SECOND));
        ck_assert_uint_eq(n_told, 0);
}
END_TEST

START_TEST(left_out_of_list) {
        for (enum object_kind kind = OBJECT_PROG; kind <= OBJECT_LINK; kind++) {
                seen(kind, 1);
                seen(kind, 2);
                seen(kind, 3);
                kernel[kind].listed[2] = false;
        }
        look(SECOND);
        ck_assert_uint_eq(n_told, 3);
        for (size_t i = 0; i < 3; i++) {
                ck_assert_int_eq(told[i].how, HIDDEN_FROM_LIST);
                ck_assert_uint_eq(told[i].id, 2);
        }
        /* Once is enough. */
        for (int i = 0; i < 10; i++)
                look(60 * SECOND);
        ck_assert_uint_eq(n_told, 3);
}
END_TEST

/* It went after the list was read, and before its record came: that is soon. */
START_TEST(goes_meanwhile) {
        seen(OBJECT_MAP, 1);
        for (int i = 0; i < 3; i++) {
                kernel[OBJECT_MAP].there[1] = kernel[OBJECT_MAP].listed[1] = false;
                look(20 * SECOND);
        }
        ck_assert_uint_eq(n_told, 0);
        objects_forget(objects, OBJECT_MAP, 1);
        for (int i = 0; i < 10; i++)
                look(60 * SECOND);
        ck_assert_uint_eq(n_told, 0);
}
END_TEST

/* It came after the list was read. */
START_TEST(comes_meanwhile) {
        begin_look(SECOND);
        seen(OBJECT_PROG, 1);
        held(OBJECT_PROG, 1);
        end_look();
        ck_assert_uint_eq(n_told, 0);
        for (int i = 0; i < 5; i++) {
                begin_look(SECOND);
                held(OBJECT_PROG, 1);
                end_look();
        }
        ck_assert_uint_eq(n_told, 0);
}
END_TEST

/* A rootkit that lets nobody open it either: a process has it, before and after the list is read.
 */
START_TEST(held_by_a_process) {
        use_kernel(&thorough);
        kernel[OBJECT_PROG].there[7] = true;
        for (int i = 0; i < 2; i++) {
                begin_look(SECOND);
                held(OBJECT_PROG, 7);
                ck_assert(end_look()); /* soon again */
                ck_assert_uint_eq(n_told, 0);
        }
        begin_look(SECOND);
        held(OBJECT_PROG, 7);
        end_look();
        ck_assert_uint_eq(n_told, 1);
        ck_assert_int_eq(told[0].how, HIDDEN_FROM_LIST);
        ck_assert_uint_eq(told[0].id, 7);
}
END_TEST

/* What hid it ends, and it goes itself between the list and the comparison. */
START_TEST(hidden_then_gone) {
        use_kernel(&thorough);
        seen(OBJECT_PROG, 7);
        kernel[OBJECT_PROG].listed[7] = false;
        for (int i = 0; i < 2; i++) {
                begin_look(10 * SECOND);
                held(OBJECT_PROG, 7);
                ck_assert(end_look());
        }
        kernel[OBJECT_PROG].listed[7] = true;
        begin_look(10 * SECOND);
        kernel[OBJECT_PROG].there[7] = kernel[OBJECT_PROG].listed[7] = false;
        objects_forget(objects, OBJECT_PROG, 7);
        end_look();
        look(10 * SECOND);
        ck_assert_uint_eq(n_told, 0);
}
END_TEST

/* Each look finds another one that has just come. */
START_TEST(held_for_a_moment) {
        use_kernel(&thorough);
        for (uint32_t id = 1; id < 20; id++) {
                begin_look(SECOND);
                held(OBJECT_PROG, id);
                end_look();
        }
        ck_assert_uint_eq(n_told, 0);
}
END_TEST

/* Nobody has it, and nobody gets it: only that nobody saw it go. */
START_TEST(only_remembered) {
        use_kernel(&thorough);
        seen(OBJECT_PROG, 5);
        kernel[OBJECT_PROG].listed[5] = false;
        look(SECOND);
        look(30 * SECOND);
        look(30 * SECOND);
        look(30 * SECOND);
        ck_assert_uint_eq(n_told, 0); /* not yet two minutes */
        look(60 * SECOND);
        ck_assert_uint_eq(n_told, 1);
        ck_assert_int_eq(told[0].how, HIDDEN_FROM_LIST);
}
END_TEST

START_TEST(lost_meanwhile) {
        use_kernel(&thorough);
        seen(OBJECT_PROG, 5);
        kernel[OBJECT_PROG].listed[5] = false;
        for (int i = 0; i < 10; i++) {
                hooks.lost++;
                look(60 * SECOND);
        }
        ck_assert_uint_eq(n_told, 0);
}
END_TEST

/* Where nobody tells that maps go, they are forgotten when they have. */
START_TEST(goes_unseen) {
        hooks.goes = 1U << OBJECT_PROG;
        seen(OBJECT_MAP, 1);
        seen(OBJECT_MAP, 2);
        kernel[OBJECT_MAP].there[1] = kernel[OBJECT_MAP].listed[1] = false;
        look(SECOND);
        ck_assert(!objects_knows(objects, OBJECT_MAP, 1));
        ck_assert(objects_knows(objects, OBJECT_MAP, 2));
        kernel[OBJECT_MAP].listed[2] = false;
        look(SECOND);
        ck_assert_uint_eq(n_told, 1);
        ck_assert_uint_eq(told[0].id, 2);
}
END_TEST

START_TEST(unseen_by_hooks) {
        look(SECOND);
        kernel[OBJECT_LINK].there[9] = kernel[OBJECT_LINK].listed[9] = true;
        ck_assert(look(SECOND)); /* its call may not be at its end */
        look(SECOND);
        ck_assert_uint_eq(n_told, 0);
        look(10 * SECOND);
        ck_assert_uint_eq(n_told, 1);
        ck_assert_int_eq(told[0].how, HIDDEN_FROM_HOOKS);
        ck_assert_int_eq(told[0].kind, OBJECT_LINK);
        ck_assert_uint_eq(told[0].id, 9);
        look(10 * SECOND);
        ck_assert_uint_eq(n_told, 1);
}
END_TEST

/* Its record was late, or lost, or the hooks don't see everything. */
START_TEST(seen_late) {
        look(SECOND);
        kernel[OBJECT_PROG].there[9] = kernel[OBJECT_PROG].listed[9] = true;
        look(SECOND);
        objects_add(objects, &(struct existing){.kind = OBJECT_PROG, .id = 9});
        look(10 * SECOND);

        hooks.lost++;
        kernel[OBJECT_PROG].there[10] = kernel[OBJECT_PROG].listed[10] = true;
        look(10 * SECOND);
        look(10 * SECOND);

        hooks.comes = false;
        kernel[OBJECT_PROG].there[11] = kernel[OBJECT_PROG].listed[11] = true;
        look(10 * SECOND);
        look(10 * SECOND);
        ck_assert_uint_eq(n_told, 0);
}
END_TEST

/* A storm of alerts says no more than some. */
START_TEST(all_hidden) {
        for (uint32_t id = 1; id < 64; id++) {
                seen(OBJECT_PROG, id);
                kernel[OBJECT_PROG].listed[id] = false;
        }
        look(SECOND);
        ck_assert_uint_le(n_told, CHECK_TOLD_MAX);
        ck_assert_uint_gt(n_told, 0);
}
END_TEST

/* Rates ---------------------------------------------------------------------------------------- */

static void sample(struct statistics *s, uint64_t at, uint64_t runs, uint64_t time) {
        scan_free(scan);
        scan = calloc(1, sizeof(*scan));
        scan->started = at;
        scan->statistics = true;
        struct scan_prog *p = scan_add(&scan->progs, &scan->n_progs, sizeof(*p), 8);
        p->info.id = 5;
        p->info.run_cnt = runs;
        p->info.run_time_ns = time;
        statistics_sample(s, scan);
}

START_TEST(rates) {
        struct statistics *s;
        struct statistics_rate rate;

        ck_assert_int_eq(statistics_new(&s), 0);
        sample(s, 10 * SECOND, 100, 1000);
        ck_assert(!statistics_rate(s, 5, &rate));
        /* Too near to say much. */
        sample(s, 10 * SECOND + SECOND / 10, 1000000, 1000000);
        ck_assert(!statistics_rate(s, 5, &rate));
        sample(s, 12 * SECOND, 300, 5000);
        ck_assert(statistics_rate(s, 5, &rate));
        ck_assert_uint_eq(rate.runs, 100);
        ck_assert_uint_eq(rate.time, 2000);
        ck_assert(!statistics_rate(s, 6, &rate));
        /* Another program of the same id. */
        sample(s, 14 * SECOND, 1, 1);
        ck_assert(!statistics_rate(s, 5, &rate));
        sample(s, 16 * SECOND, UINT64_MAX / 2, UINT64_MAX / 2);
        ck_assert(statistics_rate(s, 5, &rate));
        ck_assert_uint_eq(rate.runs, (UINT64_MAX / 2 - 1) / 2);
        statistics_free(s);
}
END_TEST

/* What belongs to what --------------------------------------------------------------------------
 */

START_TEST(found_again) {
        uint32_t ids[8];
        size_t n;

        scan = calloc(1, sizeof(*scan));
        for (uint32_t id = 2; id <= 8; id += 2)
                ((struct scan_map *) scan_add(&scan->maps, &scan->n_maps, sizeof(struct scan_map),
                                              8))
                        ->info.id = id;
        ck_assert_ptr_nonnull(scan_map(scan, 2));
        ck_assert_ptr_nonnull(scan_map(scan, 8));
        ck_assert_ptr_null(scan_map(scan, 3));
        ck_assert_ptr_null(scan_map(scan, 9));
        ck_assert_ptr_null(scan_prog(scan, 2));

        held(OBJECT_PROG, 1);
        held(OBJECT_MAP, 1);
        held(OBJECT_MAP, 1);
        held(OBJECT_MAP, 3);
        ck_assert_ptr_nonnull(scan_holders(scan, OBJECT_MAP, 1, &n));
        ck_assert_uint_eq(n, 2);
        ck_assert_ptr_null(scan_holders(scan, OBJECT_MAP, 2, &n));
        ck_assert_uint_eq(n, 0);
        ck_assert_ptr_null(scan_holders(scan, OBJECT_LINK, 1, &n));

        static const struct scan_pair pairs[] = {{1, 4}, {1, 5}, {1, 5}, {2, 6}};
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++)
                *(struct scan_pair *) scan_add(&scan->pairs[SCAN_MAP_PROGS],
                                               &scan->n_pairs[SCAN_MAP_PROGS],
                                               sizeof(struct scan_pair), 8) = pairs[i];
        ck_assert_uint_eq(scan_related(scan, SCAN_MAP_PROGS, 1, ids, 8), 2);
        ck_assert_uint_eq(ids[1], 5);
        ck_assert_uint_eq(scan_related(scan, SCAN_MAP_PROGS, 1, ids, 1), 1);
        ck_assert_uint_eq(scan_related(scan, SCAN_MAP_PROGS, 3, ids, 8), 0);
}
END_TEST

START_TEST(room) {
        uint32_t *numbers = NULL;
        size_t n = 0;

        for (uint32_t i = 0; i < 5; i++)
                *(uint32_t *) scan_add(&numbers, &n, sizeof(*numbers), 5) = i;
        ck_assert_ptr_null(scan_add(&numbers, &n, sizeof(*numbers), 5));
        ck_assert_uint_eq(n, 5);
        ck_assert_uint_eq(numbers[4], 4);
        free(numbers);
}
END_TEST

/* What is cut short -----------------------------------------------------------------------------
 */

static struct event row;

static void make_row(enum object_kind kind) {
        const struct viewer viewer = {.scope = SCOPE_ALL};
        struct clock_offset boottime = {.clock = CLOCK_BOOTTIME, .slack = 1000000};
        struct names *names = NULL;

        ck_assert_int_ge(names_new(&names, NULL), 0);
        const struct row_sources sources = {scan, objects, names, NULL, &boottime};
        row_fill(&sources, &viewer, kind, 0, &row);
        names_free(names);
}

static void check_list(enum field f, const char *wanted) {
        const struct value *v = event_get(&row, f);

        ck_assert_ptr_nonnull(v);
        ck_assert_uint_eq(v->strings.n, 1);
        ck_assert_str_eq(v->strings.items[0], wanted);
}

static void make_scan(const struct scan_question *q) {
        scan = calloc(1, sizeof(*scan));
        scan->question = q;
        scan->deadline = UINT64_MAX;
        struct scan_prog *p = scan_add(&scan->progs, &scan->n_progs, sizeof(*p), 1);
        p->info.id = 5;
        struct scan_link *l = scan_add(&scan->links, &scan->n_links, sizeof(*l), 1);
        l->info.id = 6;
}

START_TEST(links_out_of_time) {
        const struct scan_question q = {.parts = SCAN_ALL};

        make_scan(&q);
        make_row(OBJECT_LINK);
        ck_assert(!event_has(&row, FIELD_INCOMPLETE));
        scan->deadline = 0;
        ck_assert_int_eq(scan_links(scan), 0);
        for (int kind = 0; kind < 2; kind++) {
                make_row(kind ? OBJECT_LINK : OBJECT_PROG);
                check_list(FIELD_INCOMPLETE, "links");
                check_list(FIELD_INCOMPLETE_REASONS, "links: out of time");
        }
        scan->question = NULL;
}
END_TEST

START_TEST(too_many_attachments) {
        const struct scan_question q = {.parts = SCAN_ALL};
        const struct scan_attachment a = {.prog = 5, .via = "prog-attach"};

        make_scan(&q);
        for (int i = 0; i < SCAN_FOUND_MAX; i++)
                ck_assert_int_eq(scan_attach(scan, SCAN_NETWORKS, &a, NULL), 0);
        ck_assert_uint_eq(scan_incomplete(scan, SCAN_ALL), 0);
        ck_assert_int_eq(scan_attach(scan, SCAN_NETWORKS, &a, NULL), 0);
        make_row(OBJECT_PROG);
        check_list(FIELD_INCOMPLETE, "networks");
        check_list(FIELD_INCOMPLETE_REASONS, "networks: too many");
        /* Maps are at no such place. */
        struct scan_map *m = scan_add(&scan->maps, &scan->n_maps, sizeof(*m), 1);
        m->info.id = 7;
        make_row(OBJECT_MAP);
        ck_assert(!event_has(&row, FIELD_INCOMPLETE));
        scan->question = NULL;
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("inventory");
        TCase *c = tcase_create("hidden");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, nothing_hidden);
        tcase_add_test(c, left_out_of_list);
        tcase_add_test(c, goes_meanwhile);
        tcase_add_test(c, comes_meanwhile);
        tcase_add_test(c, held_by_a_process);
        tcase_add_test(c, hidden_then_gone);
        tcase_add_test(c, held_for_a_moment);
        tcase_add_test(c, only_remembered);
        tcase_add_test(c, lost_meanwhile);
        tcase_add_test(c, goes_unseen);
        tcase_add_test(c, unseen_by_hooks);
        tcase_add_test(c, seen_late);
        tcase_add_test(c, all_hidden);
        suite_add_tcase(s, c);

        c = tcase_create("looks");
        tcase_add_test(c, ends_behind_a_look);
        suite_add_tcase(s, c);

        c = tcase_create("found");
        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, rates);
        tcase_add_test(c, found_again);
        tcase_add_test(c, room);
        tcase_add_test(c, links_out_of_time);
        tcase_add_test(c, too_many_attachments);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
