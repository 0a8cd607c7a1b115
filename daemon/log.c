/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

static int max_level = LOG_INFO;

void log_set_level(int level) {
        max_level = level;
}

void log_linev(int level, const char *format, va_list args) {
        static int journal = -1;

        if (level > max_level)
                return;
        if (journal < 0)
                journal = getenv("JOURNAL_STREAM") != NULL; /* systemd.exec(5) */

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
