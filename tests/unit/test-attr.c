/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>

#include "attr.h"
#include "event.h"
#include "names.h"
#include "record.h"
#include "tap-main.h"

enum {
        /* Newer than the oldest linux/bpf.h that we are built with. */
        ATTACH_TCX_INGRESS = 46,
        ATTACH_UPROBE_MULTI = 48,
        ATTACH_NETFILTER = 45,
        FLAG_ID = 1 << 5,
};

/* Commands ------------------------------------------------------------------------------------- */

START_TEST(kinds) {
        static const struct {
                uint32_t cmd;
                const char *event, *class;
        } rows[] = {
                {0, "map-create", "install"},
                {1, "map-access", "use"},
                {2, "map-access", "use"},
                {3, "map-access", "use"},
                {4, "map-access", "use"},
                {5, "prog-load", "install"},
                {6, "pin", "install"},
                {7, "object-get", "look"},
                {8, "attach", "install"},
                {9, "detach", "remove"},
                {10, "prog-run", "use"},
                {11, "object-query", "look"},
                {12, "object-query", "look"},
                {13, "object-get", "look"},
                {14, "object-get", "look"},
                {15, "object-query", "look"},
                {16, "object-query", "look"},
                {17, "attach", "install"},
                {18, "btf-load", "install"},
                {19, "object-get", "look"},
                {20, "object-query", "look"},
                {21, "map-access", "use"},
                {22, "map-freeze", "change"},
                {23, "object-query", "look"},
                {24, "map-access", "use"},
                {25, "map-access", "use"},
                {26, "map-access", "use"},
                {27, "map-access", "use"},
                {28, "link-create", "install"},
                {29, "link-update", "change"},
                {30, "object-get", "look"},
                {31, "object-query", "look"},
                {32, "stats-enable", "install"},
                {33, "iter-create", "use"},
                {34, "detach", "remove"},
                {35, "prog-bind-map", "change"},
                {36, "token-create", "install"},
                {37, "object-query", "look"},
                {38, "prog-assoc-struct-ops", "change"},
                {39, "object-query", "look"},
                {UINT32_MAX, "object-query", "look"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                ck_assert_str_eq(command_info(rows[i].cmd, -EINVAL)->event, rows[i].event);
                ck_assert_str_eq(command_info(rows[i].cmd, -EINVAL)->class, rows[i].class);
        }
        /* A newer kernel did something that we do not know. */
        ck_assert_str_eq(command_info(UINT32_MAX, 0)->event, "unknown-call");
        ck_assert_str_eq(command_info(UINT32_MAX, 0)->class, "change");
        ck_assert_str_eq(command_info(8, 0)->via, "prog-attach");
        ck_assert_str_eq(command_info(17, 0)->via, "raw-tracepoint-open");
        ck_assert_str_eq(command_info(28, 0)->via, "link-create");
}
END_TEST

START_TEST(slots) {
        ck_assert_uint_eq(command_slot(0), 0);
        ck_assert_uint_eq(command_slot(38), 38);
        ck_assert_uint_eq(command_slot(COMMAND_SLOTS - 1), COMMAND_SLOTS - 1);
        ck_assert_uint_eq(command_slot(COMMAND_SLOTS), COMMAND_SLOTS - 1);
        ck_assert_uint_eq(command_slot(UINT32_MAX), COMMAND_SLOTS - 1);
}
END_TEST

/* Decoding ------------------------------------------------------------------------------------- */

static struct names *names;
static struct event *event;

static void setup(void) {
        ck_assert_int_eq(names_new(&names, NULL), 0);
        event = calloc(1, sizeof(*event));
        event_reset(event);
}

static void teardown(void) {
        names_free(names);
        free(event);
}

static void decode(uint32_t cmd, const void *data, size_t size, const char *string) {
        struct attr a = {.cmd = cmd, .data = data, .size = size, .string = string};

        event_reset(event);
        attr_decode(event, names, &a);
}

static const struct value *get(const char *key) {
        return event_dict_get(event, FIELD_BPF_ATTR, key);
}

static void assert_u32(const char *key, uint32_t v) {
        ck_assert_msg(get(key) && get(key)->type == TYPE_U32, "%s", key);
        ck_assert_uint_eq(get(key)->u32, v);
}

static void assert_s64(const char *key, int64_t v) {
        ck_assert_msg(get(key) && get(key)->type == TYPE_S64, "%s", key);
        ck_assert_int_eq(get(key)->s64, v);
}

static void assert_string(const char *key, const char *v) {
        ck_assert_msg(get(key) && get(key)->type == TYPE_STRING, "%s", key);
        ck_assert_str_eq(get(key)->string, v);
}

/* A list of one or two. */
static void assert_list(const char *key, const char *first, const char *second) {
        const struct value *v = get(key);

        ck_assert_msg(v && v->type == TYPE_STRINGS, "%s", key);
        ck_assert_uint_eq(v->strings.n, second ? 2 : 1);
        ck_assert_str_eq(v->strings.items[0], first);
        if (second)
                ck_assert_str_eq(v->strings.items[1], second);
}

START_TEST(map_create) {
        union bpf_attr a = {
                .map_type = BPF_MAP_TYPE_HASH,
                .key_size = 4,
                .value_size = 8,
                .max_entries = 1024,
                .map_flags = BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG,
                .map_name = "counters",
                .map_extra = 0x1000,
                .btf_fd = UINT32_MAX, /* -1: none */
        };

        decode(BPF_MAP_CREATE, &a, sizeof(a), NULL);
        assert_string("map_type", "hash");
        assert_u32("key_size", 4);
        assert_u32("value_size", 8);
        assert_u32("max_entries", 1024);
        assert_string("map_name", "counters");
        assert_string("map_extra", "0x1000");
        assert_list("map_flags", "no_prealloc", "rdonly_prog");
        ck_assert_ptr_null(get("btf_fd"));
        ck_assert_ptr_null(get("inner_map_fd"));
        ck_assert_ptr_null(get("numa_node"));
        ck_assert(!event_has(event, FIELD_BPF_ATTR_RAW));
}
END_TEST

START_TEST(map_name_without_nul) {
        union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY};

        memset(a.map_name, 'x', sizeof(a.map_name));
        decode(BPF_MAP_CREATE, &a, sizeof(a), NULL);
        assert_string("map_name", "xxxxxxxxxxxxxxxx");
}
END_TEST

START_TEST(size_cuts) {
        union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY,
                            .key_size = 0x01020304,
                            .value_size = 8,
                            .map_name = "counters"};

        /* What is beyond the size is absent; what it cuts through is zero there, as it is for the
         * kernel. */
        decode(BPF_MAP_CREATE, &a, 8, NULL);
        assert_u32("key_size", 0x01020304);
        ck_assert_ptr_null(get("value_size"));
        decode(BPF_MAP_CREATE, &a, offsetof(union bpf_attr, map_name) + 3, NULL);
        assert_string("map_name", "cou");
        decode(BPF_MAP_CREATE, &a, 0, NULL);
        ck_assert(!event_has(event, FIELD_BPF_ATTR));
        ck_assert(!event_has(event, FIELD_BPF_ATTR_RAW));
}
END_TEST

START_TEST(prog_load) {
        union bpf_attr a = {
                .prog_type = BPF_PROG_TYPE_TRACING,
                .insn_cnt = 12,
                .insns = 0x7ffc0000,
                .license = 0x7ffc1000,
                .log_level = 1,
                .prog_name = "trace_open",
                .expected_attach_type = BPF_TRACE_FENTRY,
                .prog_btf_fd = 7,
                .attach_btf_id = 12345,
        };

        decode(BPF_PROG_LOAD, &a, sizeof(a), "GPL");
        assert_string("prog_type", "tracing");
        assert_u32("insn_cnt", 12);
        assert_string("insns", "0x7ffc0000");
        assert_string("license", "GPL");
        assert_u32("log_level", 1);
        assert_string("prog_name", "trace_open");
        assert_string("expected_attach_type", "trace_fentry");
        assert_s64("prog_btf_fd", 7);
        assert_u32("attach_btf_id", 12345);
        ck_assert_ptr_null(get("attach_prog_fd"));

        /* A string that could not be read remains a pointer. */
        decode(BPF_PROG_LOAD, &a, sizeof(a), NULL);
        assert_string("license", "0x7ffc1000");
}
END_TEST

START_TEST(links) {
        union bpf_attr a = {
                .link_create = {.prog_fd = 5, .target_fd = 3, .attach_type = BPF_XDP, .flags = 2}};

        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        assert_s64("prog_fd", 5);
        assert_u32("target_ifindex", 3);
        ck_assert_ptr_null(get("target_fd"));
        assert_string("attach_type", "xdp");
        assert_list("flags", "skb_mode", NULL);

        a.link_create.attach_type = BPF_CGROUP_INET_EGRESS;
        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        assert_s64("target_fd", 3);
        ck_assert_ptr_null(get("target_ifindex"));
        assert_list("flags", "allow_multi", NULL);

        a = (union bpf_attr){
                .link_create = {
                        .attach_type = BPF_TRACE_KPROBE_MULTI,
                        .kprobe_multi = {.flags = 1, .cnt = 2, .syms = 0x1000, .cookies = 0x2000}}};
        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        assert_s64("prog_fd", 0); /* a number like any other */
        assert_list("kprobe_multi.flags", "kprobe_multi_return", NULL);
        assert_u32("kprobe_multi.cnt", 2);
        assert_string("kprobe_multi.syms", "0x1000");
        assert_string("kprobe_multi.cookies", "0x2000");
        ck_assert_ptr_null(get("kprobe_multi.addrs"));
        ck_assert_ptr_null(get("target_btf_id"));

        a = (union bpf_attr){.link_create = {.attach_type = BPF_TRACE_ITER,
                                             .iter_info = 0x1000,
                                             .iter_info_len = 8}};
        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        assert_string("iter_info", "0x1000");
        assert_u32("iter_info_len", 8);

        a = (union bpf_attr){.link_create = {.attach_type = BPF_PERF_EVENT,
                                             .perf_event = {.bpf_cookie = 0xabc}}};
        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        assert_string("perf_event.bpf_cookie", "0xabc");

        a = (union bpf_attr){.link_create = {.attach_type = BPF_TRACE_FEXIT,
                                             .tracing = {.target_btf_id = 99, .cookie = 0xdef}}};
        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        assert_u32("target_btf_id", 99);
        assert_string("tracing.cookie", "0xdef");
}
END_TEST

/* Structs that the header we are built with may not have: written by offset. */
static void put(uint8_t *data, size_t offset, uint32_t v) {
        memcpy(data + offset, &v, sizeof(v));
}

START_TEST(newer_links) {
        uint8_t a[64] = {};

        put(a, 8, ATTACH_NETFILTER);
        put(a, 16, 2);
        put(a, 24, (uint32_t) -100);
        decode(BPF_LINK_CREATE, a, sizeof(a), NULL);
        assert_string("netfilter.pf", "ipv4");
        assert_string("netfilter.hooknum", "pre_routing");
        assert_s64("netfilter.priority", -100);

        memset(a, 0, sizeof(a));
        put(a, 4, 2);
        put(a, 8, ATTACH_TCX_INGRESS);
        put(a, 16, 41);
        decode(BPF_LINK_CREATE, a, sizeof(a), NULL);
        assert_u32("target_ifindex", 2);
        assert_s64("tcx.relative_fd", 41);
        put(a, 12, FLAG_ID);
        decode(BPF_LINK_CREATE, a, sizeof(a), NULL);
        assert_u32("tcx.relative_id", 41);
        ck_assert_ptr_null(get("tcx.relative_fd"));
        assert_list("flags", "id", NULL);

        memset(a, 0, sizeof(a));
        put(a, 8, ATTACH_UPROBE_MULTI);
        put(a, 16, 0x5000);
        put(a, 48, 3);
        put(a, 52, 1 | 1 << 1); /* return, path_fd: 0 is an fd then */
        put(a, 56, 812);
        decode(BPF_LINK_CREATE, a, sizeof(a), NULL);
        assert_string("uprobe_multi.path", "0x5000");
        assert_u32("uprobe_multi.cnt", 3);
        assert_u32("uprobe_multi.pid", 812);
        assert_list("uprobe_multi.flags", "uprobe_multi_return", "uprobe_multi_path_fd");
        assert_s64("uprobe_multi.path_fd", 0);
}
END_TEST

START_TEST(replacing_a_function) {
        union bpf_attr bytes = {.link_create = {.prog_fd = 5, .target_fd = 6, .target_btf_id = 7}};
        struct attr a = {.cmd = BPF_LINK_CREATE, .data = (void *) &bytes, .size = sizeof(bytes)};

        /* Attach type 0 is a cgroup's, unless the program is known to be an extension. */
        event_reset(event);
        attr_decode(event, names, &a);
        assert_s64("cgroup.relative_fd", 7);
        a.prog_type = BPF_PROG_TYPE_EXT;
        event_reset(event);
        attr_decode(event, names, &a);
        assert_u32("target_btf_id", 7);
        ck_assert_ptr_null(get("cgroup.relative_fd"));
}
END_TEST

START_TEST(others) {
        union bpf_attr a = {.target_fd = 9, .attach_bpf_fd = 5, .attach_type = BPF_CGROUP_DEVICE};
        decode(BPF_PROG_ATTACH, &a, sizeof(a), NULL);
        assert_s64("target_fd", 9);
        assert_s64("attach_bpf_fd", 5);
        assert_string("attach_type", "cgroup_device");

        a = (union bpf_attr){.pathname = 0x1000, .bpf_fd = 4, .file_flags = 8};
        decode(BPF_OBJ_PIN, &a, sizeof(a), "/sys/fs/bpf/x");
        assert_string("pathname", "/sys/fs/bpf/x");
        assert_s64("bpf_fd", 4);
        assert_list("file_flags", "rdonly", NULL);
        decode(BPF_OBJ_GET, &a, sizeof(a), "/sys/fs/bpf/x");
        assert_string("pathname", "/sys/fs/bpf/x");

        a = (union bpf_attr){.raw_tracepoint = {.name = 0x1000, .prog_fd = 11}};
        decode(BPF_RAW_TRACEPOINT_OPEN, &a, sizeof(a), "sched_switch");
        assert_string("name", "sched_switch");
        assert_s64("prog_fd", 11);

        a = (union bpf_attr){.btf = 0x1000, .btf_size = 4096, .btf_log_level = 1};
        decode(BPF_BTF_LOAD, &a, sizeof(a), NULL);
        assert_string("btf", "0x1000");
        assert_u32("btf_size", 4096);
        assert_u32("btf_log_level", 1);

        a = (union bpf_attr){.map_fd = 3, .key = 0x10, .value = 0x20, .flags = BPF_NOEXIST};
        decode(BPF_MAP_UPDATE_ELEM, &a, sizeof(a), NULL);
        assert_s64("map_fd", 3);
        assert_string("key", "0x10");
        assert_string("value", "0x20");
        assert_list("flags", "noexist", NULL);
        decode(BPF_MAP_GET_NEXT_KEY, &a, sizeof(a), NULL);
        assert_string("next_key", "0x20");
        ck_assert_ptr_null(get("value"));

        a = (union bpf_attr){.batch = {.count = 50, .map_fd = 3, .keys = 0x10, .elem_flags = 4}};
        decode(BPF_MAP_UPDATE_BATCH, &a, sizeof(a), NULL);
        assert_u32("count", 50);
        assert_s64("map_fd", 3);
        assert_list("elem_flags", "lock", NULL);
}
END_TEST

START_TEST(queries) {
        union bpf_attr a = {.prog_id = 77};
        decode(BPF_PROG_GET_FD_BY_ID, &a, sizeof(a), NULL);
        assert_u32("prog_id", 77);
        ck_assert_ptr_null(get("start_id"));
        decode(BPF_LINK_GET_FD_BY_ID, &a, sizeof(a), NULL);
        assert_u32("link_id", 77);
        decode(BPF_BTF_GET_FD_BY_ID, &a, sizeof(a), NULL);
        assert_u32("btf_id", 77);
        a = (union bpf_attr){.map_id = 78, .open_flags = BPF_F_RDONLY};
        decode(BPF_MAP_GET_FD_BY_ID, &a, sizeof(a), NULL);
        assert_u32("map_id", 78);
        assert_list("open_flags", "rdonly", NULL);
        a = (union bpf_attr){};
        decode(BPF_MAP_GET_NEXT_ID, &a, sizeof(a), NULL);
        assert_u32("start_id", 0); /* the first one */
        ck_assert_ptr_null(get("map_id"));

        a = (union bpf_attr){.info = {.bpf_fd = 0, .info_len = 128, .info = 0x1000}};
        decode(BPF_OBJ_GET_INFO_BY_FD, &a, sizeof(a), NULL);
        assert_s64("bpf_fd", 0);
        assert_u32("info_len", 128);
        assert_string("info", "0x1000");

        a = (union bpf_attr){.query = {.target_fd = 4,
                                       .attach_type = BPF_CGROUP_DEVICE,
                                       .query_flags = BPF_F_QUERY_EFFECTIVE,
                                       .prog_cnt = 8}};
        decode(BPF_PROG_QUERY, &a, sizeof(a), NULL);
        assert_s64("target_fd", 4);
        assert_string("attach_type", "cgroup_device");
        assert_list("query_flags", "query_effective", NULL);
        assert_u32("prog_cnt", 8);
        ck_assert_ptr_null(get("count")); /* the same bytes */
        a.query.attach_type = ATTACH_TCX_INGRESS;
        decode(BPF_PROG_QUERY, &a, sizeof(a), NULL);
        assert_u32("target_ifindex", 4);
        ck_assert_ptr_null(get("target_fd"));

        a = (union bpf_attr){.task_fd_query = {.pid = 812, .fd = 0, .fd_type = 2}};
        decode(BPF_TASK_FD_QUERY, &a, sizeof(a), NULL);
        assert_u32("pid", 812);
        assert_s64("fd", 0);
        assert_string("fd_type", "kprobe");

        uint8_t stream[20] = {};
        put(stream, 12, 2);
        put(stream, 16, 6);
        decode(37, stream, sizeof(stream), NULL);
        assert_string("stream_id", "stderr");
        assert_s64("prog_fd", 6);
}
END_TEST

START_TEST(changes) {
        union bpf_attr a = {
                .link_update = {.link_fd = 3, .new_prog_fd = 0, .flags = BPF_F_REPLACE}};
        decode(BPF_LINK_UPDATE, &a, sizeof(a), NULL);
        assert_s64("link_fd", 3);
        assert_s64("new_prog_fd", 0);
        assert_s64("old_prog_fd", 0); /* with "replace" it is one */
        assert_list("flags", "replace", NULL);
        ck_assert_ptr_null(get("new_map_fd"));
        a.link_update.flags = 0;
        decode(BPF_LINK_UPDATE, &a, sizeof(a), NULL);
        ck_assert_ptr_null(get("old_prog_fd"));

        a = (union bpf_attr){.link_detach = {.link_fd = 3}};
        decode(BPF_LINK_DETACH, &a, sizeof(a), NULL);
        assert_s64("link_fd", 3);

        a = (union bpf_attr){.enable_stats = {.type = 0}};
        decode(BPF_ENABLE_STATS, &a, sizeof(a), NULL);
        assert_string("type", "run_time");
        a.enable_stats.type = 9;
        decode(BPF_ENABLE_STATS, &a, sizeof(a), NULL);
        assert_u32("type", 9);

        a = (union bpf_attr){.iter_create = {.link_fd = 3, .flags = 1}};
        decode(BPF_ITER_CREATE, &a, sizeof(a), NULL);
        assert_s64("link_fd", 3);
        assert_list("flags", "0x1", NULL);

        a = (union bpf_attr){.prog_bind_map = {.prog_fd = 3, .map_fd = 4}};
        decode(BPF_PROG_BIND_MAP, &a, sizeof(a), NULL);
        assert_s64("prog_fd", 3);
        assert_s64("map_fd", 4);

        a = (union bpf_attr){.map_fd = 0};
        decode(BPF_MAP_FREEZE, &a, sizeof(a), NULL);
        assert_s64("map_fd", 0);

        uint8_t token[8] = {};
        put(token, 4, 5);
        decode(36, token, sizeof(token), NULL);
        assert_s64("bpffs_fd", 5);

        uint8_t assoc[12] = {};
        put(assoc, 0, 5);
        put(assoc, 4, 6);
        decode(38, assoc, sizeof(assoc), NULL);
        assert_s64("map_fd", 5);
        assert_s64("prog_fd", 6);

        a = (union bpf_attr){.test = {.prog_fd = 3, .repeat = 100, .flags = 1, .cpu = 1}};
        decode(BPF_PROG_TEST_RUN, &a, sizeof(a), NULL);
        assert_s64("prog_fd", 3);
        assert_u32("repeat", 100);
        assert_list("flags", "test_run_on_cpu", NULL);
        assert_u32("cpu", 1);
}
END_TEST

/* Whether 0 is an fd or none depends on the rest. */
START_TEST(zero_fds) {
        union bpf_attr a = {.map_type = BPF_MAP_TYPE_HASH};
        decode(BPF_MAP_CREATE, &a, sizeof(a), NULL);
        ck_assert_ptr_null(get("inner_map_fd"));
        ck_assert_ptr_null(get("btf_fd"));
        ck_assert_ptr_null(get("map_token_fd"));
        a = (union bpf_attr){.map_type = BPF_MAP_TYPE_HASH_OF_MAPS,
                             .map_flags = 1 << 16,
                             .btf_value_type_id = 3};
        decode(BPF_MAP_CREATE, &a, sizeof(a), NULL);
        assert_s64("inner_map_fd", 0);
        assert_s64("btf_fd", 0);
        assert_s64("map_token_fd", 0);
        assert_list("map_flags", "token_fd", NULL);

        a = (union bpf_attr){.prog_type = BPF_PROG_TYPE_XDP};
        decode(BPF_PROG_LOAD, &a, sizeof(a), NULL);
        ck_assert_ptr_null(get("prog_btf_fd"));
        a.line_info_cnt = 1;
        decode(BPF_PROG_LOAD, &a, sizeof(a), NULL);
        assert_s64("prog_btf_fd", 0);

        a = (union bpf_attr){.attach_type = BPF_CGROUP_DEVICE};
        decode(BPF_PROG_ATTACH, &a, sizeof(a), NULL);
        assert_s64("target_fd", 0);
        assert_s64("attach_bpf_fd", 0);
        decode(BPF_PROG_DETACH, &a, sizeof(a), NULL);
        assert_s64("target_fd", 0);
        ck_assert_ptr_null(get("attach_bpf_fd")); /* a cgroup needs none */

        a = (union bpf_attr){.link_create = {.attach_type = BPF_TRACE_FENTRY}};
        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        ck_assert_ptr_null(get("target_fd"));
        a.link_create.attach_type = BPF_SK_LOOKUP;
        decode(BPF_LINK_CREATE, &a, sizeof(a), NULL);
        assert_s64("target_fd", 0);

        a = (union bpf_attr){.pathname = 0x1000};
        decode(BPF_OBJ_PIN, &a, sizeof(a), "/sys/fs/bpf/x");
        assert_s64("bpf_fd", 0);
        ck_assert_ptr_null(get("path_fd"));
        decode(BPF_OBJ_GET, &a, sizeof(a), "/sys/fs/bpf/x");
        ck_assert_ptr_null(get("bpf_fd"));
        a.file_flags = 1 << 14;
        decode(BPF_OBJ_GET, &a, sizeof(a), "x");
        assert_list("file_flags", "path_fd", NULL);
}
END_TEST

START_TEST(common_attributes) {
        union bpf_attr bytes = {.prog_type = BPF_PROG_TYPE_XDP};
        uint8_t common[24] = {};
        struct attr a = {.cmd = BPF_PROG_LOAD,
                         .data = (void *) &bytes,
                         .size = sizeof(bytes),
                         .common = common,
                         .common_size = sizeof(common)};

        put(common, 0, 0x7000);
        put(common, 8, 4096);
        put(common, 12, 1);
        put(common, 16, 300);
        event_reset(event);
        attr_decode(event, names, &a);
        assert_string("prog_type", "xdp");
        assert_string("common.log_buf", "0x7000");
        assert_u32("common.log_size", 4096);
        assert_u32("common.log_level", 1);
        assert_u32("common.log_true_size", 300);
        ck_assert_ptr_null(get("log_size"));

        /* Beside a command that nobody knows, too; and cut by its size. */
        a.cmd = 77;
        a.common_size = 12;
        event_reset(event);
        attr_decode(event, names, &a);
        assert_u32("common.log_size", 4096);
        ck_assert_ptr_null(get("common.log_level"));
        ck_assert(event_has(event, FIELD_BPF_ATTR_RAW));
}
END_TEST

/* File descriptors ----------------------------------------------------------------------------- */

START_TEST(where_fds_are) {
        uint16_t at[RECORD_FDS_MAX + 1];

        ck_assert_uint_eq(attr_fds(BPF_MAP_CREATE, at, ELEMENTSOF(at)), 4);
        ck_assert_uint_eq(at[0], 20); /* inner_map_fd */
        ck_assert_uint_eq(at[1], 48); /* btf_fd */
        ck_assert_uint_eq(at[3], 76); /* map_token_fd */
        ck_assert_uint_eq(attr_fds(BPF_MAP_UPDATE_BATCH, at, ELEMENTSOF(at)), 1);
        ck_assert_uint_eq(at[0], 36);
        ck_assert_uint_eq(attr_fds(BPF_TASK_FD_QUERY, at, ELEMENTSOF(at)), 0);
        ck_assert_uint_eq(attr_fds(UINT32_MAX, at, ELEMENTSOF(at)), 0);
        ck_assert_uint_eq(attr_fds(BPF_MAP_CREATE, at, 2), 2);

        /* Each place once, in order, and a record has room for all of a command. */
        for (uint32_t cmd = 0; attr_known(cmd); cmd++) {
                size_t n = attr_fds(cmd, at, ELEMENTSOF(at));

                ck_assert_uint_le(n, RECORD_FDS_MAX);
                for (size_t i = 1; i < n; i++)
                        ck_assert_uint_lt(at[i - 1], at[i]);
        }
}
END_TEST

START_TEST(names_of_fds) {
        union bpf_attr bytes = {.link_create = {.prog_fd = 0, .target_fd = 9, .attach_type = 0}};
        struct attr a = {.cmd = BPF_LINK_CREATE, .data = (void *) &bytes, .size = sizeof(bytes)};

        ck_assert_pstr_eq(attr_fd_name(&a, 0), "prog_fd");
        ck_assert_pstr_eq(attr_fd_name(&a, 4), "target_fd");
        ck_assert_ptr_null(attr_fd_name(&a, 8));
        ck_assert_ptr_null(attr_fd_name(&a, 16)); /* no relative was given */
        bytes.link_create.target_btf_id = 5;
        ck_assert_pstr_eq(attr_fd_name(&a, 16), "cgroup.relative_fd");
        bytes.link_create.flags = FLAG_ID;
        ck_assert_ptr_null(attr_fd_name(&a, 16)); /* an id */
        bytes.link_create.flags = 0;
        bytes.link_create.attach_type = BPF_TRACE_FENTRY;
        ck_assert_ptr_null(attr_fd_name(&a, 16)); /* a type id */
        bytes.link_create.attach_type = BPF_XDP;
        ck_assert_ptr_null(attr_fd_name(&a, 4)); /* an interface */
        a.size = 4;
        ck_assert_ptr_null(attr_fd_name(&a, 4)); /* not given */

        bytes = (union bpf_attr){.map_type = BPF_MAP_TYPE_HASH, .btf_fd = UINT32_MAX};
        a = (struct attr){.cmd = BPF_MAP_CREATE, .data = (void *) &bytes, .size = sizeof(bytes)};
        ck_assert_ptr_null(attr_fd_name(&a, 48)); /* -1: none */
        a.cmd = UINT32_MAX;
        ck_assert_ptr_null(attr_fd_name(&a, 0));
}
END_TEST

/* What an fd was decides which member of a union is meant. */
START_TEST(fds_decide) {
        union bpf_attr bytes = {.link_update = {.link_fd = 3, .new_prog_fd = 4}};
        struct record_fd fd = {.offset = 0, .kind = OBJECT_LINK, .type = 9}; /* struct_ops */
        struct attr a = {.cmd = BPF_LINK_UPDATE,
                         .data = (void *) &bytes,
                         .size = sizeof(bytes),
                         .fds = &fd,
                         .n_fds = 1};

        event_reset(event);
        attr_decode(event, names, &a);
        assert_s64("new_map_fd", 4);
        ck_assert_ptr_null(get("new_prog_fd"));
        ck_assert_pstr_eq(attr_fd_name(&a, 4), "new_map_fd");

        bytes = (union bpf_attr){.prog_type = BPF_PROG_TYPE_EXT, .attach_prog_fd = 5};
        a.cmd = BPF_PROG_LOAD;
        event_reset(event);
        attr_decode(event, names, &a); /* nobody knows: both are told */
        assert_s64("attach_prog_fd", 5);
        assert_s64("attach_btf_obj_fd", 5);
        fd = (struct record_fd){.offset = 112, .kind = OBJECT_BTF};
        event_reset(event);
        attr_decode(event, names, &a);
        assert_s64("attach_btf_obj_fd", 5);
        ck_assert_ptr_null(get("attach_prog_fd"));

        /* A failed link-create has no link to tell its program's type. */
        bytes = (union bpf_attr){.link_create = {.prog_fd = 5, .target_btf_id = 7}};
        a.cmd = BPF_LINK_CREATE;
        fd = (struct record_fd){.offset = 0, .kind = OBJECT_PROG, .type = BPF_PROG_TYPE_EXT};
        event_reset(event);
        attr_decode(event, names, &a);
        assert_u32("target_btf_id", 7);
}
END_TEST

START_TEST(raw_bytes) {
        uint8_t a[RECORD_ATTR_MAX] = {1, 2, 3, 4};

        /* A command that nobody knows keeps its bytes, */
        decode(77, a, 12, NULL);
        const struct value *raw = event_get(event, FIELD_BPF_ATTR_RAW);
        ck_assert_ptr_nonnull(raw);
        ck_assert_uint_eq(raw->bytes.size, 12);
        ck_assert_mem_eq(raw->bytes.data, a, 12);
        ck_assert(!event_has(event, FIELD_BPF_ATTR));

        /* and one that says more than its rows explain has both. */
        decode(BPF_MAP_CREATE, a, sizeof(a), NULL);
        ck_assert(!event_has(event, FIELD_BPF_ATTR_RAW));
        a[200] = 1;
        decode(BPF_MAP_CREATE, a, sizeof(a), NULL);
        ck_assert(event_has(event, FIELD_BPF_ATTR_RAW));
        ck_assert(event_has(event, FIELD_BPF_ATTR));

        /* An attach type from the future: its struct is not known. */
        memset(a, 0, sizeof(a));
        put(a, 8, 63);
        put(a, 16, 5);
        decode(BPF_LINK_CREATE, a, sizeof(a), NULL);
        assert_u32("attach_type", 63);
        ck_assert(event_has(event, FIELD_BPF_ATTR_RAW));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("attr");
        TCase *c = tcase_create("commands"), *d = tcase_create("decode"), *f = tcase_create("fds");

        tcase_add_test(c, kinds);
        tcase_add_test(c, slots);
        tcase_add_checked_fixture(d, setup, teardown);
        tcase_add_test(d, map_create);
        tcase_add_test(d, map_name_without_nul);
        tcase_add_test(d, size_cuts);
        tcase_add_test(d, prog_load);
        tcase_add_test(d, links);
        tcase_add_test(d, newer_links);
        tcase_add_test(d, replacing_a_function);
        tcase_add_test(d, others);
        tcase_add_test(d, queries);
        tcase_add_test(d, changes);
        tcase_add_test(d, zero_fds);
        tcase_add_test(d, common_attributes);
        tcase_add_test(d, raw_bytes);
        tcase_add_checked_fixture(f, setup, teardown);
        tcase_add_test(f, where_fds_are);
        tcase_add_test(f, names_of_fds);
        tcase_add_test(f, fds_decide);
        suite_add_tcase(s, c);
        suite_add_tcase(s, d);
        suite_add_tcase(s, f);
        return s;
}

TAP_MAIN(suite)
