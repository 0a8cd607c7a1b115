/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "event.h"
#include "tap-main.h"

START_TEST(names_are_well_formed) {
        for (int f = 0; f < _FIELD_MAX; f++) {
                const char *name = field_info(f)->name;
                size_t n = strlen(name);

                ck_assert_uint_gt(n, 0);
                ck_assert_msg(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") == n, "%s",
                              name);
                ck_assert_msg(name[0] != '.' && name[n - 1] != '.', "%s", name);
        }
}
END_TEST

START_TEST(names_are_unique) {
        for (int f = 0; f < _FIELD_MAX; f++)
                for (int other = 0; other < f; other++)
                        ck_assert_str_ne(field_info(other)->name, field_info(f)->name);
}
END_TEST

START_TEST(names_find_fields) {
        for (int f = 0; f < _FIELD_MAX; f++) {
                ck_assert_int_eq(field_from_name(field_info(f)->name), f);
                ck_assert_pstr_eq(field_nearest(field_info(f)->name), field_info(f)->name);
        }
}
END_TEST

START_TEST(rows_are_complete) {
        for (int f = 0; f < _FIELD_MAX; f++) {
                const struct field_info *info = field_info(f);

                ck_assert_uint_gt(strlen(field_type_signature(info->type)), 0);
                ck_assert_uint_gt(strlen(info->meaning), 0);
                /* A unit is a unit of numbers. */
                if (info->unit != UNIT_NONE)
                        ck_assert_msg(info->type == TYPE_U32 || info->type == TYPE_U64 ||
                                              info->type == TYPE_S64,
                                      "%s", info->name);
        }
}
END_TEST

/* What clients rely on: names and types never change. */
static const struct {
        const char *name, *signature;
} promised[] = {
        {"seq", "t"},
        {"time", "t"},
        {"event", "s"},
        {"class", "s"},
        {"severity", "s"},
        {"message", "s"},
        {"result", "s"},
        {"errno", "s"},
        {"duration", "t"},
        {"source", "s"},
        {"host", "s"},
        {"process.pid", "u"},
        {"process.tid", "u"},
        {"process.ppid", "u"},
        {"process.start", "t"},
        {"process.name", "s"},
        {"process.executable", "s"},
        {"process.capabilities", "t"},
        {"user.id", "u"},
        {"user.name", "s"},
        {"user.login_id", "u"},
        {"group.id", "u"},
        {"cgroup.id", "t"},
        {"cgroup.path", "s"},
        {"unit", "s"},
        {"session", "s"},
        {"container.id", "s"},
        {"namespace.pid", "u"},
        {"namespace.mnt", "u"},
        {"namespace.net", "u"},
        {"namespace.user", "u"},
        {"bpf.cmd", "s"},
        {"bpf.cmd_number", "u"},
        {"bpf.attr", "a{sv}"},
        {"bpf.attr_raw", "ay"},
        {"bpf.attr_source", "s"},
        {"bpf.size", "u"},
        {"bpf.return", "x"},
        {"bpf.compat", "b"},
        {"bpf.in_kernel", "b"},
        {"prog.id", "u"},
        {"prog.name", "s"},
        {"prog.type", "s"},
        {"prog.tag", "s"},
        {"prog.attach_type", "s"},
        {"prog.license", "s"},
        {"prog.gpl", "b"},
        {"prog.instructions", "u"},
        {"prog.verified_instructions", "u"},
        {"prog.jited_size", "u"},
        {"prog.btf_id", "u"},
        {"prog.load_time", "t"},
        {"map.id", "u"},
        {"map.name", "s"},
        {"map.type", "s"},
        {"map.key_size", "u"},
        {"map.value_size", "u"},
        {"map.max_entries", "u"},
        {"map.flags", "as"},
        {"link.id", "u"},
        {"link.type", "s"},
        {"btf.id", "u"},
        {"btf.name", "s"},
        {"btf.size", "u"},
        {"attach.via", "s"},
        {"attach.type", "s"},
        {"attach.target", "s"},
        {"attach.ifindex", "u"},
        {"pin.path", "s"},
        {"calls", "t"},
        {"errors", "t"},
        {"lost.count", "t"},
        {"lost.where", "s"},
};

START_TEST(promises_are_kept) {
        for (size_t i = 0; i < ELEMENTSOF(promised); i++) {
                int f = field_from_name(promised[i].name);

                ck_assert_msg(f >= 0, "%s is missing", promised[i].name);
                const char *signature = field_type_signature(field_info(f)->type);
                ck_assert_msg(strcmp(signature, promised[i].signature) == 0, "%s is %s",
                              promised[i].name, signature);
        }
}
END_TEST

static const char *const not_fields[] = {
        "", ".", "prog", "prog.", ".id", "prog.i", "prog.idd", "PROG.ID", "prog.id ", "bpf.attr.x",
};

START_TEST(name_is_exact) {
        ck_assert_int_eq(field_from_name(not_fields[_i]), -ENOENT);
}
END_TEST

static const struct {
        const char *written, *meant;
} nearest[] = {
        {"prog.nmae", "prog.name"},
        {"prgo.id", "prog.id"},
        {"porcess.pid", "process.pid"},
        {"proces.pid", "process.pid"},
        {"process_pid", "process.pid"},
        {"process-executable", "process.executable"},
        {"PROG.ID", "prog.id"},
        {"events", "event"},
        {"uint", "unit"},
        {"pid", "process.pid"},
        {"cmd", "bpf.cmd"},
        {"executable", "process.executable"},
        {"Tag", "prog.tag"},
        {"zzzz", NULL},
        {"x", NULL},
        {"", NULL},
        {".", NULL},
        {"a name that is much longer than any name of any field there is", NULL},
};

START_TEST(nearest_name) {
        const char *name = field_nearest(nearest[_i].written);

        if (nearest[_i].meant)
                ck_assert_pstr_eq(name, nearest[_i].meant);
        else
                ck_assert_ptr_null(name);
}
END_TEST

START_TEST(nearest_of_several) {
        const char *names[8] = {};
        size_t n = field_suggest("type", names, ELEMENTSOF(names));

        ck_assert_uint_eq(n, 4);
        ck_assert_str_eq(names[0], "prog.type");
        ck_assert_str_eq(names[1], "map.type");
        ck_assert_str_eq(names[2], "link.type");
        ck_assert_str_eq(names[3], "attach.type");

        const char *two[3] = {};
        ck_assert_uint_eq(field_suggest("type", two, 2), 2);
        ck_assert_ptr_null(two[2]);
        ck_assert_uint_eq(field_suggest("type", two, 0), 0);
}
END_TEST

START_TEST(nearest_of_a_megabyte) {
        const size_t n = 1024 * 1024;
        _cleanup_free_ char *name = malloc(n + 1);

        memset(name, 'p', n);
        name[n] = '\0';
        ck_assert_ptr_null(field_nearest(name));
        ck_assert_int_eq(field_from_name(name), -ENOENT);
}
END_TEST

static Suite *fields_suite(void) {
        Suite *suite = suite_create("fields");
        TCase *table = tcase_create("table"), *names = tcase_create("names");

        tcase_add_test(table, names_are_well_formed);
        tcase_add_test(table, names_are_unique);
        tcase_add_test(table, names_find_fields);
        tcase_add_test(table, rows_are_complete);
        tcase_add_test(table, promises_are_kept);
        suite_add_tcase(suite, table);

        tcase_add_loop_test(names, name_is_exact, 0, ELEMENTSOF(not_fields));
        tcase_add_loop_test(names, nearest_name, 0, ELEMENTSOF(nearest));
        tcase_add_test(names, nearest_of_several);
        tcase_add_test(names, nearest_of_a_megabyte);
        suite_add_tcase(suite, names);
        return suite;
}

TAP_MAIN(fields_suite)
