/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where objects are pinned: walks the BPF file systems of all mount namespaces. */

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-open.h"
#include "hash.h"
#include "inventory-scan.h"
#include "mounts.h"
#include "util.h"

enum {
        NAMESPACES_MAX = 256, /* mount namespaces that are looked at */
        MOUNTS_MAX = 256,     /* and BPF file systems in them */
        DEPTH_MAX = 16,
        FILES_MAX = 1 << 16, /* looked at in all */
        PATH_SIZE = 4096,
};

/* One walk over all of them. */
struct pins {
        struct scan *scan;
        pid_t pid; /* as which paths are looked up; 0: as we do */
        uint64_t namespaces[NAMESPACES_MAX];
        size_t n_namespaces;
        struct {
                uint32_t major, minor;
                uint64_t root; /* hash of which directory */
        } mounts[MOUNTS_MAX];
        size_t n_mounts, n_files;
        char path[PATH_SIZE];
};

static int add(struct pins *p, uint32_t kind, uint32_t id, uint32_t uid) {
        struct scan *s = p->scan;
        char *path = strdup(p->path);
        struct scan_pin *pin = path ? scan_add(&s->pins, &s->n_pins, sizeof(*pin), SCAN_FOUND_MAX)
                                    : NULL;

        if (!pin) {
                free(path);
                scan_cut(s, SCAN_PINS, SCAN_TOO_MANY);
                return path && s->n_pins >= SCAN_FOUND_MAX ? 0 : -ENOMEM;
        }
        *pin = (struct scan_pin){.kind = kind, .id = id, .uid = uid, .path = path};
        return 0;
}

/* For reading, which is all that it takes, and all that we may do with those of root that are not
 * for others: CAP_DAC_READ_SEARCH. Links are only opened for both. */
static int open_object(const char *path) {
        LIBBPF_OPTS(bpf_obj_get_opts, reading, .file_flags = BPF_F_RDONLY);
        int fd = bpf_obj_get_opts(path, &reading);

        return fd == -EINVAL ? bpf_obj_get(path) : fd;
}

/* The file was looked up already: nobody can put another one in its place. */
static int look_at_file(struct pins *p, int directory, const char *name) {
        _cleanup_close_ int file = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        uint32_t kind, id;
        struct stat st;
        char path[64];

        if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
        _cleanup_close_ int fd = open_object(path);
        if (fd < 0 && fd != -ENOENT)
                scan_cut(p->scan, SCAN_PINS, SCAN_NOT_ACCESSIBLE);
        if (fd < 0 || scan_identify(fd, &kind, &id) < 0)
                return 0;
        return add(p, kind, id, st.st_uid);
}

static int walk(struct pins *p, int fd, int depth);

static int look_at(struct pins *p, int directory, const struct dirent *entry, int depth) {
        const size_t used = strlen(p->path), n = strlen(entry->d_name);
        const char *slash = used > 0 && p->path[used - 1] == '/' ? "" : "/";
        int k = 0;

        if (used + n + 2 > sizeof(p->path)) {
                scan_cut(p->scan, SCAN_PINS, SCAN_TOO_MANY);
                return 0;
        }
        sprintf(p->path + used, "%s%s", slash, entry->d_name);
        if (entry->d_type == DT_DIR && depth < DEPTH_MAX)
                k = walk(p,
                         openat(directory, entry->d_name,
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                         depth + 1);
        else if (entry->d_type == DT_REG)
                k = look_at_file(p, directory, entry->d_name);
        else if (entry->d_type == DT_DIR)
                scan_cut(p->scan, SCAN_PINS, SCAN_TOO_MANY);
        p->path[used] = 0;
        return k;
}

/* Takes the fd. */
static int walk(struct pins *p, int fd, int depth) {
        DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        int k = 0;

        if (!directory) {
                closep(&fd);
                return 0;
        }
        while (k >= 0 && !scan_late(p->scan, SCAN_PINS) && (entry = readdir(directory))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (++p->n_files > FILES_MAX) {
                        scan_cut(p->scan, SCAN_PINS, SCAN_TOO_MANY);
                        break;
                }
                k = look_at(p, fd, entry, depth);
        }
        closedir(directory);
        return k;
}

/* Whether it has not been looked at: namespaces share most file systems. */
static bool is_new_mount(struct pins *p, const struct mount *m) {
        const uint64_t root = hash_string(HASH_BEGIN, m->root);

        for (size_t i = 0; i < p->n_mounts; i++)
                if (p->mounts[i].major == m->major && p->mounts[i].minor == m->minor &&
                    p->mounts[i].root == root)
                        return false;
        if (p->n_mounts >= MOUNTS_MAX) {
                scan_cut(p->scan, SCAN_PINS, SCAN_TOO_MANY);
                return false;
        }
        p->mounts[p->n_mounts].major = m->major;
        p->mounts[p->n_mounts].minor = m->minor;
        p->mounts[p->n_mounts++].root = root;
        return true;
}

static int on_mount(const struct mount *m, void *userdata) {
        struct pins *p = userdata;

        if (!is_new_mount(p, m))
                return 0;
        _cleanup_close_ int found = mount_open(p->pid, m->path, "bpf");
        if (found == -EAGAIN)
                scan_cut(p->scan, SCAN_PINS, SCAN_NOT_ACCESSIBLE);
        if (found < 0)
                return 0;
        if (p->pid)
                snprintf(p->path, sizeof(p->path), "/proc/%d/root%s", (int) p->pid, m->path);
        else
                snprintf(p->path, sizeof(p->path), "%s", m->path);
        return walk(p, openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
}

/* Whether the process sees other mounts than those before. */
static bool is_new_namespace(struct pins *p, const char *pid) {
        struct stat st;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
        if (stat(path, &st) < 0)
                return false;
        for (size_t i = 0; i < p->n_namespaces; i++)
                if (p->namespaces[i] == st.st_ino)
                        return false;
        if (p->n_namespaces >= NAMESPACES_MAX) {
                scan_cut(p->scan, SCAN_PINS, SCAN_TOO_MANY);
                return false;
        }
        p->namespaces[p->n_namespaces++] = st.st_ino;
        return true;
}

int scan_file_systems(struct scan *s) {
        _cleanup_free_ struct pins *p = calloc(1, sizeof(*p));
        const struct dirent *entry;
        DIR *proc;
        int k;

        if (!p)
                return -ENOMEM;
        p->scan = s;
        (void) is_new_namespace(p, "self");
        k = mounts_find(0, "bpf", on_mount, p);
        proc = opendir("/proc");
        while (proc && k != -ENOMEM && !scan_late(s, SCAN_PINS) && (entry = readdir(proc))) {
                if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
                    !is_new_namespace(p, entry->d_name))
                        continue;
                p->pid = (pid_t) atoi(entry->d_name);
                k = mounts_find(p->pid, "bpf", on_mount, p);
        }
        if (proc)
                closedir(proc);
        return k == -ENOMEM ? k : 0;
}
