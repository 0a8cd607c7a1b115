/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inventory-networks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inventory-scan.h"
#include "mounts.h"
#include "util.h"

enum { NAMESPACES_MAX = 256 };

struct visit {
        struct scan *scan;
        int (*look)(struct scan *s, uint32_t inode, void *userdata);
        void *userdata;
        uint64_t inodes[NAMESPACES_MAX]; /* that were looked at */
        size_t n;
};

/* Whether it has not been looked at. */
static bool is_new(struct visit *v, uint64_t inode) {
        for (size_t i = 0; i < v->n; i++)
                if (v->inodes[i] == inode)
                        return false;
        if (v->n >= NAMESPACES_MAX) {
                scan_cut(v->scan, SCAN_NETWORKS, SCAN_TOO_MANY);
                return false;
        }
        v->inodes[v->n++] = inode;
        return true;
}

static int enter(struct visit *v, const char *path) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (stat(path, &st) < 0 || !is_new(v, st.st_ino))
                return 0;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        if (setns(fd, CLONE_NEWNET) < 0) {
                scan_cut(v->scan, SCAN_NETWORKS, SCAN_NOT_ACCESSIBLE);
                return 0;
        }
        return v->look(v->scan, (uint32_t) st.st_ino, v->userdata);
}

/* Of those that have a name (ip netns) there need be no process. */
static int on_mount(const struct mount *m, void *userdata) {
        struct visit *v = userdata;
        int fd = open(m->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), type;

        if (fd < 0)
                return 0;
        type = ioctl(fd, NS_GET_NSTYPE);
        close(fd);
        return type == CLONE_NEWNET ? enter(v, m->path) : 0;
}

static int visit_all(struct visit *v) {
        const struct dirent *entry;
        DIR *proc;
        int k = mounts_find(0, "nsfs", on_mount, v);

        proc = opendir("/proc");
        while (proc && k >= 0 && !scan_late(v->scan, SCAN_NETWORKS) && (entry = readdir(proc))) {
                char path[64];

                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                snprintf(path, sizeof(path), "/proc/%.20s/ns/net", entry->d_name);
                k = enter(v, path);
        }
        if (proc)
                closedir(proc);
        return k;
}

int networks_visit(struct scan *s, int (*look)(struct scan *s, uint32_t inode, void *userdata),
                   void *userdata) {
        _cleanup_close_ int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        struct visit v = {.scan = s, .look = look, .userdata = userdata};
        struct stat st;
        int k;

        if (own < 0 || fstat(own, &st) < 0) {
                scan_cut(s, SCAN_NETWORKS, SCAN_NOT_ACCESSIBLE);
                return 0;
        }
        (void) is_new(&v, st.st_ino);
        k = look(s, (uint32_t) st.st_ino, userdata);
        if (k >= 0)
                k = visit_all(&v);
        /* We came from there: it cannot fail. */
        if (v.n > 1 && setns(own, CLONE_NEWNET) < 0)
                scan_cut(s, SCAN_NETWORKS, SCAN_NOT_ACCESSIBLE);
        return k;
}
