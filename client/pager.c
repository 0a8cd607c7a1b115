/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pager.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <systemd/sd-login.h>

#include "util.h"

/* Leave the terminal alone when one screen is enough, colours, no clearing, chop nothing. */
#define LESS_OPTIONS "FRSXMK"

static const char secure_pager[] = "command -v less >/dev/null && exec less; exec cat";
static const char default_pager[] =
        "command -v less >/dev/null && exec less; command -v more >/dev/null && exec more; exec "
        "cat";

/* Whether who sits there is somebody else than whose privileges we have. */
static bool has_more_privileges(void) {
        uid_t owner;

        if (getenv("SUDO_UID") || getenv("PKEXEC_UID") || geteuid() != getuid())
                return true;
        return sd_pid_get_owner_uid(0, &owner) >= 0 && owner != geteuid();
}

static bool is_yes(const char *s) {
        return s[0] && strchr("1yYtT", s[0]) != NULL;
}

static const char *choose(bool secure, bool trusted) {
        static const char *const variables[] = {"BPFMON_PAGER", "SYSTEMD_PAGER", "PAGER"};

        for (size_t i = 0; i < ELEMENTSOF(variables); i++) {
                const char *pager = getenv(variables[i]);
                if (!pager)
                        continue;
                if (!pager[0] || strcmp(pager, "cat") == 0)
                        return NULL;
                return secure && !trusted ? secure_pager : pager;
        }

        return secure && !trusted ? secure_pager : default_pager;
}

/* In the child, between fork and exec. */
static void run(const char *pager, int input, bool secure) {
        const char *options = getenv("SYSTEMD_LESS"), *charset = getenv("SYSTEMD_LESSCHARSET");
        sigset_t none;

        if (dup2(input, STDIN_FILENO) < 0)
                _exit(EXIT_FAILURE);

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        setenv("LESS", options ? options : LESS_OPTIONS, 1);
        setenv("LESSCHARSET", charset ? charset : "utf-8", charset != NULL);
        if (secure)
                setenv("LESSSECURE", "1", 1);
        execl("/bin/sh", "sh", "-c", pager, (char *) NULL);
        _exit(127);
}

pid_t pager_start(int *ret_fd) {
        const char *said = getenv("SYSTEMD_PAGERSECURE");
        const bool secure = said ? is_yes(said) : has_more_privileges();
        const char *pager = choose(secure, said != NULL);
        int fds[2];

        if (!pager || pipe2(fds, O_CLOEXEC) < 0)
                return 0;

        pid_t pid = fork();
        if (pid == 0)
                run(pager, fds[0], secure);
        close(fds[0]);
        if (pid < 0) {
                close(fds[1]);
                return 0;
        }

        *ret_fd = fds[1];
        return pid;
}
