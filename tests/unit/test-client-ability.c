/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>

#include "ability.h"
#include "bus-json.h"
#include "names-table.h"
#include "tap-main.h"

static struct json_object *parse(const char *s) {
        return json_tokener_parse(s);
}

START_TEST(grave_first_each_once) {
        _cleanup_json_ struct json_object *helpers = parse(
                "[\"map_lookup_elem\",\"trace_printk\",\"probe_write_user\",\"trace_printk\"]");
        _cleanup_json_ struct json_object *kfuncs = parse("[\"bpf_task_from_pid\",\"unheard_of\"]");
        const struct ability *found[ABILITIES_MAX];

        ck_assert_uint_eq(ability_find(helpers, kfuncs, found), 3);
        ck_assert(found[0]->grave);
        ck_assert_ptr_nonnull(strstr(found[0]->words, "write into the memory"));
        ck_assert(!found[1]->grave);
        ck_assert_ptr_nonnull(strstr(found[1]->words, "which process"));
        ck_assert_ptr_nonnull(strstr(found[2]->words, "trace log"));
        ck_assert_uint_eq(ability_find(NULL, NULL, found), 0);
}
END_TEST

/* Other names that begin or end alike are not taken for it. */
START_TEST(exact_names) {
        ck_assert_ptr_eq(ability_of("bpf_probe_write_user"), ability_of("probe_write_user"));
        ck_assert_ptr_null(ability_of("probe_write_user2"));
        ck_assert_ptr_null(ability_of("probe_write"));
        ck_assert_ptr_null(ability_of(""));
        ck_assert_ptr_null(ability_of("*"));
        ck_assert_ptr_nonnull(ability_of("scx_bpf_kick_cpu"));
        ck_assert_ptr_null(ability_of("scx"));
}
END_TEST

static bool is_helper(const char *name, size_t n) {
        const struct name_table *helpers = &name_tables[NAMES_HELPER];

        for (size_t i = 0; i < helpers->n_ours; i++)
                if (strncmp(helpers->ours[i], name, n) == 0 &&
                    (name[n] == '*' || helpers->ours[i][n] == '\0'))
                        return true;

        return false;
}

/* A misspelt helper would never be told. Kernel functions are in no table; they begin with these.
 */
START_TEST(helpers_exist) {
        size_t n, known = 0;
        const struct ability *all = ability_all(&n);

        for (size_t i = 0; i < n; i++)
                for (const char *s = all[i].calls; *s; s += strspn(s, " ")) {
                        size_t length = strcspn(s, " *");
                        if (strncmp(s, "bpf_", 4) != 0 && strncmp(s, "scx_", 4) != 0) {
                                ck_assert_msg(is_helper(s, length), "no helper %s", s);
                                known++;
                        }
                        s += strcspn(s, " ");
                }
        ck_assert_uint_gt(known, 90);
}
END_TEST

/* Every type of program that the kernel has is told. */
START_TEST(types_told) {
        const struct name_table *types = &name_tables[NAMES_PROG_TYPE];

        for (size_t i = 1; i < types->n_ours; i++)
                ck_assert_msg(ability_of_type(types->ours[i]) != NULL, "%s", types->ours[i]);
        ck_assert_ptr_null(ability_of_type("unspec"));
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("client-ability");
        TCase *c = tcase_create("ability");

        tcase_add_test(c, grave_first_each_once);
        tcase_add_test(c, exact_names);
        tcase_add_test(c, helpers_exist);
        tcase_add_test(c, types_told);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
