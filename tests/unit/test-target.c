/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"
#include "parts.h"
#include "symbols.h"
#include "tap-main.h"
#include "target.h"

static struct event *event;

static void setup(void) {
        event = malloc(sizeof(*event));
        ck_assert_ptr_nonnull(event);
        event_reset(event);
}

static void teardown(void) {
        free(event);
}

#define TEXT(s) .text = s, .text_size = sizeof(s)

static const struct {
        struct record_target target;
        const char *words; /* attach.target; NULL: not set */
} rows[] = {
        {{.kind = TARGET_NONE, TEXT("text")}, NULL},
        {{.kind = _TARGET_MAX, TEXT("text")}, NULL},
        {{.kind = (uint32_t) -1, TEXT("text")}, NULL},

        {{.kind = TARGET_FUNCTION, TEXT("do_unlinkat")}, "do_unlinkat"},
        {{.kind = TARGET_FUNCTION, TEXT("do_unlinkat"), .offset = 16, .address = 7},
         "do_unlinkat+0x10"},
        {{.kind = TARGET_FUNCTION, .address = 0xffffffff81000010}, "0xffffffff81000010"},
        {{.kind = TARGET_FUNCTION}, NULL},

        {{.kind = TARGET_FILE, TEXT("libc.so.6\0lib\0usr"), .offset = 0x1234},
         "/usr/lib/libc.so.6+0x1234"},
        {{.kind = TARGET_FILE, TEXT("libc.so.6\0lib"), .text_cut = 1}, "…/lib/libc.so.6+0x0"},
        {{.kind = TARGET_FILE, .offset = 5}, NULL},

        {{.kind = TARGET_TRACEPOINT, TEXT("sys_enter_openat"), .group = "syscalls"},
         "syscalls:sys_enter_openat"},
        {{.kind = TARGET_TRACEPOINT, TEXT("sched_switch")}, "sched_switch"},
        {{.kind = TARGET_TRACEPOINT, .group = "syscalls"}, NULL},

        {{.kind = TARGET_PERF, .type = PERF_TYPE_SOFTWARE}, "software:cpu-clock"},
        {{.kind = TARGET_PERF, .type = PERF_TYPE_SOFTWARE, .config = 99}, "software:0x63"},
        {{.kind = TARGET_PERF, .type = PERF_TYPE_SOFTWARE, .config = 1ULL << 63},
         "software:0x8000000000000000"},
        {{.kind = TARGET_PERF, .config = 1}, "hardware:instructions"},
        {{.kind = TARGET_PERF, .config = 4ULL << 32 | 1}, "hardware:instructions"},
        {{.kind = TARGET_PERF, .type = PERF_TYPE_HW_CACHE, .config = 0x10002},
         "cache:ll-read-miss"},
        {{.kind = TARGET_PERF, .type = PERF_TYPE_HW_CACHE, .config = 0xffffff}, "cache:0xffffff"},
        {{.kind = TARGET_PERF, .type = PERF_TYPE_RAW, .config = 0x1c2}, "raw:0x1c2"},
        {{.kind = TARGET_PERF, .type = PERF_TYPE_BREAKPOINT, .address = 0x1000},
         "breakpoint:0x1000"},
        {{.kind = TARGET_PERF, .type = 4000000000, .config = 3}, "type-4000000000:0x3"},

        {{.kind = TARGET_CGROUP, TEXT("cron.service\0system.slice")}, "/system.slice/cron.service"},
        {{.kind = TARGET_CGROUP}, "/"},
        {{.kind = TARGET_CGROUP, .text_cut = 1}, NULL},

        {{.kind = TARGET_INTERFACE, TEXT("eth0"), .ifindex = 2}, "eth0"},
        {{.kind = TARGET_INTERFACE, .ifindex = 2}, "interface 2"},
        {{.kind = TARGET_INTERFACE}, NULL},
        {{.kind = TARGET_INTERFACE,
          TEXT("lo"),
          .parent = 0xfffffff2,
          .priority = 49152,
          .handle = 1},
         "lo ingress pref 49152 handle 0x1"},
        {{.kind = TARGET_INTERFACE, TEXT("lo"), .parent = 0xfffffff3}, "lo egress"},
        {{.kind = TARGET_INTERFACE, TEXT("lo"), .parent = 0x10002}, "lo parent 1:2"},

        {{.kind = TARGET_NETNS, .netns = 4026531840}, "netns 4026531840"},
        {{.kind = TARGET_PROCESS, .id = 812}, "process 812"},
        {{.kind = TARGET_MAP, .id = 41, TEXT("events")}, "map 41 \"events\""},
        {{.kind = TARGET_MAP, .id = 41}, "map 41"},
        {{.kind = TARGET_STRUCT_OPS, TEXT("bbr_bpf"), .group = "tcp_congestion_ops"},
         "tcp_congestion_ops \"bbr_bpf\""},
        {{.kind = TARGET_STRUCT_OPS, TEXT("bbr_bpf")}, "struct_ops \"bbr_bpf\""},
        {{.kind = TARGET_PROG, .id = 7, TEXT("xdp_main")}, "program 7 \"xdp_main\""},
        {{.kind = TARGET_ITER, TEXT("task")}, "task"},
        {{.kind = TARGET_ITER, TEXT("bpf_map_elem"), .id = 3}, "bpf_map_elem of map 3"},
        {{.kind = TARGET_NETFILTER, .family = 2, .priority = (uint32_t) -100},
         "ipv4/pre_routing priority -100"},
        {{.kind = TARGET_NETFILTER, .family = 60000, .hook = 4000000000, .priority = 1},
         "family-60000/hook-4000000000 priority 1"},
        {{.kind = TARGET_LIST, .count = 3}, "3 functions"},
        {{.kind = TARGET_LIST, .count = 3, TEXT("true\0bin")}, "/bin/true at 3 places"},
};

START_TEST(words) {
        const char *got;

        target_describe(event, NULL, NULL, &rows[_i].target);
        got = event_string(event, FIELD_ATTACH_TARGET);
        ck_assert_msg(!got == !rows[_i].words && (!got || strcmp(got, rows[_i].words) == 0),
                      "row %d: got %s, expected %s", _i, got ?: "nothing",
                      rows[_i].words ?: "nothing");
}
END_TEST

START_TEST(with_numbers) {
        const struct record_target interface = {
                .kind = TARGET_INTERFACE, TEXT("lo"), .ifindex = 1, .netns = 4026531840};
        const struct record_target function = {
                .kind = TARGET_FUNCTION, TEXT("f"), .address = 0xffffffff81000000};

        target_describe(event, NULL, NULL, &interface);
        ck_assert_uint_eq(event_get(event, FIELD_ATTACH_IFINDEX)->u32, 1);
        ck_assert_uint_eq(event_get(event, FIELD_ATTACH_NAMESPACE)->u32, 4026531840);
        ck_assert(!event_has(event, FIELD_ATTACH_ADDRESS));
        event_reset(event);
        target_describe(event, NULL, NULL, &function);
        ck_assert_uint_eq(event_get(event, FIELD_ATTACH_ADDRESS)->u64, 0xffffffff81000000);
        ck_assert(!event_has(event, FIELD_ATTACH_IFINDEX));
        ck_assert(!event_has(event, FIELD_ATTACH_NAMESPACE));
}
END_TEST

START_TEST(on_return) {
        const struct record_target t = {.kind = TARGET_FUNCTION, TEXT("f"), .is_return = 1};
        static const char *const other[] = {"other"};

        target_describe(event, NULL, NULL, &t);
        ck_assert_str_eq(event_get(event, FIELD_ATTACH_FLAGS)->strings.items[0], "return");
        /* What the caller itself said stays. */
        event_reset(event);
        event_set_strings(event, FIELD_ATTACH_FLAGS, other, 1);
        target_describe(event, NULL, NULL, &t);
        ck_assert_uint_eq(event_get(event, FIELD_ATTACH_FLAGS)->strings.n, 1);
        ck_assert_str_eq(event_get(event, FIELD_ATTACH_FLAGS)->strings.items[0], "other");
}
END_TEST

/* A target whose every byte is the same: strings lack their NUL, sizes are out of bounds. */
START_TEST(hostile) {
        static const unsigned char bytes[] = {0, 1, 0x2f, 0x41, 0x7f, 0x80, 0xc3, 0xff};
        struct record_target t;

        for (size_t i = 0; i < sizeof(bytes); i++)
                for (uint32_t kind = 0; kind < _TARGET_MAX; kind++)
                        for (int is_return = 0; is_return < 2; is_return++) {
                                event_reset(event);
                                memset(&t, bytes[i], sizeof(t));
                                t.kind = kind;
                                t.is_return = is_return;
                                target_describe(event, NULL, NULL, &t);
                        }
        ck_assert_uint_eq(event->truncated, 0);
}
END_TEST

START_TEST(bytes_of_names) {
        const struct record_target t = {.kind = TARGET_MAP, .id = 1, TEXT("a\xff\"b")};

        target_describe(event, NULL, NULL, &t);
        ck_assert_str_eq(event_string(event, FIELD_ATTACH_TARGET), "map 1 \"a\ufffd\"b\"");
}
END_TEST

/* Lists ---------------------------------------------------------------------------------------- */

static const char *item(size_t i) {
        const struct value *v = event_get(event, FIELD_ATTACH_TARGETS);

        ck_assert_ptr_nonnull(v);
        ck_assert_uint_lt(i, v->strings.n);
        return v->strings.items[i];
}

static size_t items(void) {
        const struct value *v = event_get(event, FIELD_ATTACH_TARGETS);

        return v ? v->strings.n : 0;
}

START_TEST(addresses) {
        static const uint64_t numbers[] = {0xffffffff81000000, 0x10, 0};
        const struct record_target t = {.kind = TARGET_LIST, .count = 3};
        const struct part list = {numbers, sizeof(numbers), sizeof(numbers), true};

        target_describe_list(event, NULL, NULL, &t, PART_ADDRESSES, &list);
        ck_assert_uint_eq(items(), 3);
        ck_assert_str_eq(item(0), "0xffffffff81000000");
        ck_assert_str_eq(item(1), "0x10");
        ck_assert_str_eq(item(2), "0x0");
}
END_TEST

/* However many come, the list is short, and its end says how many there are besides. */
START_TEST(long_list) {
        static const struct {
                size_t came, there_are, items;
                const char *last;
        } lengths[] = {
                {1, 1, 1, "0x1"},
                {64, 64, 64, "0x1"},
                {65, 65, 64, "and 2 more"},
                {1000, 1000, 64, "and 937 more"},
                {1024, 70000, 64, "and 69937 more"},
                {2, 64, 3, "and 62 more"},
                {0, 64, 1, "and 64 more"},
                {64, 1, 64, "0x1"},
        };
        const struct record_target t = {.kind = TARGET_LIST, TEXT("true\0bin")};
        static uint64_t numbers[1024];

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                numbers[i] = 1;
        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                const struct part list = {numbers, lengths[i].came * 8, lengths[i].there_are * 8};

                event_reset(event);
                target_describe_list(event, NULL, NULL, &t, PART_OFFSETS, &list);
                ck_assert_uint_eq(items(), lengths[i].items);
                ck_assert_str_eq(item(items() - 1), lengths[i].last);
        }
}
END_TEST

START_TEST(no_list) {
        const struct record_target t = {.kind = TARGET_LIST};
        const struct part list = {"", 0, 0, true};

        for (enum part_kind kind = 0; kind <= _PART_MAX; kind++)
                target_describe_list(event, NULL, NULL, &t, kind, &list);
        ck_assert_uint_eq(items(), 0);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("target");
        TCase *c = tcase_create("target");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_loop_test(c, words, 0, (int) ELEMENTSOF(rows));
        tcase_add_test(c, with_numbers);
        tcase_add_test(c, on_return);
        tcase_add_test(c, hostile);
        tcase_add_test(c, bytes_of_names);
        tcase_add_test(c, addresses);
        tcase_add_test(c, long_list);
        tcase_add_test(c, no_list);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
