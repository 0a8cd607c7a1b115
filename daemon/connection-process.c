/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-process.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "util.h"

/* Writes a path as its components, from the leaf to the root, a NUL after each. Returns how many
 * bytes they take; sets `ret_cut` where there is no room for all. */
static size_t put_components(char *ret, size_t size, char *path, uint8_t *ret_cut) {
        size_t used = 0, n;
        char *slash;

        *ret_cut = 0;
        while ((slash = strrchr(path, '/'))) {
                n = strlen(slash + 1);
                if (n > 0) {
                        if (used + n + 1 > size) {
                                *ret_cut = 1;
                                break;
                        }
                        memcpy(ret + used, slash + 1, n + 1);
                        used += n + 1;
                }
                *slash = 0;
        }
        return used;
}

static void read_executable(struct record_context *c, uint32_t pid) {
        static const char deleted[] = " (deleted)";
        char link[64], path[PATH_MAX];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/%" PRIu32 "/exe", pid);
        n = readlink(link, path, sizeof(path) - 1);
        if (n <= 0)
                return;
        path[n] = 0;
        if ((size_t) n > strlen(deleted) && strcmp(path + n - strlen(deleted), deleted) == 0)
                path[(size_t) n - strlen(deleted)] = 0;
        c->executable_size = (uint16_t) put_components(c->executable, sizeof(c->executable), path,
                                                       &c->executable_cut);
}

/* The line of cgroup v2: 0::/path */
static void read_cgroup(struct record_context *c, uint32_t pid) {
        _cleanup_fclose_ FILE *f = NULL;
        char name[64], line[PATH_MAX];

        snprintf(name, sizeof(name), "/proc/%" PRIu32 "/cgroup", pid);
        f = fopen(name, "re");
        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, "0::", 3) == 0) {
                        line[strcspn(line, "\n")] = 0;
                        c->cgroup_size = (uint16_t) put_components(c->cgroup, sizeof(c->cgroup),
                                                                   line + 3, &c->cgroup_cut);
                        return;
                }
}

void connection_process_know(struct processes *p, const struct record_task *task) {
        struct record_context context = {.login_uid = UINT32_MAX};
        struct record_task known;
        const char *executable;

        if (task->tgid == 0 ||
            processes_find(p, task->tgid, task->start_time, &known, &executable) >= 0)
                return;
        read_executable(&context, task->tgid);
        read_cgroup(&context, task->tgid);
        /* Only then is it known whose they were. */
        if (process_lives(task))
                processes_learn(p, task, &context);
}
