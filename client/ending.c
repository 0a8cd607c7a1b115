/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ending.h"

#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"
#include "util.h"

static int ending_fd = -1;
static volatile sig_atomic_t came;

static void on_signal(int number) {
        const uint64_t one = 1;
        const int saved = errno;

        came = true;
        (void) !write(ending_fd, &one, sizeof(one));
        errno = saved;
}

int ending_watch(void) {
        const struct sigaction action = {.sa_handler = on_signal,
                                         .sa_flags = (int) (SA_RESTART | SA_RESETHAND)};

        ending_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (ending_fd < 0 || sigaction(SIGINT, &action, NULL) < 0 ||
            sigaction(SIGTERM, &action, NULL) < 0)
                return -errno;

        return ending_fd;
}

bool ending_came(void) {
        return came;
}

void ending_tell(uint64_t began, const char *counted) {
        _cleanup_text_ struct text duration = {};

        text_add_duration(&duration, clock_now() - began);
        if (isatty(STDERR_FILENO))
                fputc('\r', stderr); /* over the terminal's ^C */
        fprintf(stderr, "%s, in %s\n", counted, text_string(&duration));
}
