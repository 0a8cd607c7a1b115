/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of muted programs: what people write into it stays, and nothing is lost half-way. */

#include <libgen.h>
#include <sys/stat.h>

#include "file.h"
#include "files.h"
#include "mutes.h"
#include "tap-main.h"

static char directory[] = "/tmp/bpfmon-mutes-XXXXXX";
static char *file;
static struct mutes *mutes;

static void setup(void) {
        strcpy(directory, "/tmp/bpfmon-mutes-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
        ck_assert_int_gt(asprintf(&file, "%s/bpfmon/mutes", directory), 0);
        setenv("XDG_CONFIG_HOME", directory, 1);
        ck_assert_int_eq(mutes_new(&mutes, NULL), 0);
        ck_assert_int_eq(mutes_refresh(mutes), 0);
}

static void teardown(void) {
        char command[128];

        mutes_free(mutes);
        free(file);
        snprintf(command, sizeof(command), "rm -r %s", directory);
        ck_assert_int_eq(system(command), 0);
}

static void put(const char *content) {
        ck_assert_int_eq(files_make_parents(file), 0);
        ck_assert_int_eq(file_write(file, content, strlen(content)), 0);
}

static char *get(void) {
        char *content;

        ck_assert_int_eq(files_read(file, 1 << 20, &content), 0);
        return content;
}

START_TEST(where_it_is) {
        struct mutes *m;

        ck_assert_str_eq(mutes_file(mutes), file);
        setenv("XDG_CONFIG_HOME", "relative", 1);
        setenv("HOME", "/home/x", 1);
        ck_assert_int_eq(mutes_new(&m, NULL), 0);
        ck_assert_str_eq(mutes_file(m), "/home/x/.config/bpfmon/mutes");
        mutes_free(m);
        unsetenv("HOME");
        ck_assert_int_eq(mutes_new(&m, NULL), -ENXIO);
}
END_TEST

START_TEST(mute_and_unmute) {
        struct stat st;
        struct mutes *other;

        ck_assert(!mutes_has(mutes, "/bin/a"));
        ck_assert(!mutes_has(mutes, NULL));
        ck_assert_int_eq(mutes_add(mutes, "/bin/a"), 1);
        ck_assert_int_eq(mutes_add(mutes, "/bin/a"), 0);
        ck_assert_int_eq(mutes_add(mutes, "root:my tool"), 1);
        ck_assert(mutes_has(mutes, "/bin/a"));
        ck_assert(!mutes_has(mutes, "/bin/ab"));
        ck_assert(!mutes_has(mutes, "/bin"));
        ck_assert_int_eq(stat(dirname(strdupa(file)), &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0700);

        ck_assert_int_eq(mutes_new(&other, NULL), 0);
        ck_assert_int_eq(mutes_refresh(other), 0);
        ck_assert(mutes_has(other, "root:my tool"));
        ck_assert_int_eq(mutes_remove(other, "/bin/a"), 1);
        ck_assert_int_eq(mutes_remove(other, "/bin/a"), 0);
        mutes_free(other);

        ck_assert_int_eq(mutes_refresh(mutes), 0);
        ck_assert(!mutes_has(mutes, "/bin/a"));
        ck_assert(mutes_has(mutes, "root:my tool"));
}
END_TEST

START_TEST(what_people_wrote_stays) {
        put("# mine\n\n  /bin/a  \r\n/bin/b");
        ck_assert_int_eq(mutes_refresh(mutes), 0);
        ck_assert(mutes_has(mutes, "/bin/a"));
        ck_assert(mutes_has(mutes, "/bin/b"));
        ck_assert(!mutes_has(mutes, "# mine"));
        ck_assert_int_eq(mutes_add(mutes, "/bin/c"), 1);
        _cleanup_free_ char *added = get();
        ck_assert_str_eq(added, "# mine\n\n  /bin/a  \r\n/bin/b\n/bin/c\n");
        ck_assert_int_eq(mutes_remove(mutes, "/bin/a"), 1);
        _cleanup_free_ char *removed = get();
        ck_assert_str_eq(removed, "# mine\n\n/bin/b\n/bin/c\n");
}
END_TEST

START_TEST(a_link_stays_a_link) {
        _cleanup_free_ char *target = NULL;
        struct stat st;

        ck_assert_int_gt(asprintf(&target, "%s/dotfiles", directory), 0);
        ck_assert_int_eq(file_write(target, "/bin/a\n", 7), 0);
        put("");
        ck_assert_int_eq(unlink(file), 0);
        ck_assert_int_eq(symlink(target, file), 0);
        ck_assert_int_eq(mutes_add(mutes, "/bin/b"), 1);
        ck_assert_int_eq(lstat(file, &st), 0);
        ck_assert(S_ISLNK(st.st_mode));
        _cleanup_free_ char *content = get();
        ck_assert_str_eq(content, "/bin/a\n/bin/b\n");
}
END_TEST

/* What cannot be understood is neither used nor overwritten. */
START_TEST(a_file_that_is_none_is_left_alone) {
        _cleanup_free_ char *large = malloc(MUTES_FILE_MAX + 2);

        ck_assert_int_eq(mutes_add(mutes, "/bin/a"), 1);
        memset(large, 'x', MUTES_FILE_MAX + 1);
        large[MUTES_FILE_MAX + 1] = '\0';
        put(large);
        ck_assert_int_eq(mutes_refresh(mutes), -EFBIG);
        ck_assert_int_eq(mutes_refresh(mutes), 0); /* said once */
        ck_assert(mutes_has(mutes, "/bin/a"));
        ck_assert_int_eq(mutes_add(mutes, "/bin/b"), -EFBIG);
        _cleanup_free_ char *content = get();
        ck_assert_str_eq(content, large);

        ck_assert_int_eq(unlink(file), 0);
        ck_assert_int_eq(mkdir(file, 0700), 0);
        ck_assert_int_lt(mutes_add(mutes, "/bin/b"), 0);
        ck_assert_int_eq(rmdir(file), 0);
        ck_assert_int_eq(mutes_add(mutes, "/bin/b"), 1);
        ck_assert(!mutes_has(mutes, "/bin/a"));
}
END_TEST

static const char *const no_lines[] = {"", "# x", "a\nb", " a", "a ", "a\r"};

START_TEST(no_line) {
        ck_assert_int_eq(mutes_add(mutes, no_lines[_i]), -EINVAL);
        ck_assert_int_lt(access(file, F_OK), 0);
}
END_TEST

START_TEST(as_many_as_there_may_be) {
        char program[32];

        for (int i = 0; i < 40; i++) {
                snprintf(program, sizeof(program), "/bin/%d", i);
                ck_assert_int_eq(mutes_add(mutes, program), 1);
        }
        _cleanup_free_ char *content = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&content, &n);
        for (int i = 0; i < MUTES_MAX; i++)
                fprintf(f, "/bin/%d\n", i);
        fclose(f);
        put(content);
        ck_assert_int_eq(mutes_add(mutes, "/bin/more"), -EFBIG);
        ck_assert_int_eq(mutes_add(mutes, "/bin/1023"), 0);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("notify-mutes");
        TCase *c = tcase_create("mutes");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, where_it_is);
        tcase_add_test(c, mute_and_unmute);
        tcase_add_test(c, what_people_wrote_stays);
        tcase_add_test(c, a_link_stays_a_link);
        tcase_add_test(c, a_file_that_is_none_is_left_alone);
        tcase_add_loop_test(c, no_line, 0, ELEMENTSOF(no_lines));
        tcase_add_test(c, as_many_as_there_may_be);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
