/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"
#include "util.h"

enum {
        PATIENCE_MSEC = 1000, /* until it shows */
        PAUSE_MSEC = 200,     /* between two updates */
};

static const char gone[] = "\r\x1b[K";
static const int interrupts[] = {SIGINT, SIGTERM};

/* A thread of its own writes it, whatever the rest waits for. */
static struct {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        pthread_t thread;
        bool running, ending;
        volatile sig_atomic_t shown;
        struct sigaction before[ELEMENTSOF(interrupts)];
        const char *what, *unit;
        uint64_t count;
        struct timespec began;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void now_and(struct timespec *ret, long msec) {
        clock_gettime(CLOCK_MONOTONIC, ret);
        ret->tv_sec += msec / 1000;
        ret->tv_nsec += msec % 1000 * 1000000;
        if (ret->tv_nsec >= 1000000000) {
                ret->tv_nsec -= 1000000000;
                ret->tv_sec++;
        }
}

static void show(void) {
        _cleanup_text_ struct text line = {};
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        text_printf(&line, "\r\x1b[K%s…", state.what);
        if (state.count > 0)
                text_printf(&line, " %" PRIu64 " %s,", state.count, state.unit);
        text_printf(&line, " %jd s", (intmax_t) (now.tv_sec - state.began.tv_sec));
        (void) !write(STDERR_FILENO, text_string(&line), line.n);
}

/* Dies of it as it would have, once the line is gone. */
static void on_interrupt(int number) {
        if (state.shown)
                (void) !write(STDERR_FILENO, gone, strlen(gone));
        signal(number, SIG_DFL);
        raise(number);
}

static void take_interrupts(void) {
        const struct sigaction ours = {.sa_handler = on_interrupt};

        for (size_t i = 0; i < ELEMENTSOF(interrupts); i++)
                if (sigaction(interrupts[i], NULL, &state.before[i]) >= 0 &&
                    state.before[i].sa_handler == SIG_DFL)
                        (void) sigaction(interrupts[i], &ours, NULL);
}

static void give_back_interrupts(void) {
        for (size_t i = 0; i < ELEMENTSOF(interrupts); i++)
                if (state.before[i].sa_handler == SIG_DFL)
                        (void) sigaction(interrupts[i], &state.before[i], NULL);
}

static void *run(void *userdata) {
        struct timespec next;

        pthread_mutex_lock(&state.lock);
        now_and(&next, PATIENCE_MSEC);
        while (!state.ending)
                if (pthread_cond_timedwait(&state.wake, &state.lock, &next) == ETIMEDOUT) {
                        state.shown = true;
                        show();
                        now_and(&next, PAUSE_MSEC);
                }
        if (state.shown)
                (void) !write(STDERR_FILENO, gone, strlen(gone));
        pthread_mutex_unlock(&state.lock);
        return NULL;
}

static bool terminal(void) {
        const char *term = getenv("TERM");

        return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

bool progress_begin(const char *what) {
        pthread_condattr_t attributes;
        sigset_t all, before;

        if (state.running || !terminal())
                return false;
        state.what = what;
        state.count = 0;
        state.ending = false;
        state.shown = false;
        clock_gettime(CLOCK_MONOTONIC, &state.began);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&state.wake, &attributes);
        pthread_condattr_destroy(&attributes);

        /* Signals are the other threads' to take. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        state.running = pthread_create(&state.thread, NULL, run, NULL) == 0;
        if (state.running)
                take_interrupts();
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return state.running;
}

void progress_count(uint64_t n, const char *unit) {
        pthread_mutex_lock(&state.lock);
        state.count = n;
        state.unit = unit;
        pthread_mutex_unlock(&state.lock);
}

void progress_end(void) {
        if (!state.running)
                return;

        pthread_mutex_lock(&state.lock);
        state.ending = true;
        pthread_cond_signal(&state.wake);
        pthread_mutex_unlock(&state.lock);
        pthread_join(state.thread, NULL);
        pthread_cond_destroy(&state.wake);
        give_back_interrupts();
        state.running = false;
}
