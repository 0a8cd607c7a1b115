/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rows of a list say of the list. */

#include <json.h>

#include "objects.h"
#include "tap-main.h"

static const struct {
        enum kind kind;
        const char *rows;
        bool cut;
} lists[] = {
        {KIND_LINK, "[]", false},
        {KIND_LINK, "[{\"link.id\":1}, {\"link.id\":2}]", false},
        {KIND_LINK, "[{\"incomplete\":[\"holders\", \"links\"]}]", true},
        {KIND_LINK, "[{\"incomplete\":[\"holders\", \"programs\"]}]", false},
        /* Fetched in two parts, and the second one was cut short. */
        {KIND_LINK, "[{\"link.id\":1}, {\"link.id\":2, \"incomplete\":[\"links\"]}]", true},
        {KIND_PROG, "[{\"prog.id\":1}, {\"incomplete.reasons\":[\"programs: too many\"]}]", true},
        {KIND_BTF, "[{\"incomplete.reasons\":[\"links: out of time\"]}]", false},
        {KIND_BTF, "[{\"incomplete.reasons\":[\"btf: out of time\"]}]", true},
};

START_TEST(any_row_says_that_it_is_cut) {
        struct json_object *rows = json_tokener_parse(lists[_i].rows);

        ck_assert_ptr_nonnull(rows);
        ck_assert_int_eq(objects_cut(rows, lists[_i].kind), lists[_i].cut);
        json_object_put(rows);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("objects");
        TCase *c = tcase_create("objects");

        tcase_add_loop_test(c, any_row_says_that_it_is_cut, 0, ELEMENTSOF(lists));
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
