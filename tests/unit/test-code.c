/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What code_describe() says of instructions: whom they call, and their hash as the kernel makes it.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/utsname.h>

#include "code.h"
#include "event.h"
#include "kfuncs.h"
#include "names.h"
#include "tap-main.h"

static struct names *names;
static struct event *event;
static char folder[] = "/tmp/test-code.XXXXXX";
static char path[64];

static void setup(void) {
        ck_assert_int_eq(names_new(&names, NULL), 0);
        event = calloc(1, sizeof(*event));
        event_reset(event);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/btf", folder);
}

static void teardown(void) {
        names_free(names);
        free(event);
        unlink(path);
        rmdir(folder);
}

static struct bpf_insn call(uint8_t kind, int16_t module, int32_t id) {
        return (struct bpf_insn){
                .code = BPF_JMP | BPF_CALL, .src_reg = kind & 0xf, .off = module, .imm = id};
}

enum { HELPER = 0, PSEUDO = 1, KFUNC = 2 };

static void assert_strings(enum field f, const char *const *expected) {
        const struct value *v = event_get(event, f);
        size_t n = 0;

        while (expected[n])
                n++;
        ck_assert_uint_eq(v ? v->strings.n : 0, n);
        for (size_t i = 0; i < n; i++)
                ck_assert_str_eq(v->strings.items[i], expected[i]);
}

#define ASSERT_STRINGS(f, ...) assert_strings(f, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(helpers) {
        const struct bpf_insn insns[] = {
                call(HELPER, 0, BPF_FUNC_probe_write_user),
                {.code = BPF_ALU64 | BPF_MOV | BPF_K},
                call(HELPER, 0, BPF_FUNC_map_lookup_elem),
                call(HELPER, 0, BPF_FUNC_probe_write_user),
                call(PSEUDO, 0, BPF_FUNC_map_delete_elem), /* a function of its own */
                call(HELPER, 0, 99999),
                call(HELPER, 0, -1),
                call(HELPER, 7, 99999), /* the verifier won't like it, but the name is the same */
                call(9, 0, BPF_FUNC_map_update_elem),
                {.code = BPF_JMP32 | BPF_CALL, .imm = BPF_FUNC_map_update_elem},
                {.code = BPF_JMP | BPF_EXIT},
        };

        code_describe(event, names, NULL, insns, ELEMENTSOF(insns));
        ASSERT_STRINGS(FIELD_PROG_HELPERS, "probe_write_user", "map_lookup_elem", "helper#99999",
                       "helper#-1");
        ck_assert(!event_has(event, FIELD_PROG_KFUNCS));
}
END_TEST

/* BTF of our own, large enough that the index has several entries. */
static struct btf *make_btf(void) {
        struct btf *btf = btf__new_empty();

        btf__add_int(btf, "int", 4, BTF_INT_SIGNED);         /* 1 */
        btf__add_func_proto(btf, 1);                         /* 2 */
        btf__add_func(btf, "bpf_first", BTF_FUNC_GLOBAL, 2); /* 3 */
        btf__add_struct(btf, "s", 8);                        /* 4 */
        btf__add_field(btf, "a", 1, 0, 0);
        btf__add_field(btf, "b", 1, 32, 0);
        btf__add_enum(btf, "e", 4); /* 5 */
        btf__add_enum_value(btf, "one", 1);
        btf__add_enum64(btf, "e64", 8, false); /* 6 */
        btf__add_enum64_value(btf, "big", UINT64_MAX);
        btf__add_array(btf, 1, 1, 4);                        /* 7 */
        btf__add_var(btf, "v", BTF_VAR_GLOBAL_ALLOCATED, 1); /* 8 */
        btf__add_datasec(btf, ".data", 4);                   /* 9 */
        btf__add_datasec_var_info(btf, 8, 0, 4);
        btf__add_decl_tag(btf, "bpf_kfunc", 3, -1); /* 10 */
        btf__add_float(btf, "double", 8);           /* 11 */
        btf__add_type_tag(btf, "user", 1);          /* 12 */
        for (int i = 13; i < 300; i++) {
                char name[32];

                snprintf(name, sizeof(name), "bpf_function_%d", i);
                btf__add_func(btf, name, BTF_FUNC_GLOBAL, 2);
        }
        return btf;
}

static void write_bytes(const void *data, size_t n) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_eq(write(fd, data, n), n);
}

START_TEST(kfuncs) {
        const struct bpf_insn insns[] = {
                call(KFUNC, 0, 299), call(KFUNC, 0, 3),
                call(KFUNC, 0, 299), call(KFUNC, 2, 3), /* of a module */
                call(KFUNC, 0, 4),                      /* no function */
                call(KFUNC, 0, 300), call(KFUNC, 0, 0),
                call(KFUNC, 0, -1),  call(KFUNC, 0, 77),
        };
        struct btf *btf = make_btf();
        struct kfuncs *k = NULL;
        uint32_t size;

        const void *data = btf__raw_data(btf, &size);
        write_bytes(data, size);
        btf__free(btf);
        ck_assert_int_eq(kfuncs_new(&k, path), 0);
        code_describe(event, names, k, insns, ELEMENTSOF(insns));
        ASSERT_STRINGS(FIELD_PROG_KFUNCS, "bpf_function_299", "bpf_first", "module function#3",
                       "function#4", "function#300", "function#0", "function#-1",
                       "bpf_function_77");
        ck_assert(!event_has(event, FIELD_PROG_HELPERS));
        kfuncs_free(k);

        /* Without BTF they are numbers. */
        event_reset(event);
        ck_assert_int_eq(kfuncs_new(&k, "/nonexistent"), 0);
        code_describe(event, names, k, insns, 2);
        ASSERT_STRINGS(FIELD_PROG_KFUNCS, "function#299", "function#3");
        kfuncs_free(k);
}
END_TEST

/* All functions of the running kernel, as libbpf knows them. */
START_TEST(kfuncs_of_running_kernel) {
        struct btf *btf = btf__load_vmlinux_btf();
        struct kfuncs *k = NULL;
        char name[KFUNC_NAME_MAX];
        size_t wrong = 0, functions = 0;

        if (!btf)
                tap_skip("this kernel has no BTF");
        ck_assert_int_eq(kfuncs_new(&k, NULL), 0);
        for (uint32_t id = 0; id < btf__type_cnt(btf) + 10; id += 1 + id % 3) {
                const struct btf_type *t = id < btf__type_cnt(btf) ? btf__type_by_id(btf, id)
                                                                   : NULL;
                int r = kfuncs_name(k, id, name);

                if (!t || !btf_is_func(t)) {
                        wrong += r != -ENOENT;
                        continue;
                }
                functions++;
                wrong += r != 0 || strncmp(btf__name_by_offset(btf, t->name_off), name,
                                           sizeof(name) - 1) != 0;
        }
        ck_assert_uint_gt(functions, 1000);
        ck_assert_uint_eq(wrong, 0);
        kfuncs_free(k);
        btf__free(btf);
}
END_TEST

/* Cut anywhere, or wrong anywhere: a name or none, and never a crash. */
START_TEST(hostile_btf) {
        struct btf *btf = make_btf();
        uint32_t size, limit;
        const void *data = btf__raw_data(btf, &size);
        _cleanup_free_ uint8_t *bytes = malloc(size);
        char name[KFUNC_NAME_MAX];
        struct kfuncs *k;

        srandom(13);
        limit = size;
        for (int round = 0; round < 2000; round++) {
                memcpy(bytes, data, size);
                if (round % 2)
                        limit = (uint32_t) random() % size;
                else
                        for (int i = 0; i < 6; i++)
                                bytes[(size_t) random() % (random() % 2 ? 24 : size)] = (uint8_t)
                                        random();
                write_bytes(bytes, round % 2 ? limit : size);
                ck_assert_int_eq(kfuncs_new(&k, path), 0);
                for (uint32_t id = 0; id < 400; id += 7)
                        if (kfuncs_name(k, id, name) == 0)
                                ck_assert_uint_gt(strnlen(name, sizeof(name)), 0);
                kfuncs_free(k);
        }
        btf__free(btf);
}
END_TEST

/* More names than there is room for: cut, and the last item says so. */
START_TEST(many_calls) {
        enum { N = 100000 };
        _cleanup_free_ struct bpf_insn *insns = calloc(N, sizeof(*insns));

        for (size_t i = 0; i < N; i++)
                insns[i] = call(i % 2 ? HELPER : KFUNC, (int16_t) (i % 7), (int32_t) i);
        code_describe(event, names, NULL, insns, N);
        for (int i = 0; i < 2; i++) {
                const struct value *v = event_get(event,
                                                  i ? FIELD_PROG_HELPERS : FIELD_PROG_KFUNCS);

                ck_assert_ptr_nonnull(v);
                ck_assert_uint_gt(v->strings.n, 200);
                ck_assert_ptr_nonnull(strstr(v->strings.items[v->strings.n - 1], "+ more"));
        }
        ck_assert_uint_eq(event->truncated, 0);

        /* As many as can be counted. */
        event_reset(event);
        for (size_t i = 0; i < N; i++)
                insns[i] = call(KFUNC, 3, (int32_t) i % 500);
        code_describe(event, names, NULL, insns, N);
        const struct value *v = event_get(event, FIELD_PROG_KFUNCS);
        size_t more;
        ck_assert_int_eq(sscanf(v->strings.items[v->strings.n - 1], "… %zu more", &more), 1);
        ck_assert_uint_eq(v->strings.n - 1 + more, 500);
}
END_TEST

START_TEST(random_bytes) {
        struct bpf_insn insns[500];

        srandom(17);
        for (int round = 0; round < 200; round++) {
                for (size_t i = 0; i < sizeof(insns); i++)
                        ((uint8_t *) insns)[i] = (uint8_t) random();
                for (size_t i = 0; i < ELEMENTSOF(insns); i += 2)
                        insns[i].code = BPF_JMP | BPF_CALL;
                event_reset(event);
                code_describe(event, names, NULL, insns, (size_t) random() % ELEMENTSOF(insns));
                ck_assert_uint_eq(strlen(event_string(event, FIELD_PROG_SHA256)), 64);
        }
        code_describe(event, names, NULL, NULL, 0);
        ck_assert_str_eq(event_string(event, FIELD_PROG_SHA256),
                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

/* The hash ------------------------------------------------------------------------------------ */

static void load_address(struct bpf_insn insns[2], uint8_t what, int32_t low, int32_t high) {
        insns[0] = (struct bpf_insn){
                .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 1, .src_reg = what & 0xf, .imm = low};
        insns[1] = (struct bpf_insn){.imm = high};
}

static void hash(const struct bpf_insn *insns, size_t n, char ret[static 65]) {
        event_reset(event);
        code_describe(event, names, NULL, insns, n);
        strcpy(ret, event_string(event, FIELD_PROG_SHA256));
}

/* The fds of maps are left out, and nothing else is. */
START_TEST(hash_without_fds) {
        static const struct {
                uint8_t what;
                bool same_low, same_high;
        } rows[] = {
                {0, false, false},
                {BPF_PSEUDO_MAP_FD, true, true},
                {BPF_PSEUDO_MAP_VALUE, true, true},
                {3 /* BPF_PSEUDO_BTF_ID */, false, false},
                {5 /* BPF_PSEUDO_MAP_IDX */, false, false},
        };
        struct bpf_insn insns[4] = {[3] = {.code = BPF_JMP | BPF_EXIT}};
        char a[65], b[65];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                load_address(insns + 1, rows[i].what, 7, 8);
                hash(insns, 4, a);
                load_address(insns + 1, rows[i].what, 9, 8);
                hash(insns, 4, b);
                ck_assert_int_eq(strcmp(a, b) == 0, rows[i].same_low);
                load_address(insns + 1, rows[i].what, 7, 9);
                hash(insns, 4, b);
                ck_assert_int_eq(strcmp(a, b) == 0, rows[i].same_high);
        }
        /* One half alone, at the end. */
        load_address(insns + 2, BPF_PSEUDO_MAP_FD, 7, 0);
        hash(insns, 3, a);
        load_address(insns + 2, BPF_PSEUDO_MAP_FD, 9, 0);
        hash(insns, 3, b);
        ck_assert_str_eq(a, b);
}
END_TEST

/* From Linux 6.18 on the tag is the first 8 bytes of it. */
START_TEST(hash_as_the_kernel) {
        struct bpf_insn insns[10] = {};
        struct bpf_prog_info info = {};
        uint32_t size = sizeof(info);
        struct utsname system;
        unsigned major = 0, minor = 0;
        char tag[17], ours[65];

        uname(&system);
        sscanf(system.release, "%u.%u", &major, &minor);
        if (major < 6 || (major == 6 && minor < 18))
                tap_skip("the tag is another hash before Linux 6.18");
        _cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "m", 4, 64, 1, NULL);
        if (map < 0)
                tap_skip("no map can be created here");
        load_address(insns, BPF_PSEUDO_MAP_FD, map, 0);
        load_address(insns + 2, BPF_PSEUDO_MAP_VALUE, map, 8);
        load_address(insns + 4, 0, 77, 78);
        insns[6] = call(HELPER, 0, BPF_FUNC_ktime_get_ns);
        insns[7] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1};
        insns[8] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
        _cleanup_close_ int program = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "p", "GPL", insns,
                                                    9, NULL);
        ck_assert_int_ge(program, 0);
        ck_assert_int_eq(bpf_obj_get_info_by_fd(program, &info, &size), 0);

        hash(insns, 9, ours);
        for (int i = 0; i < 8; i++)
                snprintf(tag + 2 * i, 3, "%02x", info.tag[i]);
        ours[16] = 0;
        ck_assert_str_eq(ours, tag);
        ASSERT_STRINGS(FIELD_PROG_HELPERS, "ktime_get_ns");
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("code");
        TCase *c = tcase_create("code");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, helpers);
        tcase_add_test(c, kfuncs);
        tcase_add_test(c, kfuncs_of_running_kernel);
        tcase_add_test(c, hostile_btf);
        tcase_add_test(c, many_calls);
        tcase_add_test(c, random_bytes);
        tcase_add_test(c, hash_without_fds);
        tcase_add_test(c, hash_as_the_kernel);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
