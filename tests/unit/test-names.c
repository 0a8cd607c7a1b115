/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/btf.h>

#include "flags.h"
#include "names.h"
#include "tap-main.h"

static struct names *ours(void) {
        struct names *n = NULL;

        ck_assert_int_eq(names_new(&n, NULL), 0);
        return n;
}

START_TEST(table) {
        static const struct {
                enum name_set set;
                uint32_t value;
                const char *name;
        } rows[] = {
                {NAMES_COMMAND, 0, "MAP_CREATE"},
                {NAMES_COMMAND, 5, "PROG_LOAD"},
                {NAMES_COMMAND, 10, "PROG_TEST_RUN"},
                {NAMES_COMMAND, 22, "MAP_FREEZE"},
                {NAMES_COMMAND, 28, "LINK_CREATE"},
                {NAMES_COMMAND, 35, "PROG_BIND_MAP"},
                {NAMES_COMMAND, 36, "TOKEN_CREATE"},
                {NAMES_COMMAND, 37, "PROG_STREAM_READ_BY_FD"},
                {NAMES_COMMAND, 38, "PROG_ASSOC_STRUCT_OPS"},
                {NAMES_PROG_TYPE, 0, "unspec"},
                {NAMES_PROG_TYPE, 2, "kprobe"},
                {NAMES_PROG_TYPE, 32, "netfilter"},
                {NAMES_MAP_TYPE, 1, "hash"},
                {NAMES_MAP_TYPE, 19, "cgroup_storage"},
                {NAMES_MAP_TYPE, 27, "ringbuf"},
                {NAMES_MAP_TYPE, 33, "arena"},
                {NAMES_LINK_TYPE, 2, "tracing"},
                {NAMES_LINK_TYPE, 14, "sockmap"},
                {NAMES_ATTACH_TYPE, 0, "cgroup_inet_ingress"},
                {NAMES_ATTACH_TYPE, 24, "trace_fentry"},
                {NAMES_ATTACH_TYPE, 57, "trace_uprobe_session"},
                {NAMES_HELPER, 1, "map_lookup_elem"},
                {NAMES_HELPER, 36, "probe_write_user"},
                {NAMES_HELPER, 211, "cgrp_storage_delete"},
                {NAMES_STATS_TYPE, 0, "run_time"},
                {NAMES_TASK_FD_TYPE, 3, "kretprobe"},
                {NAMES_STREAM, 2, "stderr"},
                {NAMES_NETFILTER_FAMILY, 10, "ipv6"},
                {NAMES_NETFILTER_HOOK, 5, "ingress"},
        };
        struct names *n = ours();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                ck_assert_pstr_eq(names_get(n, rows[i].set, rows[i].value), rows[i].name);
        names_free(n);
}
END_TEST

START_TEST(unknown_values) {
        static const uint32_t values[] = {250, 255, 256, 65536, UINT32_MAX};
        struct names *n = ours();

        for (enum name_set set = 0; set < _NAMES_MAX; set++) {
                for (size_t i = 0; i < ELEMENTSOF(values); i++)
                        ck_assert_ptr_null(names_get(n, set, values[i]));
                ck_assert_ptr_null(names_get(n, set, names_end(n, set)));
                ck_assert_ptr_nonnull(names_get(n, set, names_end(n, set) - 1));
        }
        names_free(n);
}
END_TEST

/* A kernel newer than our table, with what such enums have besides. */
START_TEST(btf_of_newer_kernel) {
        struct btf *btf = btf__new_empty();
        struct names *n = NULL;

        ck_assert_int_gt(btf__add_enum(btf, "bpf_cmd", 4), 0);
        btf__add_enum_value(btf, "BPF_MAP_CREATE", 0);
        btf__add_enum_value(btf, "BPF_PROG_RUN", 10);
        btf__add_enum_value(btf, "BPF_PROG_TEST_RUN", 10);
        btf__add_enum_value(btf, "BPF_MAP_TELEPORT", 77);
        btf__add_enum_value(btf, "__MAX_BPF_CMD", 78);
        btf__add_enum_value(btf, "BPF_COMMON_ATTRS", 1 << 16);
        ck_assert_int_gt(btf__add_enum(btf, "bpf_map_type", 4), 0);
        btf__add_enum_value(btf, "BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED", 19);
        btf__add_enum_value(btf, "BPF_MAP_TYPE_CGROUP_STORAGE", 19);
        btf__add_enum_value(btf, "BPF_MAP_TYPE_QUEUE", 23);
        btf__add_enum_value(btf, "BPF_MAP_TYPE_FIRST_ALIAS", 90);
        btf__add_enum_value(btf, "BPF_MAP_TYPE_SECOND_ALIAS", 90);

        ck_assert_int_eq(names_new(&n, btf), 0);
        btf__free(btf); /* nothing of it is kept */

        ck_assert_pstr_eq(names_get(n, NAMES_COMMAND, 0), "MAP_CREATE");
        ck_assert_pstr_eq(names_get(n, NAMES_COMMAND, 10), "PROG_TEST_RUN");
        ck_assert_pstr_eq(names_get(n, NAMES_COMMAND, 77), "MAP_TELEPORT");
        ck_assert_ptr_null(names_get(n, NAMES_COMMAND, 78));
        ck_assert_uint_eq(names_end(n, NAMES_COMMAND), 78);
        ck_assert_pstr_eq(names_get(n, NAMES_MAP_TYPE, 19), "cgroup_storage");
        ck_assert_pstr_eq(names_get(n, NAMES_MAP_TYPE, 90), "first_alias");
        /* The kernel knows better, */
        ck_assert_pstr_eq(names_get(n, NAMES_MAP_TYPE, 23), "queue");
        /* and where it is silent our table speaks. */
        ck_assert_pstr_eq(names_get(n, NAMES_MAP_TYPE, 1), "hash");
        ck_assert_pstr_eq(names_get(n, NAMES_PROG_TYPE, 6), "xdp");
        names_free(n);
}
END_TEST

START_TEST(running_kernel) {
        struct names *kernel = NULL, *n = ours();

        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                tap_skip("this kernel has no BTF");
        ck_assert_int_eq(names_new_kernel(&kernel), 0);

        /* Where both know a value they agree: our table has no wrong number. */
        for (enum name_set set = 0; set < _NAMES_MAX; set++) {
                ck_assert_uint_ge(names_end(kernel, set), names_end(n, set));
                for (uint32_t value = 0; value < names_end(n, set); value++)
                        ck_assert_pstr_eq(names_get(kernel, set, value), names_get(n, set, value));
        }
        names_free(kernel);
        names_free(n);
}
END_TEST

START_TEST(flags) {
        const char *items[FLAGS_NAMES_MAX];
        char rest[FLAGS_REST_SIZE];

        ck_assert_uint_eq(flags_names(FLAGS_MAP, 0, items, rest), 0);

        ck_assert_uint_eq(flags_names(FLAGS_MAP, 1 << 10 | 1, items, rest), 2);
        ck_assert_str_eq(items[0], "no_prealloc");
        ck_assert_str_eq(items[1], "mmapable");

        /* BPF_F_PATH_FD is not for maps, bits 31 and 40 nobody knows. */
        ck_assert_uint_eq(flags_names(FLAGS_MAP,
                                      UINT64_C(1) << 40 | UINT32_C(1) << 31 | 1 << 14 | 1 << 7,
                                      items, rest),
                          2);
        ck_assert_str_eq(items[0], "rdonly_prog");
        ck_assert_str_eq(items[1], "0x10080004000");

        for (enum flag_set set = 0; set < _FLAGS_MAX; set++) {
                size_t n = flags_names(set, UINT64_MAX, items, rest);

                ck_assert_uint_le(n, FLAGS_NAMES_MAX);
                ck_assert_ptr_eq(items[n - 1], rest);
        }
        ck_assert_uint_eq(flags_names(FLAGS_NONE, 1, items, rest), 1);
        ck_assert_str_eq(items[0], "0x1");
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("names");
        TCase *c = tcase_create("names");

        tcase_add_test(c, table);
        tcase_add_test(c, unknown_values);
        tcase_add_test(c, btf_of_newer_kernel);
        tcase_add_test(c, running_kernel);
        tcase_add_test(c, flags);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
