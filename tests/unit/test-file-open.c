/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories on which something is mounted are found without waiting for a file system that does
 * not answer. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file-open.h"
#include "tap-main.h"

static char directory[] = "/tmp/bpfmon-file-open-XXXXXX";

/* In a mount namespace of our own, which goes with the process. */
static void setup(void) {
        if (syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno == ENOSYS)
                tap_skip("files are opened by openat2(), which is not there (valgrind has none)");
        if (geteuid() != 0)
                tap_skip("needs root, to mount something");
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
                tap_skip("no mount namespace can be made");
        ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void teardown(void) {
        (void) umount2(directory, MNT_DETACH);
        (void) rmdir(directory);
}

START_TEST(mounts_of_a_type) {
        ck_assert_int_eq(mount_open(0, directory, "bpf"), -EXDEV);
        if (mount("bpf", directory, "bpf", 0, NULL) < 0)
                tap_skip("no BPF file system can be mounted");
        int fd = mount_open(0, directory, "bpf");
        ck_assert_int_ge(fd, 0);
        close(fd);
        ck_assert_int_eq(mount_open(0, directory, "cgroup2"), -EXDEV);
        ck_assert_int_eq(mount_open(0, "/sys/bpfmon-no-such", "bpf"), -ENOENT);
}
END_TEST

START_TEST(silent_file_systems) {
        char options[96], below[sizeof(directory) + 8];
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

        if (fd < 0)
                tap_skip("there is no /dev/fuse");
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
        if (mount("silent", directory, "fuse", 0, options) < 0)
                tap_skip("no FUSE can be mounted");
        snprintf(below, sizeof(below), "%s/a/b", directory);
        alarm(20); /* nobody reads what it is asked */
        ck_assert_int_eq(mount_open(0, below, "bpf"), -EAGAIN);
        ck_assert_int_eq(mount_open(0, directory, "bpf"), -EXDEV);
        close(fd);
}
END_TEST

static Suite *suite(void) {
        Suite *s = suite_create("file-open");
        TCase *c = tcase_create("file-open");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_add_test(c, mounts_of_a_type);
        tcase_add_test(c, silent_file_systems);
        suite_add_tcase(s, c);
        return s;
}

TAP_MAIN(suite)
