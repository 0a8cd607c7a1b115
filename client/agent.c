/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>
#include <termios.h>

#include "client.h"

enum {
        REGISTER_MS = 10000, /* until polkit knows of the agent; it takes some 20 */
};

/* Whether polkit takes an agent of the last resort, which leaves it to the desktop's where there is
 * one. Outside of a session it takes none (get_authentication_agent_for_subject() and
 * polkit_backend_session_monitor_get_session_for_subject() in its src/polkitbackend): the user is
 * that of the cgroup, which a process of a system service has none of. */
static bool in_session(void) {
        _cleanup_free_ char *session = NULL;
        uid_t uid;

        return sd_pid_get_session(0, &session) >= 0 ||
               (sd_pid_get_owner_uid(0, &uid) >= 0 && sd_uid_get_display(uid, &session) >= 0);
}

/* In the child. The agent closes `notify_fd` once it is registered. */
static void run_agent(pid_t parent, int notify_fd, bool fallback) {
        char process[16], notify[16];
        sigset_t none;

        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
                _exit(EXIT_FAILURE);

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        dup2(STDERR_FILENO, STDOUT_FILENO); /* the output is for events */
        snprintf(process, sizeof(process), "%d", (int) parent);
        snprintf(notify, sizeof(notify), "%d", notify_fd);
        execlp("pkttyagent", "pkttyagent", "--process", process, "--notify-fd", notify,
               fallback ? "--fallback" : NULL, NULL);
        _exit(EXIT_FAILURE);
}

pid_t agent_start(void) {
        _cleanup_close_ int read_fd = -1, write_fd = -1;
        pid_t parent = getpid(), pid;
        bool fallback = in_session();
        int fds[2];

        if (!isatty(STDIN_FILENO) || pipe(fds) < 0)
                return 0;
        read_fd = fds[0];
        write_fd = fds[1];
        fflush(NULL);
        pid = fork();
        if (pid < 0)
                return 0;
        if (pid == 0) {
                close(read_fd);
                run_agent(parent, write_fd, fallback);
        }

        close(TAKE_FD(write_fd));
        struct pollfd hangup = {.fd = read_fd};
        (void) poll(&hangup, 1, REGISTER_MS);
        return pid;
}

void agent_stop(pid_t pid) {
        struct termios settings;
        bool terminal;

        if (pid <= 0)
                return;

        /* It has turned the echo off while it asks. */
        terminal = tcgetattr(STDIN_FILENO, &settings) == 0;
        kill(pid, SIGTERM);
        kill(pid, SIGCONT);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        if (terminal && !(settings.c_lflag & ECHO)) {
                settings.c_lflag |= ECHO;
                tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
        }
}
