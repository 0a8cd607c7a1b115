/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loaded into the daemon (LD_PRELOAD): while the file $SLOW_KERNEL is there, its verifier takes for
 * ever, and so does telling the programs who they serve, with which a takeover begins; while the
 * file $SLOW_LINKS is there, finding the next link takes seconds; while $SLOW_PROC is, so does
 * opening /proc, by the clock of the thread that does: that one goes on slowly, so that nothing
 * else takes long by it, however busy this machine is. */

#include <dirent.h>
#include <dlfcn.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
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

enum {
        PROC_NSEC = 2700000000U, /* to open /proc */
        PROC_SLOWER = 16,        /* than the clock the one of that thread is afterwards */
};

static _Thread_local long long there,
        here; /* one moment, by the clock and by the thread's; 0: the same */

static long long to_nsec(const struct timespec *t) {
        return t->tv_sec * 1000000000LL + t->tv_nsec;
}

int clock_gettime(clockid_t clock, struct timespec *ret) {
        static int (*next)(clockid_t clock, struct timespec * ret);

        if (!next)
                next = dlsym(RTLD_NEXT, "clock_gettime");
        int r = next(clock, ret);

        if (r == 0 && clock == CLOCK_MONOTONIC && there) {
                const long long now = here + (to_nsec(ret) - there) / PROC_SLOWER;
                *ret = (struct timespec){now / 1000000000, now % 1000000000};
        }
        return r;
}

static void open_slowly(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        here = to_nsec(&now) + PROC_NSEC;
        there = 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
        there = to_nsec(&now);
}

DIR *opendir(const char *name) {
        static DIR *(*next)(const char *name);

        if (strcmp(name, "/proc") == 0 && is_there("SLOW_PROC"))
                open_slowly();
        if (!next)
                next = (DIR * (*) (const char *) ) dlsym(RTLD_NEXT, "opendir");
        return next(name);
}
