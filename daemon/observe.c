/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "observe.h"
#include "probe.h"
#include "util.h"

enum {
        /* Passes over /proc: a process that forks while we read may have children behind us, but
         * those the kernel side has followed by then. */
        PASSES_MAX = 64,
};

int observe_parse(const char *text, struct probe_options *options) {
        char *end;
        long pid;

        if (strncmp(text, "cgroup:", 7) == 0 && text[7] == '/') {
                options->observe = OBSERVE_CGROUP;
                options->cgroup = text + 7;
                return 0;
        }
        if (strncmp(text, "pid:", 4) == 0 && text[4] >= '0' && text[4] <= '9') {
                errno = 0;
                pid = strtol(text + 4, &end, 10);
                if (errno || *end || pid < 1 || pid > INT_MAX)
                        return -EINVAL;
                options->observe = OBSERVE_PID;
                options->pid = (pid_t) pid;
                return 0;
        }
        return -EINVAL;
}

int observe_cgroup(int map_fd, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint32_t zero = 0;
        int k;

        if (fd < 0) {
                k = -errno;
                log_error("Cannot open the cgroup %s: %s", path, strerror(-k));
                return k;
        }
        if (bpf_map_update_elem(map_fd, &zero, &fd, BPF_ANY) < 0) {
                k = -errno;
                log_error(k == -EBADF ? "%s is not a cgroup v2 directory"
                                      : "Cannot observe the cgroup %s",
                          path);
                return k;
        }
        return 0;
}

static int parent_of(const char *pid) {
        _cleanup_fclose_ FILE *f = NULL;
        char path[64], line[512];
        const char *after;
        int ppid;

        snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
        f = fopen(path, "re");
        if (!f || !fgets(line, sizeof(line), f))
                return -ESRCH;
        /* proc(5): pid (comm) state ppid; comm may hold anything but ends at the last ")". */
        after = strrchr(line, ')');
        if (!after || sscanf(after + 1, " %*c %d", &ppid) != 1)
                return -EBADMSG;
        return ppid;
}

/* Adds each process whose parent is there already. Returns how many were new. */
static int add_children(int map_fd) {
        DIR *proc = opendir("/proc");
        const struct dirent *d;
        uint8_t yes = 1;
        int added = 0;

        if (!proc)
                return -errno;
        while ((d = readdir(proc))) {
                uint32_t tgid = (uint32_t) strtoul(d->d_name, NULL, 10), parent;
                int ppid;

                if (tgid == 0 || bpf_map_lookup_elem(map_fd, &tgid, &yes) == 0)
                        continue;
                ppid = parent_of(d->d_name);
                parent = (uint32_t) ppid;
                if (ppid <= 0 || bpf_map_lookup_elem(map_fd, &parent, &yes) < 0)
                        continue;
                if (bpf_map_update_elem(map_fd, &tgid, &yes, BPF_ANY) < 0)
                        continue;
                /* One that has left meanwhile would pass its id on to a stranger. */
                if (parent_of(d->d_name) == ppid)
                        added++;
                else
                        (void) bpf_map_delete_elem(map_fd, &tgid);
        }
        closedir(proc);
        return added;
}

int observe_process_tree(int map_fd, pid_t pid, uint32_t own_tgid) {
        uint32_t tgid = (uint32_t) pid;
        uint8_t yes = 1;
        int k;

        if (own_tgid != (uint32_t) getpid()) {
                log_error("--observe=pid: needs the initial pid namespace; use --observe=cgroup:");
                return -EOPNOTSUPP;
        }
        if (kill(pid, 0) < 0 && errno == ESRCH) {
                log_error("There is no process %d to observe", pid);
                return -ESRCH;
        }
        if (bpf_map_update_elem(map_fd, &tgid, &yes, BPF_ANY) < 0) {
                k = -errno;
                log_error("Cannot observe process %d: %s", pid, strerror(-k));
                return k;
        }
        for (int i = 0; i < PASSES_MAX; i++) {
                k = add_children(map_fd);
                if (k <= 0)
                        return k;
        }
        return 0;
}
