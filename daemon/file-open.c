/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file-open.h"
#include "mounts.h"
#include "util.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20 /* Linux 5.12 */
#endif

enum {
        TYPE_SIZE = 32,
        TRIES = 3, /* somebody else's rename makes the kernel think of asking */
};

/* Those that read from where they are: of no other do we know how long it takes. */
static const char *const file_systems[] = {
        "bcachefs", "btrfs",    "devtmpfs", "erofs", "exfat", "ext2",    "ext3",
        "ext4",     "f2fs",     "iso9660",  "jfs",   "ntfs3", "overlay", "ramfs",
        "rootfs",   "squashfs", "tmpfs",    "udf",   "vfat",  "xfs",     "zfs",
};

/* The kernel's own, in which there are directories to mount something on. */
static const char *const kernel_file_systems[] = {"bpf", "cgroup", "cgroup2", "sysfs"};

static bool is_one_of(const char *type, const char *const *types, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return false;
}

static bool is_local(const char *type) {
        return is_one_of(type, file_systems, ELEMENTSOF(file_systems));
}

struct search {
        uint64_t id;
        struct statx *ret;
        char *type; /* TYPE_SIZE bytes */
};

static int on_mount(const struct mount *m, void *userdata) {
        const struct search *s = userdata;

        if (m->id != s->id)
                return 0;
        s->ret->stx_dev_major = m->major;
        s->ret->stx_dev_minor = m->minor;
        snprintf(s->type, TYPE_SIZE, "%s", m->type);
        return -EEXIST;
}

/* Whether a process sees the mount. The device is that of the whole file system. */
static bool find_type(pid_t pid, uint64_t id, struct statx *ret, char type[static TYPE_SIZE]) {
        struct search s = {id, ret, type};

        return mounts_find(pid, NULL, on_mount, &s) == -EEXIST;
}

/* What the kernel knows of an open file, without asking its file system. */
static int look_at(pid_t pid, int fd, struct statx *ret, char type[static TYPE_SIZE]) {
        struct statx sx;

        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
                  STATX_TYPE | STATX_INO | STATX_SIZE | STATX_MTIME | STATX_CTIME | STATX_MNT_ID,
                  &sx) < 0)
                return -errno;
        if (!(sx.stx_mask & STATX_MNT_ID))
                return -EXDEV;
        /* Where it has changed its root, we may see it. */
        if (!find_type(pid, sx.stx_mnt_id, &sx, type) && !find_type(0, sx.stx_mnt_id, &sx, type))
                return -EXDEV;
        *ret = sx;
        return 0;
}

/* The same; -EXDEV where its file system is not local. */
static int look_at_local(pid_t pid, int fd, struct statx *ret) {
        char type[TYPE_SIZE];
        int k = look_at(pid, fd, ret, type);

        return k < 0 || is_local(type) ? k : -EXDEV;
}

static int resolve(int root, const char *path, uint64_t how) {
        struct open_how h = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | how,
        };
        int fd = (int) syscall(SYS_openat2, root, path, &h, sizeof(h));

        return fd >= 0 ? fd : -errno;
}

static int open_root(pid_t pid) {
        char name[64];
        int fd;

        snprintf(name, sizeof(name), "/proc/%d/root", (int) pid);
        fd = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 ? fd : -errno;
}

/* The file, not yet open for reading: nobody has been asked. */
static int find_file(pid_t pid, const char *path) {
        _cleanup_close_ int root = open_root(pid);
        struct statx sx;
        int k;

        if (root < 0)
                return root;
        k = resolve(root, path, RESOLVE_CACHED);
        if (k != -EINVAL)
                return k;

        /* Linux before 5.12: what is on the file system of the root. */
        k = look_at_local(pid, root, &sx);
        return k < 0 ? k : resolve(root, path, RESOLVE_NO_XDEV);
}

int file_open(pid_t pid, const char *path, struct statx *ret) {
        _cleanup_close_ int found = -1;
        struct statx sx;
        char name[64];
        int k, fd;

        if (pid == 0)
                pid = getpid();
        found = find_file(pid, path);
        if (found < 0)
                return found;
        k = look_at_local(pid, found, &sx);
        if (k < 0)
                return k;
        if (!S_ISREG(sx.stx_mode))
                return -EINVAL;

        /* O_NONBLOCK: somebody may hold a lease on it. */
        snprintf(name, sizeof(name), "/proc/self/fd/%d", found);
        fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = sx;
        return fd;
}

/* One step down, out of the kernel's memory. A file system of the kernel's own says that it would
 * have to be asked, which takes no time. */
static int step(int fd, const char *name, const char *type) {
        int next = -EAGAIN;

        if (is_one_of(type, kernel_file_systems, ELEMENTSOF(kernel_file_systems)))
                return resolve(fd, name, 0);
        if (!is_local(type))
                return -EAGAIN;
        for (int i = 0; i < TRIES && next == -EAGAIN; i++)
                next = resolve(fd, name, RESOLVE_CACHED);
        return next == -EINVAL ? resolve(fd, name, 0) : next; /* Linux before 5.12 */
}

/* From one directory to the next: where mounts are crossed, each file system is known before it is
 * asked. Takes the fd, and returns another one. */
static int walk(pid_t pid, int fd, const char *path, char type[static TYPE_SIZE]) {
        for (;;) {
                const size_t n = strcspn(path += strspn(path, "/"), "/");
                char name[NAME_MAX + 1];
                struct statx sx;
                int next = look_at(pid, fd, &sx, type);

                if (next >= 0 && n == 0)
                        return fd;
                if (next >= 0 && n > NAME_MAX)
                        next = -ENAMETOOLONG;
                if (next >= 0) {
                        memcpy(name, path, n);
                        name[n] = 0;
                        next = step(fd, name, type);
                }
                close(fd);
                if (next < 0)
                        return next;
                fd = next;
                path += n;
        }
}

int mount_open(pid_t pid, const char *path, const char *type) {
        char there[TYPE_SIZE];
        int fd;

        if (pid == 0)
                pid = getpid();
        fd = open_root(pid);
        if (fd >= 0)
                fd = walk(pid, fd, path, there);
        if (fd < 0 || strcmp(there, type) == 0)
                return fd;
        close(fd);
        return -EXDEV;
}
