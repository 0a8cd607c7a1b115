/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which processes have a file descriptor of an object, by their tables in /proc; and what the perf
 * events among them run. */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inventory-scan.h"
#include "util.h"

enum {
        LINK_SIZE = 64, /* of what an fd is, as far as it matters */
        FDINFO_SIZE = 1024,
        PERF_NAME_MAX = 256,
        PERFS_MAX = 1 << 14,
        FDS_FIRST = 1 << 14, /* of one process of root that are looked at before those of others */
};

struct process {
        int directory; /* /proc/PID */
        uint32_t pid, uid;
        char name[16];
};

/* What an fd's link says ("anon_inode:bpf-prog"), and in which line of fdinfo its id is. */
static const struct {
        const char *link, *key;
        enum object_kind kind;
} kinds[] = {
        {"anon_inode:bpf-prog", "prog_id:", OBJECT_PROG},
        {"anon_inode:bpf-map", "map_id:", OBJECT_MAP},
        {"anon_inode:bpf_link", "link_id:", OBJECT_LINK},
        {"anon_inode:bpf-link", "link_id:", OBJECT_LINK},
        {"anon_inode:btf", "btf_id:", OBJECT_BTF},
};

static int read_at(int directory, const char *name, char *ret, size_t size) {
        _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, ret, size - 1) : -1;

        if (n < 0)
                return -errno;
        ret[n] = 0;
        return 0;
}

static int add_holder(struct scan *s, const struct process *p, uint32_t kind, uint32_t id) {
        struct scan_holder *h = scan_add(&s->holders, &s->n_holders, sizeof(*h), SCAN_FOUND_MAX);

        if (!h) {
                scan_cut(s, SCAN_HOLDERS, SCAN_TOO_MANY);
                return s->n_holders >= SCAN_FOUND_MAX ? 0 : -ENOMEM;
        }
        h->kind = kind;
        h->id = id;
        h->pid = p->pid;
        h->uid = p->uid;
        memcpy(h->name, p->name, sizeof(h->name));
        return 0;
}

static int look_at_object(struct scan *s, const struct process *p, const char *fd, size_t kind) {
        char path[64], text[FDINFO_SIZE];
        const char *line;

        snprintf(path, sizeof(path), "fdinfo/%.20s", fd);
        if (read_at(p->directory, path, text, sizeof(text)) < 0)
                return 0;
        line = strstr(text, kinds[kind].key);
        if (!line)
                return 0;
        const uint32_t id = (uint32_t) strtoul(line + strlen(kinds[kind].key), NULL, 10);
        return id ? add_holder(s, p, kinds[kind].kind, id) : 0;
}

/* Perf events ---------------------------------------------------------------------------------- */

/* enum bpf_task_fd_type */
static char *perf_target(struct scan *s, uint32_t type, const char *name, uint64_t offset,
                         uint64_t address) {
        struct record_target t = {.offset = offset, .address = address};

        switch (type) {
        case BPF_FD_TYPE_TRACEPOINT:
                t.kind = TARGET_TRACEPOINT;
                break;
        case BPF_FD_TYPE_KPROBE:
        case BPF_FD_TYPE_KRETPROBE:
                t.kind = TARGET_FUNCTION;
                break;
        case BPF_FD_TYPE_UPROBE:
        case BPF_FD_TYPE_URETPROBE:
                t.kind = TARGET_FILE;
                t.address = 0;
                scan_target_path(&t, name);
                return scan_target(s, &t);
        default:
                return NULL;
        }
        t.text_size = (uint16_t) snprintf(t.text, sizeof(t.text), "%s", name) + 1;
        return scan_target(s, &t);
}

/* The query of perf events is for those of tracepoints, kprobes and uprobes. */
static int look_at_perf(struct scan *s, const struct process *p, const char *fd) {
        uint32_t prog = 0, type = 0, n = PERF_NAME_MAX;
        __u64 offset = 0, address = 0;
        char name[PERF_NAME_MAX] = "";
        struct scan_perf *x;

        if (bpf_task_fd_query((int) p->pid, atoi(fd), 0, name, &n, &prog, &type, &offset,
                              &address) < 0 &&
            errno != ENOSPC)
                return 0;
        if (prog == 0)
                return 0;
        x = scan_add(&s->perfs, &s->n_perfs, sizeof(*x), PERFS_MAX);
        if (!x) {
                scan_cut(s, SCAN_HOLDERS, SCAN_TOO_MANY);
                return s->n_perfs >= PERFS_MAX ? 0 : -ENOMEM;
        }
        x->prog = prog;
        x->pid = p->pid;
        x->uid = p->uid;
        memcpy(x->name, p->name, sizeof(x->name));
        x->target = perf_target(s, type, name, offset, address);
        return 0;
}

/* Processes ------------------------------------------------------------------------------------ */

static int look_at_fd(struct scan *s, const struct process *p, int directory, const char *fd) {
        char link[LINK_SIZE];
        ssize_t n = readlinkat(directory, fd, link, sizeof(link) - 1);

        /* Most are sockets, pipes and files. */
        if (n <= 0 || link[0] != 'a')
                return 0;
        link[n] = 0;
        if (strcmp(link, "anon_inode:[perf_event]") == 0)
                return s->parts & SCAN_PERF ? look_at_perf(s, p, fd) : 0;
        for (size_t i = 0; s->parts & SCAN_HOLDERS && i < ELEMENTSOF(kinds); i++)
                if (strcmp(link, kinds[i].link) == 0)
                        return look_at_object(s, p, fd, i);
        return 0;
}

/* From the entry `from` of its table to that before `to`. */
static int look_at_fds(struct scan *s, struct process *p, size_t from, size_t to) {
        int fd = openat(p->directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), k = 0;
        DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;

        if (!directory) {
                /* It has ended, or the kernel does not let us. */
                if (errno == EACCES || errno == EPERM)
                        scan_cut(s, SCAN_HOLDERS, SCAN_NOT_ACCESSIBLE);
                closep(&fd);
                return 0;
        }
        for (size_t n = 0; k >= 0 && n < to && !scan_late(s, SCAN_HOLDERS); n++) {
                entry = readdir(directory);
                if (!entry)
                        break;
                if (n >= from && entry->d_name[0] != '.')
                        k = look_at_fd(s, p, fd, entry->d_name);
        }
        closedir(directory);
        return k;
}

static int look_at_process(struct scan *s, int proc, const char *pid, bool first) {
        _cleanup_close_ int directory = openat(proc, pid,
                                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct process p = {.directory = directory, .pid = (uint32_t) strtoul(pid, NULL, 10)};
        struct stat st;
        char name[32];

        if (directory < 0 || fstat(directory, &st) < 0)
                return 0;
        /* Of this directory, unlike of those in it, the owner is always the process's user. */
        p.uid = st.st_uid;
        if (first && p.uid != 0)
                return 0;
        if (read_at(directory, "comm", name, sizeof(name)) >= 0) {
                name[strcspn(name, "\n")] = 0;
                memcpy(p.name, name, sizeof(p.name) - 1);
        }
        return first ? look_at_fds(s, &p, 0, FDS_FIRST)
                     : look_at_fds(s, &p, p.uid == 0 ? FDS_FIRST : 0, SIZE_MAX);
}

/* Whether there is a program that a perf event could run. */
static bool has_perf_programs(const struct scan *s) {
        for (size_t i = 0; i < s->n_progs; i++)
                if (s->progs[i].info.type == BPF_PROG_TYPE_KPROBE ||
                    s->progs[i].info.type == BPF_PROG_TYPE_TRACEPOINT ||
                    s->progs[i].info.type == BPF_PROG_TYPE_PERF_EVENT)
                        return true;
        return false;
}

int scan_processes(struct scan *s) {
        const struct dirent *entry;
        DIR *proc;
        int k = 0;

        if (!(s->parts & SCAN_HOLDERS) && !has_perf_programs(s))
                return 0;
        proc = opendir("/proc");
        if (!proc) {
                scan_cut(s, SCAN_HOLDERS, SCAN_NOT_ACCESSIBLE);
                return 0;
        }
        /* Who has many fds, and processes that have them, must not keep those of root from being
         * found. */
        for (int first = 1; first >= 0; first--) {
                rewinddir(proc);
                while (k >= 0 && !scan_late(s, SCAN_HOLDERS) && (entry = readdir(proc)))
                        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
                                k = look_at_process(s, dirfd(proc), entry->d_name, first);
        }
        closedir(proc);
        return k;
}
