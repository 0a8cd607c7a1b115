/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the decoder makes of what the kernel side found beside the attributes of a call: what fds
 * were, parts, keys and values. */
#include "decode-bed.h"
#include "hooks.h"

static void assert_fd(const char *member, const char *words) {
        const struct value *v = event_dict_get(event, FIELD_BPF_FDS, member);

        ck_assert_msg(v != NULL, "bpf.fds has no %s", member);
        ck_assert_str_eq(v->string, words);
}

static void assert_no_fd(const char *member) {
        ck_assert_msg(!event_has(event, FIELD_BPF_FDS) ||
                              !event_dict_get(event, FIELD_BPF_FDS, member),
                      "bpf.fds has %s", member);
}

START_TEST(every_kind) {
        static const struct {
                struct record_fd fd;
                const char *words;
        } rows[] = {
                {{.kind = OBJECT_PROG, .id = 7, .name = "fw"}, "program 7 \"fw\""},
                {{.kind = OBJECT_PROG, .id = 7}, "program 7"},
                {{.kind = OBJECT_MAP, .id = 41, .name = "events"}, "map 41 \"events\""},
                {{.kind = OBJECT_LINK, .id = 3}, "link 3"},
                {{.kind = OBJECT_BTF, .id = 9, .name = "vmlinux"}, "BTF 9 \"vmlinux\""},
                {{.kind = OBJECT_CGROUP, .id = 77, .name = "app.slice"}, "cgroup \"app.slice\""},
                {{.kind = OBJECT_PERF_EVENT, .id = 77}, "perf event"},
                {{.kind = OBJECT_SOCKET, .id = 77}, "socket"},
                {{.kind = OBJECT_NETNS, .id = 4026531840}, "netns 4026531840"},
                {{.kind = OBJECT_ITER}, "iterator"},
                {{.kind = OBJECT_TOKEN}, "token"},
                {{.kind = OBJECT_FILE, .name = "null"}, "file \"null\""},
                /* Without a NUL. */
                {{.kind = OBJECT_FILE, .name = "0123456789abcdef"}, "file \"0123456789abcdef\""},
        };
        struct record_call r = call(BPF_PROG_ATTACH, -EBADF);

        set_attr(&r, &(union bpf_attr){.target_fd = 4,
                                       .attach_bpf_fd = 5,
                                       .attach_type = BPF_CGROUP_INET_INGRESS});
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                r.fds[1] = rows[i].fd;
                decode(&r);
                assert_fd("target_fd", rows[i].words);
                assert_no_fd("attach_bpf_fd");
        }
}
END_TEST

START_TEST(nothing_is_made_up) {
        static const uint32_t kinds[] = {OBJECT_NONE, _OBJECT_MAX, 1000, UINT32_MAX};
        struct record_call r = call(BPF_PROG_ATTACH, 0);

        set_attr(&r, &(union bpf_attr){.target_fd = 4,
                                       .attach_bpf_fd = 5,
                                       .attach_type = BPF_CGROUP_INET_INGRESS});
        decode(&r);
        assert_absent(FIELD_BPF_FDS);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                r.fds[0] = (struct record_fd){.kind = kinds[i], .id = 3, .name = "x"};
                decode(&r);
                assert_absent(FIELD_BPF_FDS);
        }
        /* Where there is no fd. */
        r.fds[0] = (struct record_fd){.offset = 8, .kind = OBJECT_MAP, .id = 3};
        r.fds[1] = (struct record_fd){.offset = UINT32_MAX, .kind = OBJECT_MAP, .id = 3};
        decode(&r);
        assert_absent(FIELD_BPF_FDS);
}
END_TEST

/* The place of an fd may hold something else. */
START_TEST(places_that_are_shared) {
        struct record_call r = call(BPF_LINK_CREATE, -EINVAL);

        r.fds[0] = (struct record_fd){.offset = 0, .kind = OBJECT_PROG, .id = 7, .name = "fw"};
        r.fds[1] = (struct record_fd){.offset = 4, .kind = OBJECT_FILE, .name = "null"};
        set_attr(&r, &(union bpf_attr){.link_create = {.prog_fd = 5,
                                                       .target_ifindex = 2,
                                                       .attach_type = BPF_XDP}});
        decode(&r);
        assert_fd("prog_fd", "program 7 \"fw\"");
        assert_no_fd("target_fd");

        /* What an fd was says whose it is. */
        r = call(BPF_PROG_LOAD, -EINVAL);
        set_attr(&r, &(union bpf_attr){.prog_type = BPF_PROG_TYPE_TRACING, .attach_prog_fd = 4});
        r.fds[2] = (struct record_fd){.offset = 112, .kind = OBJECT_BTF, .id = 2};
        decode(&r);
        assert_fd("attach_btf_obj_fd", "BTF 2");
        assert_no_fd("attach_prog_fd");
        r.fds[2].kind = OBJECT_PROG;
        decode(&r);
        assert_fd("attach_prog_fd", "program 2");
        assert_no_fd("attach_btf_obj_fd");
}
END_TEST

START_TEST(cgroups_have_paths) {
        struct record_call r = call(BPF_PROG_ATTACH, 0);

        set_attr(&r, &(union bpf_attr){.target_fd = 4,
                                       .attach_bpf_fd = 5,
                                       .attach_type = BPF_CGROUP_INET_INGRESS});
        r.fds[0] = (struct record_fd){.kind = OBJECT_CGROUP, .name = "web.service"};
        r.target.kind = TARGET_CGROUP;
        memcpy(r.target.text, "web.service\0system.slice\0", 25);
        r.target.text_size = 25;
        decode(&r);
        assert_fd("target_fd", "cgroup /system.slice/web.service");
        assert_string(FIELD_ATTACH_TARGET, "/system.slice/web.service");
}
END_TEST

static struct record_part *part(enum part_kind kind, uint32_t offset, const void *data,
                                uint32_t size, uint32_t total) {
        static union {
                struct record_part part;
                char room[sizeof(struct record_part) + RECORD_PART_SMALL];
        } u;

        memset(&u, 0, sizeof(u));
        u.part.header = header(RECORD_PART, sizeof(u));
        u.part.thread = (uint64_t) 812 << 32 | 813;
        u.part.entered = 5000;
        u.part.part = kind;
        u.part.total = total;
        u.part.offset = offset;
        u.part.size = size;
        memcpy(u.part.data, data, size);
        return &u.part;
}

static void send_part(const struct record_part *p) {
        ck_assert_int_eq(decoder_record(decoder, event, p, p->header.size), 0);
}

/* The maps come one by one: how many there are shows at the end. */
START_TEST(maps_of_a_program) {
        static const uint32_t ids[] = {41, 42, 77};
        struct record_call r = call(BPF_PROG_LOAD, -EACCES);

        r.entered = 5000;
        for (uint32_t i = 0; i < 3; i++)
                send_part(part(PART_MAPS, i * 4, &ids[i], 4, (i + 1) * 4));
        decode(&r);
        ck_assert_uint_eq(event_get(event, FIELD_PROG_MAPS)->u32s.n, 3);
        for (uint32_t i = 0; i < 3; i++)
                ck_assert_uint_eq(event_get(event, FIELD_PROG_MAPS)->u32s.items[i], ids[i]);

        /* They are told once. */
        decode(&r);
        assert_absent(FIELD_PROG_MAPS);
}
END_TEST

START_TEST(verdict) {
        static const char log[] = "0: (bf) r0 = r2\nR2 !read_ok\nprocessed 1 insns\n";
        struct record_call r = call(BPF_PROG_LOAD, -EACCES);

        r.entered = 5000;
        send_part(part(PART_LOG, 0, log, sizeof(log) - 1, sizeof(log) - 1));
        decode(&r);
        assert_string(FIELD_VERIFIER_REASON, "R2 !read_ok");

        /* Of another call of the thread. */
        send_part(part(PART_LOG, 0, log, sizeof(log) - 1, sizeof(log) - 1));
        r.entered = 6000;
        decode(&r);
        assert_absent(FIELD_VERIFIER_REASON);
        assert_absent(FIELD_VERIFIER_LOG);
}
END_TEST

/* Of half a program nothing is known. */
START_TEST(instructions_that_are_whole) {
        static const struct bpf_insn insns[] = {
                {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns},
                {.code = BPF_JMP | BPF_EXIT},
        };
        struct record_call r = call(BPF_PROG_LOAD, 5);

        r.entered = 5000;
        send_part(part(PART_INSTRUCTIONS, 0, insns, sizeof(insns), sizeof(insns)));
        decode(&r);
        ck_assert_uint_eq(event_get(event, FIELD_PROG_HELPERS)->strings.n, 1);
        ck_assert_uint_eq(strlen(event_string(event, FIELD_PROG_SHA256)), 64);

        send_part(part(PART_INSTRUCTIONS, 0, insns, sizeof(insns), 2 * sizeof(insns)));
        decode(&r);
        assert_absent(FIELD_PROG_HELPERS);
        assert_absent(FIELD_PROG_SHA256);
}
END_TEST

START_TEST(keys_and_values) {
        struct record_content r = content_of(element(BPF_MAP_LOOKUP_ELEM, 0));

        r.content.key_size = 4;
        r.content.value_size = RECORD_CONTENT_MAX;
        memset(r.content.key, 0xab, 4);
        memset(r.content.value, 0xcd, RECORD_CONTENT_MAX);
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        assert_string(FIELD_EVENT, "map-access");
        assert_u32(FIELD_MAP_ID, 12);
        ck_assert_uint_eq(event_get(event, FIELD_MAP_KEY)->bytes.size, 4);
        ck_assert_mem_eq(event_get(event, FIELD_MAP_KEY)->bytes.data, r.content.key, 4);
        ck_assert_uint_eq(event_get(event, FIELD_MAP_VALUE)->bytes.size, RECORD_CONTENT_MAX);

        r.content.value_size = r.content.key_size = 0;
        ck_assert_int_eq(decoder_record(decoder, event, &r, sizeof(r)), 1);
        assert_absent(FIELD_MAP_KEY);
        assert_absent(FIELD_MAP_VALUE);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("found");
        TCase *c = tcase_create("beside attributes");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, every_kind);
        tcase_add_test(c, nothing_is_made_up);
        tcase_add_test(c, places_that_are_shared);
        tcase_add_test(c, cgroups_have_paths);
        tcase_add_test(c, maps_of_a_program);
        tcase_add_test(c, verdict);
        tcase_add_test(c, instructions_that_are_whole);
        tcase_add_test(c, keys_and_values);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
