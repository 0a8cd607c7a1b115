/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whatever the file is, and whatever becomes of it: events go on, and nothing crashes. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "history-bed.h"

/* How many files were set aside. */
static size_t count_aside(void) {
        DIR *d = opendir(bed_directory);
        size_t n = 0;

        for (struct dirent *e; (e = readdir(d));)
                n += strncmp(e->d_name, "history.db.2", 12) == 0 &&
                     e->d_name[strlen(e->d_name) - 1] == 'Z';
        closedir(d);
        return n;
}

static void write_file(const char *text, size_t n) {
        int fd = open(bed_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, n), (int) n);
        close(fd);
}

static void check_new_begun(void) {
        struct history *h = bed_open();
        struct history_status status;

        bed_fill(h, 1, 10);
        history_status(h, &status);
        ck_assert(status.working);
        ck_assert_uint_eq(status.stored, 10);
        history_free(h);
        ck_assert_uint_eq(count_aside(), 1);
        ck_assert_uint_eq(bed_count(NULL), 10);
}

START_TEST(garbage_is_set_aside) {
        char garbage[8192];

        for (size_t i = 0; i < sizeof(garbage); i++)
                garbage[i] = (char) (i * 77 + i / 3);
        write_file(garbage, sizeof(garbage));
        check_new_begun();
}
END_TEST

START_TEST(foreign_files_are_set_aside) {
        static const char *const sql[] = {
                "CREATE TABLE cookies(id INTEGER)",
                "PRAGMA application_id=1651533421; PRAGMA user_version=2; CREATE TABLE t(a)",
                "PRAGMA application_id=1651533421; PRAGMA user_version=99; CREATE TABLE t(a)",
                "PRAGMA application_id=1651533421; PRAGMA user_version=1; CREATE TABLE t(a)",
        };

        bed_sql(sql[_i]);
        check_new_begun();
}
END_TEST

/* A history of ours, changed by somebody who may write files but should not run code. */
START_TEST(changed_tables_are_set_aside) {
        static const char *const sql[] = {
                "CREATE TRIGGER evil AFTER UPDATE ON meta BEGIN DELETE FROM segment; END",
                "CREATE VIEW evil AS SELECT * FROM meta",
                "DROP TABLE segment",
                "DROP TABLE event_1; CREATE VIEW event_1 AS SELECT 1",
                "CREATE TABLE event_x(a)",
                "ALTER TABLE meta ADD COLUMN evil DEFAULT 1",
                "UPDATE segment SET last=9223372036854775807",
                "UPDATE segment SET id=-5",
                "UPDATE meta SET last_seq=-7",
                "DELETE FROM meta",
        };
        struct history *h = bed_open();

        bed_fill(h, 1, 5);
        history_free(h);
        bed_sql(sql[_i]);
        check_new_begun();
}
END_TEST

/* Values that make no sense: rows are passed over, nothing crashes. */
START_TEST(changed_values_do_no_harm) {
        static const char *const sql[] = {
                "UPDATE event_1 SET rest=randomblob(50)",
                "UPDATE event_1 SET rest=zeroblob(100000)",
                "UPDATE event_1 SET kind=99999999",
                "UPDATE event_1 SET kind=-1, process=-1, prog_name=-1, map_name=1<<40",
                "UPDATE event_1 SET kind='x', process='y', map_id='z', time='t', shift='s', boot='b'",
                "UPDATE kind_1 SET data=randomblob(200)",
                "UPDATE kind_1 SET data=NULL",
                "UPDATE process_1 SET data=randomblob(200)",
                "DELETE FROM word_1",
                "UPDATE word_1 SET text=x'ff00ff'",
                "UPDATE word_1 SET text=zeroblob(900000)",
                "UPDATE field SET name='x'||id",
                "UPDATE field SET id=id+100000",
                "UPDATE boot SET boot_id=zeroblob(100000)",
                "UPDATE segment SET base=9223372036854775807, time_min=-1, time_max=-1",
                "UPDATE event_1 SET rest=x'02ffffffffffffffffff7f'",
        };
        struct history *h = bed_open();
        struct history_answer answer;

        for (uint64_t seq = 1; seq <= 20; seq++) {
                struct event *e = bed_make(seq);
                struct value v = {TYPE_STRING, .string = "some 1234 \"text\""};

                event_dict_add(e, FIELD_BPF_ATTR, "key", &v);
                event_set_static(e, FIELD_MESSAGE, "somebody did \"something\" 77");
                event_set_bytes(e, FIELD_BPF_ATTR_RAW, "\0\0\0\0\1\2\3\0\0\0\0\0", 12);
                history_offer(h, e);
        }
        history_free(h);
        bed_sql(sql[_i]);
        (void) ASK(&answer, );
        history_answer_done(&answer);
        (void) ASK(&answer, , "map.name=map_1", "process.name=*", "message=*a*");
        history_answer_done(&answer);
        (void) ASK(&answer, .viewer.uid = 5);
        history_answer_done(&answer);
        h = bed_open();
        bed_fill(h, 101, 110);
        history_free(h);
        ck_assert_int_eq(ASK(&answer, , "seq>100"), 0);
        ck_assert_uint_ge(answer.n + count_aside(), 1);
        history_answer_done(&answer);
}
END_TEST

/* The same in full segments, of which a user has too much. */
START_TEST(changed_segments_do_no_harm) {
        static const char *const sql[] = {
                "UPDATE event_3 SET id=id-300",
                "UPDATE event_2 SET rest=randomblob(50), boot='b'",
                "UPDATE kind_2 SET data=NULL",
                "UPDATE process_2 SET uid=-1, data=zeroblob(100000)",
                "UPDATE segment SET base=-1, first=-1, rows=-1, time_min=5, time_max=-5",
                "UPDATE segment SET base=9223372036854775807 WHERE id < 6",
                "UPDATE segment SET sealed=1-sealed WHERE id < 6",
                "DELETE FROM segment WHERE id IN (2, 3)",
                "UPDATE segment SET id=id+1000000 WHERE id < 4",
                "DELETE FROM word_2; DELETE FROM word_3",
        };
        struct history *h;
        struct history_answer answer;
        uint64_t seq = 0;

        bed_options.segment_rows = 300;
        h = bed_open();
        for (unsigned i = 0; i < 3000; i++) {
                struct event *e = bed_make(++seq);

                event_set_u32(e, FIELD_USER_ID, i % 4 ? 1000 : 0);
                history_offer(h, e);
        }
        history_free(h);
        bed_sql(sql[_i]);
        bed_options.max_size = 200 << 10;
        for (unsigned round = 0; round < 3; round++) {
                h = bed_open();
                bed_fill(h, seq + 1, seq + 310);
                seq += 310;
                history_free(h);
        }
        h = bed_open();
        bed_fill(h, seq + 1, seq + 10);
        ck_assert_int_eq(ASK(&answer, .since = 0, "event=map-create"), 0);
        ck_assert_uint_ge(answer.n, 10);
        history_answer_done(&answer);
        history_free(h);
}
END_TEST

/* Flips bytes all over the file. */
START_TEST(damaged_pages_do_no_harm) {
        struct history *h;
        struct history_answer answer;
        struct stat st;

        bed_options.segment_rows = 300;
        h = bed_open();
        bed_fill(h, 1, 1000);
        history_free(h);
        ck_assert_int_eq(stat(bed_path, &st), 0);
        int fd = open(bed_path, O_RDWR | O_CLOEXEC);
        srand((unsigned) _i);
        for (int i = 0; i < 40; i++) {
                char byte = (char) rand();
                ck_assert_int_eq(pwrite(fd, &byte, 1, rand() % st.st_size), 1);
        }
        close(fd);
        (void) ASK(&answer, , "map.id=77");
        history_answer_done(&answer);
        (void) ASK(&answer, );
        history_answer_done(&answer);
        h = bed_open();
        for (uint64_t seq = 2000; seq < 3000; seq++)
                history_offer(h, bed_make(seq));
        bed_flush(h);
        /* What was damaged is seen now, or with the first use of it: then it is tried again. */
        history_free(h);
        h = bed_open();
        bed_fill(h, 4000, 4001);
        history_free(h);
}
END_TEST

START_TEST(older_versions_are_brought_forward) {
        struct history *h = bed_open();
        int64_t columns;

        bed_fill(h, 1, 70);
        history_free(h);
        static const char *const as_it_was[] = {
                "CREATE TABLE old AS SELECT * FROM meta; DROP TABLE meta; "
                "CREATE TABLE meta(id INTEGER PRIMARY KEY, name TEXT, clean INTEGER); "
                "INSERT INTO meta SELECT id, name, clean FROM old; DROP TABLE old; "
                "DROP TABLE seen; PRAGMA user_version=1",
                "DROP TABLE seen; PRAGMA user_version=2",
        };
        bed_sql(as_it_was[_i]);
        h = bed_open();
        ck_assert_uint_eq(history_last_seq(h), 70);
        bed_fill(h, 71, 80);
        history_free(h);
        ck_assert_uint_eq(bed_count(NULL), 80);
        ck_assert_uint_eq(count_aside(), 0);

        sqlite3 *db;
        sqlite3_stmt *s;
        ck_assert_int_eq(sqlite3_open(bed_path, &db), SQLITE_OK);
        sqlite3_prepare_v2(db, "SELECT last_seq FROM meta", -1, &s, NULL);
        ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
        columns = sqlite3_column_int64(s, 0);
        ck_assert_int_eq(columns, 80);
        sqlite3_finalize(s);
        sqlite3_close(db);
}
END_TEST

START_TEST(replaced_while_it_is_written) {
        struct history *h = bed_open();

        bed_fill(h, 1, 10);
        ck_assert_int_eq(unlink(bed_path), 0);
        write_file("this is not a database, but it is long enough to look at", 56);
        bed_fill(h, 11, 20);
        history_free(h);
        ck_assert_uint_eq(bed_count("seq>10"), 10);
}
END_TEST

START_TEST(garbage_over_it_while_it_is_written) {
        struct history *h = bed_open();
        struct history_status status;
        char garbage[4096 * 4];

        bed_options.segment_rows = 100;
        bed_fill(h, 1, 1000);
        memset(garbage, 0x5a, sizeof(garbage));
        int fd = open(bed_path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_eq(pwrite(fd, garbage, sizeof(garbage), 0), (int) sizeof(garbage));
        close(fd);
        for (uint64_t seq = 1001; seq < 5000; seq++)
                history_offer(h, bed_make(seq));
        bed_flush(h);
        history_status(h, &status);
        ck_assert_uint_eq(status.stored + status.lost, 4999);
        history_free(h);
        h = bed_open();
        bed_fill(h, 6001, 6010);
        history_free(h);
        ck_assert_uint_eq(bed_count("seq>6000"), 10);
}
END_TEST

START_TEST(directory_that_is_not_there) {
        struct history_status status;

        snprintf(bed_path, sizeof(bed_path), "%s/none/history.db", bed_directory);
        struct history *h = bed_open();
        bed_fill(h, 1, 10);
        history_status(h, &status);
        ck_assert(!status.working);
        ck_assert_uint_eq(status.lost, 10);
        history_free(h);
}
END_TEST

/* Whoever writes is killed, again and again. */
START_TEST(killed_while_it_writes) {
        uint64_t last = 0;

        for (int i = 0; i < 8; i++) {
                int written[2]; /* tells when something is in the file */
                char one;

                ck_assert_int_eq(pipe(written), 0);
                pid_t child = fork();

                if (child == 0) {
                        struct history *h = NULL;
                        if (history_new(&h, &bed_options) < 0)
                                _exit(1);
                        for (uint64_t seq = history_last_seq(h) + 1;; seq++) {
                                history_offer(h, bed_make(seq));
                                if (seq % 1000 == 0) {
                                        bed_flush(h);
                                        (void) !write(written[1], "", 1);
                                }
                        }
                }
                close(written[1]);
                ck_assert_int_eq(read(written[0], &one, 1), 1);
                usleep(100000 + 30000 * (useconds_t) i);
                kill(child, SIGKILL);
                waitpid(child, NULL, 0);
                close(written[0]);

                struct history *h = bed_open();
                uint64_t now = history_last_seq(h);
                history_free(h);
                ck_assert_uint_ge(now, last);
                last = now;
        }
        ck_assert_uint_gt(last, 0);
        ck_assert_uint_eq(count_aside(), 0);
        ck_assert_uint_eq(bed_count(NULL), last);
}
END_TEST

START_TEST(disk_full) {
        struct history_status status;
        struct history *h;

        if (mount("none", bed_directory, "tmpfs", 0, "size=1m") < 0)
                tap_skip("no tmpfs can be mounted here");
        h = bed_open();
        for (uint64_t seq = 1; seq <= 40000; seq++)
                history_offer(h, bed_make(seq));
        history_wait(h, history_mark(h), 60000000);
        history_status(h, &status);
        bool kept = status.lost > 0 && status.stored + status.lost == 40000;
        history_free(h);
        /* There is room again. */
        mount("none", bed_directory, "tmpfs", MS_REMOUNT, "size=64m");
        h = bed_open();
        bed_fill(h, 50001, 50010);
        history_status(h, &status);
        bool again = status.stored >= 10;
        history_free(h);
        size_t n = bed_count("seq>50000");
        umount(bed_directory);
        ck_assert(kept);
        ck_assert(again);
        ck_assert_uint_eq(n, 10);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("history-file");
        TCase *c = tcase_create("history-file");

        tcase_add_checked_fixture(c, bed_setup, bed_teardown);
        tcase_set_timeout(c, 120);
        tcase_add_test(c, garbage_is_set_aside);
        tcase_add_loop_test(c, foreign_files_are_set_aside, 0, 4);
        tcase_add_loop_test(c, changed_tables_are_set_aside, 0, 10);
        tcase_add_loop_test(c, changed_values_do_no_harm, 0, 16);
        tcase_add_loop_test(c, changed_segments_do_no_harm, 0, 10);
        tcase_add_loop_test(c, damaged_pages_do_no_harm, 0, 10);
        tcase_add_loop_test(c, older_versions_are_brought_forward, 0, 2);
        tcase_add_test(c, replaced_while_it_is_written);
        tcase_add_test(c, garbage_over_it_while_it_is_written);
        tcase_add_test(c, directory_that_is_not_there);
        tcase_add_test(c, killed_while_it_writes);
        tcase_add_test(c, disk_full);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
