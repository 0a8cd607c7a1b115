/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loaded into the daemon (LD_PRELOAD): while the file $SLOW_KERNEL is there, its verifier takes for
 * ever, and so does telling the programs who they serve, with which a takeover begins; while the
 * file $SLOW_LINKS is there, finding the next link takes seconds; while $SLOW_PROC is, so does
 * opening /proc. */

#include <dirent.h>
#include <dlfcn.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_there(const char *variable) {
        const char *file = getenv(variable);

        return file && access(file, F_OK) == 0;
}

long syscall(long number, ...) {
        static long (*next)(long number, ...);
        long a[6];
        va_list args;

        /* As libc's own does: what was not given is not looked at. */
        va_start(args, number);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(args, long);
        va_end(args);
        while (number == SYS_bpf && (a[0] == BPF_PROG_LOAD || a[0] == BPF_PROG_TEST_RUN) &&
               is_there("SLOW_KERNEL"))
                usleep(20000);
        if (number == SYS_bpf && a[0] == BPF_LINK_GET_NEXT_ID && is_there("SLOW_LINKS"))
                sleep(3);
        if (!next)
                next = dlsym(RTLD_NEXT, "syscall");
        return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

DIR *opendir(const char *name) {
        static DIR *(*next)(const char *name);

        if (strcmp(name, "/proc") == 0 && is_there("SLOW_PROC"))
                usleep(2700000);
        if (!next)
                next = (DIR * (*) (const char *) ) dlsym(RTLD_NEXT, "opendir");
        return next(name);
}
