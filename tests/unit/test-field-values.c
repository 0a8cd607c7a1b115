/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "action.h"
#include "attr-table.h"
#include "event.h"
#include "field-values.h"
#include "names-table.h"
#include "tap-main.h"

static const struct {
        enum field field;
        const char *written, *meant; /* NULL: nobody can say */
} slips[] = {
        {FIELD_EVENT, "prog-laod", "prog-load"}, {FIELD_EVENT, "Prog-Load", "prog-load"},
        {FIELD_EVENT, "progload", "prog-load"},  {FIELD_EVENT, "elephant", NULL},
        {FIELD_PROG_TYPE, "kprob", "kprobe"},    {FIELD_BPF_CMD, "map_cretae", "MAP_CREATE"},
        {FIELD_RESULT, "denyed", "denied"},      {FIELD_MAP_NAME, "sesions", NULL},
};

START_TEST(slip) {
        const char *meant = field_value_nearest(slips[_i].field, slips[_i].written);

        if (slips[_i].meant)
                ck_assert_str_eq(meant, slips[_i].meant);
        else
                ck_assert_ptr_null(meant);
}
END_TEST

static const struct {
        const char *term;
        int place; /* of the second =; -1: none is too much */
} doubled[] = {
        {"prog.name==x", 10},
        {"prog.name!==x", 11},
        {"prog.name==", 10},
        {"bpf.attr.license==GPL", 17},
        {"prog.name=\\=x", -1},
        {"prog.name=x==y", -1},
        {"prog.name!=x", -1},
        {"prog.id<=5", -1},
        {"prog.id>==5", -1},  /* is told to be no number */
        {"prog.nmae==x", -1}, /* is told to be no field */
        {"==x", -1},
        {"!==x", -1},
        {"prog.name", -1},
        {"", -1},
};

START_TEST(equal_doubled) {
        const char *term = doubled[_i].term, *place = field_equal_doubled(term);

        ck_assert_int_eq(place ? (int) (place - term) : -1, doubled[_i].place);
}
END_TEST

START_TEST(known) {
        ck_assert(field_value_known(FIELD_BPF_CMD, "prog_load"));
        ck_assert(!field_value_known(FIELD_PROG_TYPE, "KPROBE"));
        ck_assert(field_value_known(FIELD_PROG_NAME, "anything"));
}
END_TEST

/* Every event, class and road that a bpf() command makes is known here. */
START_TEST(commands_known) {
        for (size_t i = 0; i < ATTR_COMMANDS; i++) {
                const struct command_info *info = &attr_commands[i].info;
                ck_assert_msg(field_value_known(FIELD_EVENT, info->event), "%s", info->event);
                ck_assert_msg(field_value_known(FIELD_CLASS, info->class), "%s", info->class);
                if (info->via)
                        ck_assert_msg(field_value_known(FIELD_ATTACH_VIA, info->via), "%s",
                                      info->via);
        }
}
END_TEST

/* And so are those of what else is seen, but for those of our own objects, which become tamper. */
START_TEST(actions_known) {
        size_t n = 0;

        for (uint32_t action = 0; action < 16; action++)
                for (uint32_t detail = 0; detail < 32; detail++) {
                        struct record_action r = {.action = action, .via = detail};
                        r.object.kind = detail;
                        for (unsigned flags = 0; flags < 4; flags++) {
                                r.flags = (flags & 1 ? CALL_DETACHES : 0) |
                                          (flags & 2 ? CALL_URING : 0);
                                const struct command_info *info = action_info(&r);
                                if (!info || strcmp(info->class, "self") == 0)
                                        continue;
                                n++;
                                ck_assert_msg(field_value_known(FIELD_EVENT, info->event), "%s",
                                              info->event);
                                if (info->via)
                                        ck_assert_msg(
                                                field_value_known(FIELD_ATTACH_VIA, info->via),
                                                "%s", info->via);
                        }
                }
        ck_assert_uint_gt(n, 20);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("field-values");
        TCase *c = tcase_create("values");

        tcase_add_loop_test(c, slip, 0, ELEMENTSOF(slips));
        tcase_add_loop_test(c, equal_doubled, 0, ELEMENTSOF(doubled));
        tcase_add_test(c, known);
        tcase_add_test(c, commands_known);
        tcase_add_test(c, actions_known);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
