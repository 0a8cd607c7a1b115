/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attr.h"
#include "decode-bed.h"
#include "hooks.h"

/* Calls ---------------------------------------------------------------------------------------- */

static struct record_call loaded(void) {
        struct record_call r = call(BPF_PROG_LOAD, 5);

        set_attr(&r, &(union bpf_attr){.prog_type = BPF_PROG_TYPE_KPROBE,
                                       .insn_cnt = 12,
                                       .license = 0x1000,
                                       .prog_name = "asked_name"});
        set_string(&r, "GPL");
        r.object = (struct record_object){
                .kind = OBJECT_PROG,
                .id = 77,
                .type = BPF_PROG_TYPE_KPROBE,
                .name = "trace_open",
                .tag = {0x3b, 0x18, 0x51, 0x87, 0xf1, 0x85, 0x5c, 0x4c},
                .load_time = clock_ns(CLOCK_BOOTTIME),
                .instructions = 14,
                .verified = 40,
                .jited_size = 120,
                .btf_id = 9,
                .gpl = 1,
        };
        return r;
}

START_TEST(prog_load) {
        struct record_call r = loaded();
        uint64_t now = clock_ns(CLOCK_REALTIME) / 1000;

        decode(&r);
        assert_string(FIELD_EVENT, "prog-load");
        assert_string(FIELD_CLASS, "install");
        assert_string(FIELD_SEVERITY, "info");
        assert_string(FIELD_RESULT, "ok");
        assert_absent(FIELD_ERRNO);
        ck_assert_uint_eq(event_get(event, FIELD_DURATION)->u64, 212000);
        assert_string(FIELD_SOURCE, "tracepoint:syscalls:sys_exit_bpf");
        assert_string(FIELD_MESSAGE, "bpftool loaded kprobe program \"trace_open\" (id 77)");
        assert_u32(FIELD_PROCESS_PID, 812);
        assert_string(FIELD_BPF_CMD, "PROG_LOAD");
        assert_u32(FIELD_BPF_CMD_NUMBER, 5);
        assert_string(FIELD_BPF_ATTR_SOURCE, "kernel");
        assert_u32(FIELD_BPF_SIZE, sizeof(union bpf_attr));
        ck_assert_int_eq(event_get(event, FIELD_BPF_RETURN)->s64, 5);
        assert_absent(FIELD_BPF_COMPAT);
        assert_absent(FIELD_BPF_IN_KERNEL);
        assert_absent(FIELD_BPF_ATTR_RAW);

        /* The kernel's object counts, not what was asked for. */
        assert_u32(FIELD_PROG_ID, 77);
        assert_string(FIELD_PROG_NAME, "trace_open");
        assert_string(FIELD_PROG_TYPE, "kprobe");
        assert_string(FIELD_PROG_TAG, "3b185187f1855c4c");
        assert_string(FIELD_PROG_LICENSE, "GPL");
        assert_u32(FIELD_PROG_INSTRUCTIONS, 14);
        assert_u32(FIELD_PROG_VERIFIED_INSTRUCTIONS, 40);
        assert_u32(FIELD_PROG_JITED_SIZE, 120);
        assert_u32(FIELD_PROG_BTF_ID, 9);
        ck_assert(event_get(event, FIELD_PROG_GPL)->boolean);
        ck_assert_str_eq(event_dict_get(event, FIELD_BPF_ATTR, "prog_name")->string, "asked_name");

        ck_assert_uint_lt(event_get(event, FIELD_TIME)->u64 - now + 1000000, 2000000);
        ck_assert_uint_lt(event_get(event, FIELD_PROG_LOAD_TIME)->u64 - now + 1000000, 2000000);
}
END_TEST

START_TEST(times_keep_their_distance) {
        struct record_call r = loaded();

        decode(&r);
        uint64_t first = event_get(event, FIELD_TIME)->u64;
        uint64_t load_time = event_get(event, FIELD_PROG_LOAD_TIME)->u64;
        r.header.time += 750000;
        decode(&r);
        ck_assert_uint_eq(event_get(event, FIELD_TIME)->u64 - first, 750);

        /* Later events about the same program agree on when it was loaded. */
        r.header.time += UINT64_C(30000000000);
        decode(&r);
        ck_assert_uint_eq(event_get(event, FIELD_PROG_LOAD_TIME)->u64, load_time);
}
END_TEST

#define WITH_KPROBES (CALL_KERNEL_ATTR | CALL_SEES_VERIFIER)

START_TEST(failed_loads) {
        static const struct {
                int64_t ret;
                uint32_t flags;
                const char *result, *error, *severity;
        } rows[] = {
                /* With kprobes: whether the verifier was there is known. */
                {-EACCES, WITH_KPROBES | CALL_VERIFIED, "rejected", "EACCES", "notice"},
                {-EINVAL, WITH_KPROBES | CALL_VERIFIED, "rejected", "EINVAL", "notice"},
                {-EPERM, WITH_KPROBES | CALL_VERIFIED, "rejected", "EPERM", "notice"},
                {-524, WITH_KPROBES | CALL_VERIFIED, "rejected", "ENOTSUPP", "notice"},
                {-ENOMEM, WITH_KPROBES | CALL_VERIFIED, "failed", "ENOMEM", "info"},
                {-EINTR, WITH_KPROBES | CALL_VERIFIED, "failed", "EINTR", "info"},
                {-EAGAIN, WITH_KPROBES | CALL_VERIFIED, "failed", "EAGAIN", "info"},
                {-ENOSPC, WITH_KPROBES | CALL_VERIFIED, "failed", "ENOSPC", "info"},
                {-EFAULT, WITH_KPROBES | CALL_VERIFIED, "failed", "EFAULT", "info"},
                {-EMFILE, WITH_KPROBES | CALL_VERIFIED, "failed", "EMFILE", "info"},
                {-EINVAL, WITH_KPROBES | CALL_VERIFIED | CALL_PROG_SEEN, "failed", "EINVAL",
                 "info"},
                {-EACCES, WITH_KPROBES | CALL_VERIFIED | CALL_PROG_SEEN, "denied", "EACCES",
                 "notice"},
                {-EPERM, WITH_KPROBES, "denied", "EPERM", "notice"},
                {-EACCES, WITH_KPROBES, "denied", "EACCES", "notice"},
                {-E2BIG, WITH_KPROBES, "failed", "E2BIG", "info"},
                /* Without. */
                {-EACCES, CALL_USER_ATTR, "rejected", "EACCES", "notice"},
                {-EPERM, CALL_USER_ATTR, "denied", "EPERM", "notice"},
                {-EINVAL, CALL_USER_ATTR, "failed", "EINVAL", "info"},
                {-EACCES, 0, "rejected", "EACCES", "notice"},
                {-EACCES, CALL_KERNEL_ATTR, "rejected", "EACCES", "notice"},
                /* No error that exists. */
                {-4000, CALL_KERNEL_ATTR, "failed", "4000", "info"},
                {INT64_MIN, CALL_KERNEL_ATTR, "failed", "9223372036854775808", "info"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct record_call r = call(BPF_PROG_LOAD, rows[i].ret);

                r.outcome.flags = rows[i].flags;
                decode(&r);
                assert_string(FIELD_RESULT, rows[i].result);
                assert_string(FIELD_ERRNO, rows[i].error);
                assert_string(FIELD_SEVERITY, rows[i].severity);
                assert_absent(FIELD_DURATION);
        }
}
END_TEST

START_TEST(rejected_names) {
        struct record_call r = call(BPF_PROG_LOAD, -EACCES);

        strcpy(r.task.comm, "loader");
        r.outcome.flags = CALL_USER_ATTR;
        set_attr(&r, &(union bpf_attr){.prog_type = BPF_PROG_TYPE_XDP,
                                       .insn_cnt = 3,
                                       .prog_name = "fw",
                                       .expected_attach_type = BPF_XDP});
        decode(&r);
        assert_string(FIELD_MESSAGE, "The verifier rejected xdp program \"fw\" of loader: EACCES");
        assert_string(FIELD_PROG_NAME, "fw");
        assert_string(FIELD_PROG_TYPE, "xdp");
        assert_string(FIELD_PROG_ATTACH_TYPE, "xdp");
        assert_u32(FIELD_PROG_INSTRUCTIONS, 3);
        assert_string(FIELD_BPF_ATTR_SOURCE, "user");
        assert_absent(FIELD_PROG_ID);
        assert_absent(FIELD_PROG_GPL);
        assert_absent(FIELD_PROG_TAG);
}
END_TEST

START_TEST(map_create) {
        struct record_call r = call(BPF_MAP_CREATE, 3);

        r.object = (struct record_object){.kind = OBJECT_MAP,
                                          .id = 12,
                                          .type = BPF_MAP_TYPE_ARRAY,
                                          .name = "settings",
                                          .key_size = 4,
                                          .value_size = 16,
                                          .max_entries = 1,
                                          .flags = BPF_F_MMAPABLE};
        decode(&r);
        assert_string(FIELD_EVENT, "map-create");
        assert_u32(FIELD_MAP_ID, 12);
        assert_string(FIELD_MAP_NAME, "settings");
        assert_string(FIELD_MAP_TYPE, "array");
        assert_u32(FIELD_MAP_KEY_SIZE, 4);
        assert_u32(FIELD_MAP_VALUE_SIZE, 16);
        assert_u32(FIELD_MAP_MAX_ENTRIES, 1);
        ck_assert_uint_eq(event_get(event, FIELD_MAP_FLAGS)->strings.n, 1);
        ck_assert_str_eq(event_get(event, FIELD_MAP_FLAGS)->strings.items[0], "mmapable");
        assert_string(FIELD_MESSAGE, "bpftool created array map \"settings\" (id 12)");

        r = call(BPF_MAP_CREATE, -EPERM);
        set_attr(&r, &(union bpf_attr){.map_type = BPF_MAP_TYPE_HASH,
                                       .key_size = 8,
                                       .value_size = 32,
                                       .max_entries = 100,
                                       .map_flags = BPF_F_NO_PREALLOC,
                                       .map_name = "flows"});
        decode(&r);
        assert_string(FIELD_RESULT, "denied");
        assert_string(FIELD_MAP_NAME, "flows");
        assert_string(FIELD_MAP_TYPE, "hash");
        assert_u32(FIELD_MAP_MAX_ENTRIES, 100);
        ck_assert_str_eq(event_get(event, FIELD_MAP_FLAGS)->strings.items[0], "no_prealloc");
        assert_absent(FIELD_MAP_ID);
        assert_string(FIELD_MESSAGE, "bpftool was not allowed to create hash map \"flows\": EPERM");
}
END_TEST

START_TEST(links) {
        struct record_call r = call(BPF_LINK_CREATE, 6);

        set_attr(&r, &(union bpf_attr){.link_create = {.prog_fd = 5,
                                                       .target_ifindex = 2,
                                                       .attach_type = BPF_XDP}});
        r.object = (struct record_object){.kind = OBJECT_LINK,
                                          .id = 31,
                                          .type = BPF_LINK_TYPE_XDP,
                                          .prog_id = 77,
                                          .prog_type = BPF_PROG_TYPE_XDP};
        decode(&r);
        assert_string(FIELD_EVENT, "link-create");
        assert_u32(FIELD_LINK_ID, 31);
        assert_string(FIELD_LINK_TYPE, "xdp");
        assert_u32(FIELD_PROG_ID, 77);
        assert_string(FIELD_PROG_TYPE, "xdp");
        assert_string(FIELD_ATTACH_VIA, "link-create");
        assert_string(FIELD_ATTACH_TYPE, "xdp");
        assert_u32(FIELD_ATTACH_IFINDEX, 2);
        assert_string(FIELD_MESSAGE, "bpftool created xdp link 31 of xdp program 77 as xdp");

        /* An extension is attached under no type: that of the attribute, 0, names a cgroup hook. */
        r.object.type = BPF_LINK_TYPE_TRACING;
        r.object.prog_type = BPF_PROG_TYPE_EXT;
        set_attr(&r, &(union bpf_attr){.link_create = {.prog_fd = 5}});
        decode(&r);
        assert_absent(FIELD_ATTACH_TYPE);
        assert_absent(FIELD_ATTACH_IFINDEX);

        /* One of a struct_ops map has no program. */
        r.object.type = BPF_LINK_TYPE_STRUCT_OPS;
        r.object.prog_id = r.object.prog_type = 0;
        decode(&r);
        assert_string(FIELD_LINK_TYPE, "struct_ops");
        assert_absent(FIELD_PROG_ID);
        assert_absent(FIELD_PROG_TYPE);
}
END_TEST

START_TEST(attachments) {
        struct record_call r = call(BPF_RAW_TRACEPOINT_OPEN, 6);

        set_attr(&r, &(union bpf_attr){.raw_tracepoint = {.name = 0x1000, .prog_fd = 5}});
        set_string(&r, "sched_switch");
        r.object = (struct record_object){
                .kind = OBJECT_LINK, .id = 31, .type = BPF_LINK_TYPE_RAW_TRACEPOINT, .prog_id = 77};
        decode(&r);
        assert_string(FIELD_EVENT, "attach");
        assert_string(FIELD_ATTACH_VIA, "raw-tracepoint-open");
        assert_string(FIELD_ATTACH_TARGET, "sched_switch");
        assert_absent(FIELD_ATTACH_TYPE);
        assert_string(FIELD_MESSAGE, "bpftool attached program 77 to \"sched_switch\"");

        r = call(BPF_PROG_ATTACH, 0);
        set_attr(&r, &(union bpf_attr){.target_fd = 4,
                                       .attach_bpf_fd = 5,
                                       .attach_type = BPF_CGROUP_INET_EGRESS});
        r.object = (struct record_object){
                .kind = OBJECT_PROG, .id = 77, .type = BPF_PROG_TYPE_CGROUP_SKB, .name = "count"};
        decode(&r);
        assert_string(FIELD_EVENT, "attach");
        assert_string(FIELD_ATTACH_VIA, "prog-attach");
        assert_string(FIELD_ATTACH_TYPE, "cgroup_inet_egress");
        assert_string(
                FIELD_MESSAGE,
                "bpftool attached cgroup_skb program \"count\" (id 77) as cgroup_inet_egress");

        r.outcome.cmd = BPF_PROG_DETACH;
        decode(&r);
        assert_string(FIELD_EVENT, "detach");
        assert_string(FIELD_CLASS, "remove");
        assert_string(FIELD_ATTACH_TYPE, "cgroup_inet_egress");
        assert_absent(FIELD_BPF_ATTR_RAW); /* all of it is decoded */
}
END_TEST

START_TEST(pins) {
        struct record_call r = call(BPF_OBJ_PIN, 0);

        set_attr(&r, &(union bpf_attr){.pathname = 0x1000, .bpf_fd = 5});
        set_string(&r, "/sys/fs/bpf/fw");
        r.object = (struct record_object){.kind = OBJECT_MAP, .id = 3, .type = 1, .name = "m"};
        decode(&r);
        assert_string(FIELD_EVENT, "pin");
        assert_string(FIELD_PIN_PATH, "/sys/fs/bpf/fw");
        assert_u32(FIELD_MAP_ID, 3);
        assert_string(FIELD_MESSAGE, "bpftool pinned hash map \"m\" (id 3) at \"/sys/fs/bpf/fw\"");

        r.outcome.cmd = BPF_OBJ_GET;
        r.outcome.ret = -ENOENT;
        r.object.kind = OBJECT_NONE;
        decode(&r);
        assert_string(FIELD_EVENT, "object-get");
        assert_string(FIELD_PIN_PATH, "/sys/fs/bpf/fw");
        assert_absent(FIELD_MAP_ID);
        assert_absent(FIELD_MESSAGE); /* what only looks is not worth a sentence */
}
END_TEST

START_TEST(btf_load) {
        struct record_call r = call(BPF_BTF_LOAD, 4);

        set_attr(&r, &(union bpf_attr){.btf = 0x1000, .btf_size = 512});
        r.object = (struct record_object){.kind = OBJECT_BTF, .id = 8, .btf_size = 512};
        decode(&r);
        assert_string(FIELD_EVENT, "btf-load");
        assert_u32(FIELD_BTF_ID, 8);
        assert_u32(FIELD_BTF_SIZE, 512);
        assert_absent(FIELD_BTF_NAME);
        assert_string(FIELD_MESSAGE, "bpftool loaded BTF 8");
}
END_TEST

START_TEST(odd_calls) {
        struct record_call r = call(BPF_PROG_LOAD | COMMAND_COMMON_ATTRS, 5);

        r.outcome.flags |= CALL_COMPAT | CALL_IN_KERNEL;
        decode(&r);
        assert_string(FIELD_BPF_CMD, "PROG_LOAD");
        assert_u32(FIELD_BPF_CMD_NUMBER, 5);
        ck_assert(event_get(event, FIELD_BPF_COMPAT)->boolean);
        ck_assert(event_get(event, FIELD_BPF_IN_KERNEL)->boolean);

        r = call(77, -EINVAL);
        r.attr[3] = 9;
        r.attr_size = 8;
        decode(&r);
        assert_string(FIELD_EVENT, "object-query");
        assert_string(FIELD_BPF_CMD, "CMD_77");
        assert_u32(FIELD_BPF_CMD_NUMBER, 77);
        ck_assert_uint_eq(event_get(event, FIELD_BPF_ATTR_RAW)->bytes.size, 8);

        /* Types that nobody knows keep their number; a hook that does not exist has no name. */
        r = call(BPF_MAP_CREATE, 3);
        r.object = (struct record_object){.kind = OBJECT_MAP, .id = 1, .type = 4711};
        r.outcome.source = 4711;
        decode(&r);
        assert_string(FIELD_MAP_TYPE, "4711");
        assert_absent(FIELD_SOURCE);
}
END_TEST

/* Elements, processes, callers ----------------------------------------------------------------- */

START_TEST(elements) {
        struct record_element r = element(BPF_MAP_LOOKUP_ELEM, -ENOENT);

        ck_assert_int_eq(tell_context(&r.task, 0, "agent\0bin\0", 10, "", 0), 0);

        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        assert_string(FIELD_EVENT, "map-access");
        assert_string(FIELD_CLASS, "use");
        assert_string(FIELD_RESULT, "failed");
        assert_string(FIELD_ERRNO, "ENOENT");
        ck_assert_uint_eq(event_get(event, FIELD_DURATION)->u64, 300);
        assert_string(FIELD_PROCESS_EXECUTABLE, "/bin/agent");
        assert_u32(FIELD_MAP_ID, 12);
        assert_string(FIELD_MAP_NAME, "flows");
        assert_string(FIELD_MAP_TYPE, "hash");
        assert_string(FIELD_BPF_CMD, "MAP_LOOKUP_ELEM");
        assert_absent(FIELD_MESSAGE);
        assert_absent(FIELD_BPF_ATTR);
        assert_absent(FIELD_BPF_ATTR_RAW);

        /* Its attributes are told where they say more than the map. */
        r.outcome.ret = 0;
        r.attr[24] = BPF_F_LOCK;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        ck_assert_str_eq(event_dict_get(event, FIELD_BPF_ATTR, "flags")->strings.items[0], "lock");
        assert_string(FIELD_BPF_ATTR_SOURCE, "user");

        r = element(BPF_MAP_LOOKUP_BATCH, 0);
        r.attr[32] = 50;
        r.attr_size = 56;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        ck_assert_uint_eq(event_dict_get(event, FIELD_BPF_ATTR, "count")->u32, 50);

        /* An fd that was no map. */
        r.map_id = 0;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        assert_absent(FIELD_MAP_ID);
        assert_absent(FIELD_MAP_TYPE);
}
END_TEST

/* A context is of the call that it came for, and of nobody else's. */
START_TEST(contexts) {
        struct record_call first = call(BPF_MAP_CREATE, 3), second = first;

        first.entered = 7;
        second.entered = 8;
        second.task.tid++;
        ck_assert_int_eq(
                tell_context(&first.task, 7, "agent\0bin\0", 10, "a.service\0system.slice\0", 23),
                0);
        ck_assert_int_eq(
                tell_context(&second.task, 8, "other\0", 6, "b.service\0system.slice\0", 23), 0);
        decode(&first);
        assert_string(FIELD_PROCESS_EXECUTABLE, "/bin/agent");
        assert_string(FIELD_CGROUP_PATH, "/system.slice/a.service");
        assert_string(FIELD_UNIT, "a.service");
        decode(&second);
        assert_string(FIELD_PROCESS_EXECUTABLE, "/other");
        assert_string(FIELD_UNIT, "b.service");

        /* It was lost: the process may run another program by now. */
        first.entered = 9;
        decode(&first);
        assert_u32(FIELD_PROCESS_PID, 812);
        assert_string(FIELD_PROCESS_NAME, "bpftool");
        assert_absent(FIELD_PROCESS_EXECUTABLE);
        assert_absent(FIELD_UNIT);
        assert_absent(FIELD_NAMESPACE_NET);
}
END_TEST

START_TEST(silent_records) {
        struct record_caller r = {.header = header(RECORD_CALLER, sizeof(r))};

        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 0);
        r.header.size--;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), -EBADMSG);
}
END_TEST

START_TEST(partial) {
        decoder_partial(decoder, event, BPF_PROG_LOAD);
        assert_string(FIELD_EVENT, "prog-load");
        assert_string(FIELD_CLASS, "install");
        assert_string(FIELD_BPF_CMD, "PROG_LOAD");
        assert_u32(FIELD_BPF_CMD_NUMBER, BPF_PROG_LOAD);

        /* The slot that many commands share is none of them, and may have been anything. */
        decoder_partial(decoder, event, COMMAND_SLOTS - 1);
        assert_absent(FIELD_EVENT);
        assert_absent(FIELD_CLASS);
        assert_absent(FIELD_BPF_CMD);

        decoder_partial(decoder, event, -1);
        assert_string(FIELD_CLASS, "self");
        assert_absent(FIELD_EVENT);
}
END_TEST

START_TEST(hooks) {
        for (enum hook h = HOOK_NONE + 1; h < _HOOK_MAX; h++)
                ck_assert_msg(hook_name(h) != NULL, "hook %d has no name", h);
        ck_assert_ptr_null(hook_name(HOOK_NONE));
        ck_assert_ptr_null(hook_name(_HOOK_MAX));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("decode");
        TCase *c = tcase_create("calls"), *o = tcase_create("others");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, prog_load);
        tcase_add_test(c, times_keep_their_distance);
        tcase_add_test(c, failed_loads);
        tcase_add_test(c, rejected_names);
        tcase_add_test(c, map_create);
        tcase_add_test(c, links);
        tcase_add_test(c, attachments);
        tcase_add_test(c, pins);
        tcase_add_test(c, btf_load);
        tcase_add_test(c, odd_calls);
        tcase_add_checked_fixture(o, setup, teardown);
        tcase_add_test(o, elements);
        tcase_add_test(o, contexts);
        tcase_add_test(o, silent_records);
        tcase_add_test(o, partial);
        tcase_add_test(o, hooks);
        suite_add_tcase(s, c);
        suite_add_tcase(s, o);
        return s;
}

TAP_MAIN(suite)
