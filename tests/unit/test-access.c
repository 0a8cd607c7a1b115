/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may see what of an event. */

#include <string.h>

#include "access.h"
#include "event.h"
#include "match.h"
#include "tap-main.h"

enum { ME = 1000, OTHER = 1001, NONE = -1 };

static struct event *event;

static void setup(void) {
        event = malloc(sizeof(*event));
        ck_assert_ptr_nonnull(event);
}

static void teardown(void) {
        free(event);
}

/* An event with something in every field that tells of somebody; NONE: not known who. */
static void make(const char *kind, const char *severity, int64_t user, int64_t loader) {
        event_reset(event);
        event_set_u64(event, FIELD_SEQ, 7);
        event_set_static(event, FIELD_EVENT, kind);
        event_set_static(event, FIELD_SEVERITY, severity);
        event_set_static(event, FIELD_MESSAGE, "x loaded a program at \"/secret\"");
        event_set_u32(event, FIELD_PROCESS_PID, 12);
        event_set_static(event, FIELD_PROCESS_NAME, "loader");
        event_set_static(event, FIELD_PROCESS_EXECUTABLE, "/secret/loader");
        event_set_u64(event, FIELD_PROCESS_CAPABILITIES, 0);
        event_set_static(event, FIELD_CGROUP_PATH, "/secret");
        event_set_bytes(event, FIELD_BPF_ATTR_RAW, "x", 1);
        event_set_bytes(event, FIELD_MAP_VALUE, "x", 1);
        event_set_static(event, FIELD_PIN_PATH, "/secret/pin");
        event_set_static(event, FIELD_ATTACH_TARGET, "/secret/target");
        event_set_u64(event, FIELD_ATTACH_ADDRESS, UINT64_C(0xffffffff81000000));
        event_set_static(event, FIELD_PROG_NAME, "prog");
        if (user != NONE)
                event_set_u32(event, FIELD_USER_ID, (uint32_t) user);
        if (loader != NONE) {
                event_set_u32(event, FIELD_LOADED_BY_PID, 13);
                event_set_u32(event, FIELD_LOADED_BY_USER_ID, (uint32_t) loader);
                event_set_static(event, FIELD_LOADED_BY_EXECUTABLE, "/secret/loader");
        }
}

static const struct row {
        enum scope scope;
        const char *kind, *severity;
        int64_t user, loader;
        bool seen;
} rows[] = {
        {SCOPE_ALL, "prog-load", "info", OTHER, OTHER, true},
        {SCOPE_ALL, "prog-unload", "info", NONE, NONE, true},
        {SCOPE_OWN, "prog-load", "info", ME, NONE, true},
        {SCOPE_OWN, "prog-load", "info", OTHER, NONE, false},
        {SCOPE_OWN, "prog-load", "critical", 0, NONE, false},
        {SCOPE_OWN, "prog-unload", "info", NONE, ME, true},
        {SCOPE_OWN, "prog-unload", "info", NONE, OTHER, false},
        {SCOPE_OWN, "prog-unload", "info", NONE, NONE, false},
        {SCOPE_OWN, "prog-unload", "info", OTHER, ME, false},
        {SCOPE_OWN, "lost", "warning", NONE, NONE, true},
        {SCOPE_OWN, "probe-state", "notice", NONE, NONE, true},
        {SCOPE_OWN, "tamper", "critical", 0, NONE, false},
        {SCOPE_OWN, "tamper", "critical", NONE, NONE, false},
        {SCOPE_ALERTS, "prog-load", "info", ME, NONE, false},
        {SCOPE_ALERTS, "prog-load", "notice", OTHER, NONE, false},
        {SCOPE_ALERTS, "prog-load", "warning", OTHER, NONE, true},
        {SCOPE_ALERTS, "tamper", "critical", 0, NONE, true},
        {SCOPE_ALERTS, "lost", "info", NONE, NONE, false},
};

START_TEST(events) {
        const struct row *row = &rows[_i];
        const struct viewer v = {ME, row->scope};
        struct field_set hidden;

        make(row->kind, row->severity, row->user, row->loader);
        ck_assert_int_eq(viewer_looks(&v, event, &hidden), row->seen);
}
END_TEST

/* What one may see is what is left; afterwards everything is there again. */
static void check(const struct viewer *v, const enum field *seen, size_t n_seen,
                  const enum field *unseen, size_t n_unseen) {
        uint64_t before[ELEMENTSOF(event->present)];
        struct field_set hidden;

        memcpy(before, event->present, sizeof(before));
        ck_assert(viewer_looks(v, event, &hidden));
        for (size_t i = 0; i < n_seen; i++)
                ck_assert_msg(event_has(event, seen[i]), "%s is missing",
                              field_info(seen[i])->name);
        for (size_t i = 0; i < n_unseen; i++)
                ck_assert_msg(!event_has(event, unseen[i]), "%s is told",
                              field_info(unseen[i])->name);
        event_show(event, &hidden);
        ck_assert_mem_eq(before, event->present, sizeof(before));
}
#define CHECK(v, seen, unseen) check(v, seen, ELEMENTSOF(seen), unseen, ELEMENTSOF(unseen))

START_TEST(own_fields) {
        static const enum field seen[] = {FIELD_MESSAGE, FIELD_PROCESS_EXECUTABLE, FIELD_PIN_PATH,
                                          FIELD_MAP_VALUE, FIELD_BPF_ATTR_RAW};
        static const enum field unseen[] = {FIELD_LOADED_BY_PID, FIELD_LOADED_BY_USER_ID,
                                            FIELD_LOADED_BY_EXECUTABLE, FIELD_ATTACH_ADDRESS};
        const struct viewer v = {ME, SCOPE_OWN};

        make("attach", "info", ME, OTHER);
        CHECK(&v, seen, unseen);
}
END_TEST

/* A set-user-ID program is not its user's to look into. */
START_TEST(privileged_fields) {
        static const enum field seen[] = {FIELD_PROCESS_NAME, FIELD_PROG_NAME, FIELD_LOADED_BY_PID};
        static const enum field unseen[] = {FIELD_MAP_VALUE, FIELD_BPF_ATTR_RAW};
        const struct viewer v = {ME, SCOPE_OWN};

        make("map-access", "info", ME, ME);
        event_set_u64(event, FIELD_PROCESS_CAPABILITIES, 1);
        CHECK(&v, seen, unseen);
        event_clear(event, FIELD_PROCESS_CAPABILITIES);
        CHECK(&v, seen, unseen);
}
END_TEST

START_TEST(unattributed_fields) {
        static const enum field seen[] = {FIELD_EVENT, FIELD_PROG_NAME, FIELD_LOADED_BY_PID};
        static const enum field unseen[] = {FIELD_PROCESS_PID, FIELD_PROCESS_EXECUTABLE,
                                            FIELD_CGROUP_PATH, FIELD_MESSAGE};
        const struct viewer v = {ME, SCOPE_OWN};

        make("prog-unload", "info", NONE, ME);
        CHECK(&v, seen, unseen);
}
END_TEST

/* Whatever an alert holds: nothing with a path in it, and nothing that a program read. */
START_TEST(alert_fields) {
        const struct viewer v = {ME, SCOPE_ALERTS};
        struct field_set hidden;

        make("tamper", "critical", OTHER, OTHER);
        ck_assert(viewer_looks(&v, event, &hidden));
        ck_assert(event_has(event, FIELD_PROCESS_NAME) && event_has(event, FIELD_SEVERITY) &&
                  event_has(event, FIELD_PROG_NAME) && event_has(event, FIELD_USER_ID));
        for (int f = -1; (f = event_next(event, f)) >= 0;) {
                const char *string = field_info((enum field) f)->type == TYPE_STRING
                                             ? event_string(event, (enum field) f)
                                             : "";

                ck_assert_msg(!strchr(string, '/'), "%s", field_info((enum field) f)->name);
                ck_assert_int_ne(field_info((enum field) f)->type, TYPE_BYTES);
                ck_assert_int_ne(f, FIELD_ATTACH_ADDRESS);
        }
        event_show(event, &hidden);
        ck_assert_str_eq(event_string(event, FIELD_PIN_PATH), "/secret/pin");
}
END_TEST

static const struct {
        enum scope scope;
        const char *term;
        int field; /* that is refused */
} terms[] = {
        {SCOPE_ALERTS, "process.executable=*", FIELD_PROCESS_EXECUTABLE},
        {SCOPE_ALERTS, "message!=x", FIELD_MESSAGE},
        {SCOPE_ALERTS, "bpf.attr.prog_name=x", FIELD_BPF_ATTR},
        {SCOPE_ALERTS, "attach.address>0", FIELD_ATTACH_ADDRESS},
        {SCOPE_ALERTS, "process.name=x", -ENOENT},
        {SCOPE_ALERTS, "user.id=0", -ENOENT},
        {SCOPE_OWN, "process.executable=*", -ENOENT},
        {SCOPE_ALL, "message!=x", -ENOENT},
};

START_TEST(match_terms) {
        const struct viewer v = {ME, terms[_i].scope};
        const char *const two[] = {"severity=critical", terms[_i].term};
        struct match *match;

        ck_assert_int_eq(match_new(&match, two, 2, NULL), 0);
        ck_assert_int_eq(viewer_forbidden_field(&v, match), terms[_i].field);
        match_free(match);
}
END_TEST

START_TEST(names) {
        for (enum scope s = 0; s < _SCOPE_MAX; s++)
                ck_assert_int_eq(scope_from_name(scope_name(s)), s);
        ck_assert_int_eq(scope_from_name("ALL"), -ENOENT);
        ck_assert_int_eq(scope_from_name(""), -ENOENT);
        ck_assert_int_eq(scope_default(0), SCOPE_ALL);
        ck_assert_int_eq(scope_default(ME), SCOPE_OWN);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("access");
        TCase *t = tcase_create("access");

        tcase_add_checked_fixture(t, setup, teardown);
        tcase_add_loop_test(t, events, 0, ELEMENTSOF(rows));
        tcase_add_test(t, own_fields);
        tcase_add_test(t, privileged_fields);
        tcase_add_test(t, unattributed_fields);
        tcase_add_test(t, alert_fields);
        tcase_add_loop_test(t, match_terms, 0, ELEMENTSOF(terms));
        tcase_add_test(t, names);
        suite_add_tcase(s, t);
        return s;
}

TAP_MAIN(suite)
