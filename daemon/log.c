/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "log.h"

static int max_level = LOG_INFO;

void log_set_level(int level) {
        max_level = level;
}

/* systemd.exec(5): the variable names the device and inode of the journal's stream; whoever is
 * started with another stderr may have inherited it. */
static bool is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_linev(int level, const char *format, va_list args) {
        static int journal = -1;

        if (level > max_level)
                return;
        if (journal < 0)
                journal = is_journal();

        flockfile(stderr);
        if (journal)
                fprintf(stderr, "<%d>", level); /* sd-daemon(3) */
        else
                fputs("bpfmond: ", stderr);
        vfprintf(stderr, format, args);
        putc('\n', stderr);
        funlockfile(stderr);
}

void log_line(int level, const char *format, ...) {
        va_list args;

        va_start(args, format);
        log_linev(level, format, args);
        va_end(args);
}
