/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the unit tests share: runs a suite of check and prints the Test Anything Protocol. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util.h"

/* Ends a test that cannot run here; the reason is printed. */
#define TAP_SKIP         "SKIP "
#define tap_skip(reason) ck_abort_msg(TAP_SKIP "%s", (reason))

/* Check knows no skipped tests and prints a message of several lines as it is: turns its lines into
 * what TAP has for both. Returns how many tests failed. */
static inline int tap_print(FILE *log) {
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int failed = 0;

        while (getline(&line, &size, log) >= 0) {
                const char *skip = strstr(line, ": " TAP_SKIP);
                if (strncmp(line, "not ok ", 7) == 0 && skip) {
                        printf("%.*s # %s", (int) (skip - line - 4), line + 4, skip + 2);
                        continue;
                }

                if (strncmp(line, "not ok ", 7) == 0)
                        failed++;
                else if (strncmp(line, "ok ", 3) != 0 && strncmp(line, "1..", 3) != 0)
                        printf("# ");
                fputs(line, stdout);
        }

        return failed;
}

/* Runs the suite (freed here), each test in a process of its own unless CK_FORK=no. Returns the
 * exit status of main. */
static inline int tap_main(Suite *suite) {
        _cleanup_close_ int fd = memfd_create("tap", MFD_CLOEXEC);
        if (fd < 0)
                return EXIT_FAILURE;

        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

        SRunner *runner = srunner_create(suite);
        srunner_set_tap(runner, path);
        srunner_run_all(runner, CK_SILENT);
        int ran = srunner_ntests_run(runner);
        srunner_free(runner);

        _cleanup_fclose_ FILE *log = fopen(path, "re");
        if (!log || ran == 0)
                return EXIT_FAILURE;

        return tap_print(log) > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The main() of a test program whose suite() makes its suite. Check's own limit of 4 s is none for
 * a machine that is busy. */
#define TAP_MAIN(suite)                                \
        int main(void) {                               \
                setenv("CK_DEFAULT_TIMEOUT", "60", 0); \
                return tap_main(suite());              \
        }
