/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions that are about who calls, and the demonstration. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trigger.h"
#include "util.h"

static int short_lived_child(const struct arguments *a) {
        return report_made("short-lived", "MAP_CREATE",
                           make_map("trigger_short", BPF_MAP_TYPE_HASH, 8, 16), report_map);
}

/* Executes this program again, for another action. Returns a negative errno. */
static int execute(const char *action) {
        char path[4096];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

        if (n < 0)
                return -errno;
        path[n] = 0;
        execl(path, path, action, NULL);
        return -errno;
}

/* The child tells what it did: nothing of it is left when somebody looks for it. */
static int short_lived(const struct arguments *a) {
        int status;
        pid_t pid = fork();

        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void) execute("short-lived-child");
                _exit(127);
        }
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        return status == 0 ? 0 : -EIO;
}

/* The same process, another program: both make a map. */
static int exec_again(const struct arguments *a) {
        int r;

        (void) prctl(PR_SET_NAME, "before-exec");
        r = report_made("exec", "MAP_CREATE", make_map("trigger_before", BPF_MAP_TYPE_HASH, 8, 16),
                        report_map);
        return r < 0 ? r : execute("map-create");
}

static void *make_map_in_thread(void *userdata) {
        (void) prctl(PR_SET_NAME, "second-thread");
        return (void *) (intptr_t) report_made("threads", "MAP_CREATE",
                                               make_map("trigger_thread", BPF_MAP_TYPE_HASH, 8, 16),
                                               report_map);
}

static int threads(const struct arguments *a) {
        pthread_t thread;
        void *result;
        int r = pthread_create(&thread, NULL, make_map_in_thread, NULL);

        if (r != 0)
                return -r;
        pthread_join(thread, &result);
        return (intptr_t) result;
}

static int demo(const struct arguments *a) {
        unsigned seconds = strtoul(argument(a, 0, "2"), NULL, 0);
        const char *directory = argument(a, 1, "/sys/fs/bpf");
        union bpf_attr pin = {};
        _cleanup_free_ char *path = NULL;
        int map, program, link, r;

        if (asprintf(&path, "%s/bpfmon-demo-%d", directory, getpid()) < 0)
                return -ENOMEM;

        map = make_map("demo_map", BPF_MAP_TYPE_HASH, 8, 16);
        r = report_made("demo", "MAP_CREATE", map, report_map);
        if (r < 0)
                return r;
        sleep(seconds);

        program = make_program("demo_prog", BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0);
        r = report_made("demo", "PROG_LOAD", program, report_program);
        if (r < 0)
                return r;
        sleep(seconds);

        link = open_raw_tracepoint(program);
        r = report_made("demo", "RAW_TRACEPOINT_OPEN", link, report_link);
        if (r < 0)
                return r;
        sleep(seconds);

        /* Not everywhere is there a BPF file system. */
        pin.pathname = (uintptr_t) path;
        pin.bpf_fd = map;
        r = bpf_call(BPF_OBJ_PIN, &pin, sizeof(pin));
        report_begin("demo");
        report_call("OBJ_PIN", r);
        report_text("path", path);
        report_end();
        sleep(seconds);
        if (r >= 0)
                unlink(path);

        close(link);
        close(program);
        close(map);
        return 0;
}

const struct action process_actions[] = {
        {"short-lived", "", short_lived, "a child that makes a map and is gone"},
        {"short-lived-child", "", short_lived_child, "that child"},
        {"exec", "", exec_again, "a map made before an exec, and one after"},
        {"threads", "", threads, "a map made by a second thread"},
        {"demo", "[SECONDS [DIRECTORY]]", demo, "a map, a program, a link and a pin, to watch"},
        {},
};
