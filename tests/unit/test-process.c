/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <systemd/sd-login.h>
#include <time.h>

#include "escape.h"
#include "event.h"
#include "process.h"
#include "tap-main.h"
#include "users.h"

static struct processes *processes;
static struct event *event;

static void setup(void) {
        ck_assert_int_eq(processes_new(&processes), 0);
        event = calloc(1, sizeof(*event));
        event_reset(event);
}

static void teardown(void) {
        processes_free(processes);
        free(event);
}

/* Paths ---------------------------------------------------------------------------------------- */

/* The string's own NUL is not passed. */
#define COMPONENTS(s) s, sizeof(s) - 1

START_TEST(paths) {
        static const struct {
                const char *data;
                size_t size;
                int cut;
                const char *path; /* NULL: refused */
        } rows[] = {
                {COMPONENTS("bpftool\0sbin\0usr\0"), 0, "/usr/sbin/bpftool"},
                {COMPONENTS("bpftool\0sbin\0usr"), 0, "/usr/sbin/bpftool"},
                {COMPONENTS("bpftool\0sbin\0"), 1, "…/sbin/bpftool"},
                {COMPONENTS("init\0"), 0, "/init"},
                {COMPONENTS("x\0\0\0y\0"), 0, "/y/x"},
                {COMPONENTS("x\0/\0y\0/\0"), 0, "/y/x"}, /* roots of mounts */
                {COMPONENTS("memfd:a/../usr/bin/sudo\0"), 0, "/memfd:a?..?usr?bin?sudo"},
                {COMPONENTS("\xff\033[2J\n\0tmp\0"), 0, "/tmp/\xff\033[2J\n"},
                {COMPONENTS("\0\0\0"), 0, NULL},
                {COMPONENTS("/\0"), 0, NULL},
                {COMPONENTS(""), 0, NULL},
        };
        char path[64];

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                int k = path_from_components(rows[i].data, rows[i].size, 64, rows[i].cut, path,
                                             sizeof(path));
                ck_assert_int_eq(k, rows[i].path ? 0 : -EINVAL);
                if (rows[i].path)
                        ck_assert_str_eq(path, rows[i].path);
        }
        ck_assert_int_eq(path_from_components("x", 2, 1, 0, path, sizeof(path)), -EINVAL);
}
END_TEST

static void assert_untouched(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (s[i] != 'Z')
                        ck_abort_msg("byte %zu beyond the end was written", i);
}

/* Whatever the bytes and however small the room: within bounds, and the leaf survives longest. */
START_TEST(path_bounds) {
        char data[RECORD_EXECUTABLE_MAX], path[RECORD_EXECUTABLE_MAX + 16];

        for (size_t n = 0; n <= sizeof(path); n++) {
                memset(path, 'Z', sizeof(path));
                int k = path_from_components("tool\0bin\0usr\0", 13, sizeof(data), 0, path, n);
                if (k == 0) {
                        ck_assert_uint_lt(strlen(path), n);
                        ck_assert_str_eq(path + strlen(path) - 5, "/tool");
                }
                assert_untouched(path + n, sizeof(path) - MIN(n, sizeof(path)));
        }

        srand(1);
        for (int round = 0; round < 2000; round++) {
                size_t size = (size_t) rand() % (sizeof(data) + 1), n = (size_t) rand() % 64;
                for (size_t i = 0; i < size; i++)
                        data[i] = rand() % 4 ? (char) rand() : 0;
                if (round % 2)
                        n = sizeof(path);
                memset(path, 'Z', sizeof(path));
                if (path_from_components(data, size, sizeof(data), round % 3, path, n) == 0)
                        ck_assert_uint_lt(strlen(path), n);
                assert_untouched(path + n, sizeof(path) - MIN(n, sizeof(path)));
        }
}
END_TEST

/* Fields --------------------------------------------------------------------------------------- */

static uint64_t boottime(void) {
        struct timespec t;

        clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

static struct record_task task_of(uint32_t tgid) {
        return (struct record_task){.start_time = boottime() - 5000000000,
                                    .cgroup_id = 77,
                                    .tgid = tgid,
                                    .tid = tgid + 1,
                                    .comm = "bpftool"};
}

static void set_bytes(char *ret, __u16 *size, const char *data, size_t n) {
        memcpy(ret, data, n);
        *size = (__u16) n;
}

static struct record_context context(void) {
        struct record_context c = {.capabilities = 0x1ff,
                                   .ppid = 1,
                                   .login_uid = 1000,
                                   .ns_pid = 4026531836,
                                   .ns_mnt = 4026531841,
                                   .ns_net = 4026531840,
                                   .ns_user = 4026531837};

        set_bytes(c.executable, &c.executable_size, COMPONENTS("bpftool\0sbin\0usr\0"));
        set_bytes(c.cgroup, &c.cgroup_size,
                  COMPONENTS("session-3.scope\0user-1000.slice\0user.slice\0"));
        return c;
}

static void assert_string(enum field f, const char *v) {
        ck_assert_msg(event_has(event, f), "%s is absent", field_info(f)->name);
        ck_assert_str_eq(event_string(event, f), v);
}

static void assert_u32(enum field f, uint32_t v) {
        ck_assert_msg(event_has(event, f), "%s is absent", field_info(f)->name);
        ck_assert_uint_eq(event_get(event, f)->u32, v);
}

START_TEST(all_fields) {
        struct record_task task = task_of(812);
        struct record_context c = context();
        struct timespec now;

        processes_describe(processes, event, &task, &c);
        assert_u32(FIELD_PROCESS_PID, 812);
        assert_u32(FIELD_PROCESS_TID, 813);
        assert_u32(FIELD_PROCESS_PPID, 1);
        assert_string(FIELD_PROCESS_NAME, "bpftool");
        assert_string(FIELD_PROCESS_EXECUTABLE, "/usr/sbin/bpftool");
        ck_assert_uint_eq(event_get(event, FIELD_PROCESS_CAPABILITIES)->u64, 0x1ff);
        assert_u32(FIELD_USER_ID, 0);
        assert_string(FIELD_USER_NAME, "root");
        assert_u32(FIELD_USER_LOGIN_ID, 1000);
        assert_u32(FIELD_GROUP_ID, 0);
        ck_assert_uint_eq(event_get(event, FIELD_CGROUP_ID)->u64, 77);
        assert_string(FIELD_CGROUP_PATH, "/user.slice/user-1000.slice/session-3.scope");
        assert_string(FIELD_UNIT, "session-3.scope");
        assert_string(FIELD_SESSION, "3");
        ck_assert(!event_has(event, FIELD_CONTAINER_ID));
        assert_u32(FIELD_NAMESPACE_PID, 4026531836);
        assert_u32(FIELD_NAMESPACE_MNT, 4026531841);
        assert_u32(FIELD_NAMESPACE_NET, 4026531840);
        assert_u32(FIELD_NAMESPACE_USER, 4026531837);

        /* It started five seconds ago, and what all this took. */
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t ago = (int64_t) ((boottime() - task.start_time) / 1000000000);
        int64_t start = (int64_t) event_get(event, FIELD_PROCESS_START)->u64;
        ck_assert_int_ge(ago, 5);
        ck_assert_int_lt(labs((int64_t) now.tv_sec - ago - start / 1000000), 3);
}
END_TEST

/* A file that somebody else than root may write to is not protected. */
START_TEST(protected_executables) {
        static const struct {
                uint32_t owner;
                uint16_t mode;
                bool protected;
        } files[] = {
                {0, 0100755, true},     {0, 0104755, true},     {0, 0100700, true},
                {0, 0100775, false},    {0, 0100757, false},    {0, 0100777, false},
                {1000, 0100755, false}, {1000, 0100555, false}, {65534, 0100755, false},
        };
        struct record_task task = task_of(812);
        struct record_context c = context();

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                c.executable_inode = 77 + i;
                c.executable_changed = 1795385534000001;
                c.executable_owner = files[i].owner;
                c.executable_mode = files[i].mode;
                event_reset(event);
                processes_describe(processes, event, &task, &c);
                ck_assert_uint_eq(event_get(event, FIELD_PROCESS_EXECUTABLE_INODE)->u64, 77 + i);
                ck_assert_uint_eq(event_get(event, FIELD_PROCESS_EXECUTABLE_CHANGED)->u64,
                                  1795385534000001);
                ck_assert_msg(event_get(event, FIELD_PROCESS_EXECUTABLE_PROTECTED)->boolean ==
                                      files[i].protected,
                              "owner %u, mode %o", files[i].owner, files[i].mode);
        }
}
END_TEST

START_TEST(unknown_is_absent) {
        struct record_task task = {.tgid = 1 << 22, .tid = 1 << 22, .uid = 4000000000};
        struct record_context c = {.login_uid = UINT32_MAX};

        processes_describe(processes, event, &task, &c);
        ck_assert(!event_has(event, FIELD_PROCESS_NAME));
        ck_assert(!event_has(event, FIELD_PROCESS_EXECUTABLE)); /* a kernel thread */
        ck_assert(!event_has(event, FIELD_PROCESS_EXECUTABLE_INODE));
        ck_assert(!event_has(event, FIELD_PROCESS_EXECUTABLE_CHANGED));
        ck_assert(!event_has(event, FIELD_PROCESS_EXECUTABLE_PROTECTED));
        ck_assert(!event_has(event, FIELD_USER_NAME));
        ck_assert(!event_has(event, FIELD_USER_LOGIN_ID));
        ck_assert(!event_has(event, FIELD_CGROUP_ID));
        ck_assert(!event_has(event, FIELD_CGROUP_PATH));
        ck_assert(!event_has(event, FIELD_UNIT));
        ck_assert(!event_has(event, FIELD_SESSION));
        ck_assert(!event_has(event, FIELD_CONTAINER_ID));
        ck_assert(!event_has(event, FIELD_NAMESPACE_PID));
        ck_assert(!event_has(event, FIELD_PROCESS_PPID));
        /* No capability at all is known, and worth knowing. */
        ck_assert_uint_eq(event_get(event, FIELD_PROCESS_CAPABILITIES)->u64, 0);
}
END_TEST

START_TEST(remembered) {
        struct record_task task = task_of(812), thread = task;
        struct record_context c = context();

        thread.tid = 999;
        processes_learn(processes, &task, &c);
        processes_describe(processes, event, &thread, NULL);
        assert_u32(FIELD_PROCESS_TID, 999);
        assert_string(FIELD_PROCESS_EXECUTABLE, "/usr/sbin/bpftool");
        assert_string(FIELD_UNIT, "session-3.scope");
        uint64_t start = event_get(event, FIELD_PROCESS_START)->u64;

        /* Its start is the same in each event. */
        event_reset(event);
        processes_describe(processes, event, &task, &c);
        ck_assert_uint_eq(event_get(event, FIELD_PROCESS_START)->u64, start);

        event_reset(event);
        processes_describe_briefly(processes, event, &task);
        assert_string(FIELD_PROCESS_EXECUTABLE, "/usr/sbin/bpftool");
        assert_string(FIELD_UNIT, "session-3.scope");
        ck_assert(!event_has(event, FIELD_NAMESPACE_PID));

        /* Another process under the same id is another process. */
        task.start_time++;
        event_reset(event);
        processes_describe(processes, event, &task, NULL);
        assert_u32(FIELD_PROCESS_PID, 812);
        ck_assert(!event_has(event, FIELD_PROCESS_EXECUTABLE));
        ck_assert(!event_has(event, FIELD_PROCESS_PPID));
}
END_TEST

START_TEST(executes_another_program) {
        struct record_task task = task_of(812);
        struct record_context c = context();

        processes_learn(processes, &task, &c);
        set_bytes(c.executable, &c.executable_size, COMPONENTS("tc\0sbin\0"));
        set_bytes(c.cgroup, &c.cgroup_size, COMPONENTS("net.service\0system.slice\0"));
        processes_learn(processes, &task, &c);
        processes_describe(processes, event, &task, NULL);
        assert_string(FIELD_PROCESS_EXECUTABLE, "/sbin/tc");
        assert_string(FIELD_UNIT, "net.service");
        ck_assert(!event_has(event, FIELD_SESSION));
}
END_TEST

/* Where the kernel side saw no control group (cgroup v1), systemd's own hierarchy is asked, but
 * only about the very process. */
START_TEST(asks_systemd) {
        struct record_task task = {.tgid = (uint32_t) getpid()};
        struct record_context c = {.ppid = 1};
        _cleanup_free_ char *unit = NULL;
        unsigned long long ticks = 0;
        _cleanup_fclose_ FILE *f = fopen("/proc/self/stat", "re");

        processes_describe(processes, event, &task, &c); /* its start is wrong */
        ck_assert(!event_has(event, FIELD_UNIT));
        ck_assert(!event_has(event, FIELD_CONTAINER_ID));

        if (sd_pid_get_unit(0, &unit) < 0)
                tap_skip("this process is in no systemd unit");
        ck_assert_int_eq(fscanf(f,
                                "%*d (%*[^)]) %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                                "%*s %*s %*s %*s %*s %*s %llu",
                                &ticks),
                         1);
        task.start_time = ticks * (1000000000 / (unsigned long long) sysconf(_SC_CLK_TCK));
        event_reset(event);
        processes_describe(processes, event, &task, &c);
        assert_string(FIELD_UNIT, unit);
}
END_TEST

/* The cache is bounded, and the process that is heard of all the time stays. */
START_TEST(bounded) {
        struct record_task busy = task_of(1), task = task_of(2);
        struct record_context c = context();

        processes_learn(processes, &busy, &c);
        for (uint32_t i = 0; i < 3 * PROCESSES_MAX; i++) {
                task.tgid = 1000 + i;
                processes_learn(processes, &task, &c);
                event_reset(event);
                processes_describe(processes, event, &busy, NULL);
                if (!event_has(event, FIELD_PROCESS_EXECUTABLE))
                        ck_abort_msg("forgotten after %u others", i);
        }

        unsigned known = 0;
        for (uint32_t i = 0; i < 3 * PROCESSES_MAX; i++) {
                task.tgid = 1000 + i;
                event_reset(event);
                processes_describe(processes, event, &task, NULL);
                known += event_has(event, FIELD_PROCESS_EXECUTABLE);
                ck_assert_int_eq(event_has(event, FIELD_PROCESS_EXECUTABLE), i > 2 * PROCESSES_MAX);
        }
        ck_assert_uint_eq(known, PROCESSES_MAX - 1);
}
END_TEST

START_TEST(hostile_bytes) {
        struct record_task task = task_of(812);
        struct record_context c = context();

        memset(task.comm, 0xff, sizeof(task.comm)); /* no NUL, no UTF-8 */
        memset(c.executable, 0xfe, sizeof(c.executable));
        c.executable_size = sizeof(c.executable);
        memset(c.cgroup, '/', sizeof(c.cgroup));
        c.cgroup_size = UINT16_MAX; /* beyond */
        processes_describe(processes, event, &task, &c);

        for (int f = -1; (f = event_next(event, f)) >= 0;) {
                const char *s = field_info((enum field) f)->type == TYPE_STRING
                                        ? event_string(event, (enum field) f)
                                        : "";
                for (size_t n; *s; s += n) {
                        n = utf8_sequence(s, strlen(s));
                        if (n == 0)
                                ck_abort_msg("\"%s\" is not UTF-8", s);
                }
        }
        ck_assert_uint_eq(strlen(event_string(event, FIELD_PROCESS_NAME)), 3 * 16);
        ck_assert(!event_has(event, FIELD_CGROUP_PATH));
}
END_TEST

/* Users ---------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text) {
        _cleanup_fclose_ FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        fputs(text, f);
}

START_TEST(user_names) {
        char path[] = "/tmp/test-users-XXXXXX";
        _cleanup_close_ int fd = mkstemp(path);
        struct users *u = NULL;

        write_file(path, "root:x:0:0::/root:/bin/sh\n"
                         "garbage\n"
                         ":::::\n"
                         "toor:x:0:0::/root:/bin/sh\n"
                         "alice:x:1000:1000::/:/bin/sh\n"
                         "daemon:x:1:1::/:/bin/sh\n");
        ck_assert_int_eq(users_new(&u, path), 0);
        ck_assert_pstr_eq(users_name(u, 0), "root");
        ck_assert_pstr_eq(users_name(u, 1), "daemon");
        ck_assert_pstr_eq(users_name(u, 1000), "alice");
        ck_assert_ptr_null(users_name(u, 999));
        ck_assert_ptr_null(users_name(u, UINT32_MAX));

        /* A new user is noticed, within a second or so. */
        write_file(path, "bob:x:1001:1001::/:/bin/sh\n");
        usleep(1100000);
        ck_assert_pstr_eq(users_name(u, 1001), "bob");
        ck_assert_ptr_null(users_name(u, 0));
        users_free(u);
        unlink(path);

        ck_assert_int_eq(users_new(&u, "/nonexistent/passwd"), 0);
        ck_assert_ptr_null(users_name(u, 0));
        users_free(u);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("process");
        TCase *p = tcase_create("paths"), *c = tcase_create("processes"),
              *u = tcase_create("users");

        tcase_add_test(p, paths);
        tcase_add_test(p, path_bounds);
        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, all_fields);
        tcase_add_test(c, protected_executables);
        tcase_add_test(c, unknown_is_absent);
        tcase_add_test(c, remembered);
        tcase_add_test(c, executes_another_program);
        tcase_add_test(c, asks_systemd);
        tcase_add_test(c, bounded);
        tcase_add_test(c, hostile_bytes);
        tcase_add_test(u, user_names);
        suite_add_tcase(s, p);
        suite_add_tcase(s, c);
        suite_add_tcase(s, u);
        return s;
}

TAP_MAIN(suite)
