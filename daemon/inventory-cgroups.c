/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs on control groups: walks their tree and asks each directory. */

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
#include "inventory-query.h"
#include "inventory-scan.h"
#include "mounts.h"
#include "names.h"
#include "util.h"

enum {
        DIRECTORIES_MAX = 1 << 16,
        DEPTH_MAX = 64,
        PATH_SIZE = 4096,
        TYPES_MAX = 64,
};

/* Which programs go where; others of these types are at no control group. */
static const struct {
        enum bpf_prog_type type;
        const char *globs[8];
} places[] = {
        {BPF_PROG_TYPE_CGROUP_SKB, {"cgroup_inet_*gress"}},
        {BPF_PROG_TYPE_CGROUP_SOCK, {"cgroup_inet_sock_*", "cgroup_inet?_post_bind"}},
        {BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
         {"cgroup_inet?_bind", "cgroup_inet?_connect", "cgroup_inet?_get*", "cgroup_udp*",
          "cgroup_unix_*"}},
        {BPF_PROG_TYPE_CGROUP_DEVICE, {"cgroup_device"}},
        {BPF_PROG_TYPE_CGROUP_SYSCTL, {"cgroup_sysctl"}},
        {BPF_PROG_TYPE_CGROUP_SOCKOPT, {"cgroup_?etsockopt"}},
        {BPF_PROG_TYPE_SOCK_OPS, {"cgroup_sock_ops"}},
        {BPF_PROG_TYPE_LSM, {"lsm_cgroup"}},
};

struct walk {
        struct scan *scan;
        uint32_t types[TYPES_MAX];
        size_t n_types;
        bool found; /* where control groups are mounted */
        char path[PATH_SIZE];
        struct attached attached;
};

static bool has_programs(const struct scan *s, enum bpf_prog_type type) {
        for (size_t i = 0; i < s->n_progs; i++)
                if (s->progs[i].info.type == type)
                        return true;
        return false;
}

/* Not for nothing: a machine has thousands of control groups. */
static void choose_types(struct walk *w) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (has_programs(w->scan, places[i].type))
                        w->n_types += query_types(w->scan->question->names, places[i].globs,
                                                  w->types + w->n_types, TYPES_MAX - w->n_types);
}

static bool by_link(const struct scan *s, uint64_t cgroup, uint32_t prog, uint32_t type) {
        for (size_t i = 0; i < s->n_links; i++) {
                const struct link_info *l = &s->links[i].info;
                if (l->type == BPF_LINK_TYPE_CGROUP && l->prog_id == prog &&
                    l->cgroup.cgroup_id == cgroup && l->cgroup.attach_type == type)
                        return true;
        }
        return false;
}

static int ask(struct walk *w, int fd, uint64_t cgroup) {
        struct scan *s = w->scan;
        int k = 0;

        for (size_t i = 0; i < w->n_types; i++) {
                if (query_attached((uint32_t) fd, w->types[i], &w->attached) < 0)
                        scan_cut(s, SCAN_CGROUPS, SCAN_NOT_ACCESSIBLE);
                for (size_t j = 0; k >= 0 && j < w->attached.n; j++) {
                        const struct scan_attachment a = {
                                .prog = w->attached.progs[j],
                                .via = "prog-attach",
                                .type = names_get(s->question->names, NAMES_ATTACH_TYPE,
                                                  w->types[i]),
                        };
                        if (!by_link(s, cgroup, a.prog, w->types[i]))
                                k = scan_attach(s, SCAN_CGROUPS, &a, w->path);
                }
        }
        return k;
}

static int remember(struct walk *w, uint64_t id) {
        struct scan *s = w->scan;
        char *path = strdup(w->path);
        struct scan_cgroup *c = path ? scan_add(&s->cgroups, &s->n_cgroups, sizeof(*c),
                                                DIRECTORIES_MAX)
                                     : NULL;

        if (!c) {
                free(path);
                scan_cut(s, SCAN_CGROUPS, SCAN_TOO_MANY);
                return path && s->n_cgroups >= DIRECTORIES_MAX ? 0 : -ENOMEM;
        }
        c->id = id;
        c->path = path;
        return 0;
}

static int walk(struct walk *w, int fd, int depth);

static int enter(struct walk *w, int directory, const char *name, int depth) {
        const size_t used = strlen(w->path), n = strlen(name);
        int k;

        if (used + n + 2 > sizeof(w->path) || depth >= DEPTH_MAX) {
                scan_cut(w->scan, SCAN_CGROUPS, SCAN_TOO_MANY);
                return 0;
        }
        sprintf(w->path + used, "%s%s", used > 1 ? "/" : "", name);
        k = walk(w, openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                 depth + 1);
        w->path[used] = 0;
        return k;
}

/* The inode of its directory is the id of a control group (cgroup v2, 64-bit). Takes the fd. */
static int walk(struct walk *w, int fd, int depth) {
        DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
        const struct dirent *entry;
        struct stat st;
        int k = 0;

        if (!directory) {
                closep(&fd);
                return 0;
        }
        if (fstat(fd, &st) >= 0) {
                k = remember(w, st.st_ino);
                if (k >= 0)
                        k = ask(w, fd, st.st_ino);
        }
        while (k >= 0 && !scan_late(w->scan, SCAN_CGROUPS) && (entry = readdir(directory)))
                if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
                    strcmp(entry->d_name, "..") != 0)
                        k = enter(w, fd, entry->d_name, depth);
        closedir(directory);
        return k;
}

static int on_mount(const struct mount *m, void *userdata) {
        struct walk *w = userdata;

        if (w->found)
                return 0;
        _cleanup_close_ int fd = mount_open(0, m->path, "cgroup2");
        if (fd < 0)
                return 0;
        w->found = true;
        strcpy(w->path, "/");
        return walk(w, openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
}

static int compare(const void *a, const void *b) {
        const struct scan_cgroup *x = a, *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

const char *scan_cgroup_path(const struct scan *s, uint64_t id) {
        const struct scan_cgroup wanted = {.id = id};
        const struct scan_cgroup *c = s->n_cgroups > 0 ? bsearch(&wanted, s->cgroups, s->n_cgroups,
                                                                 sizeof(wanted), compare)
                                                       : NULL;

        return c ? c->path : NULL;
}

static bool has_cgroup_links(const struct scan *s) {
        for (size_t i = 0; i < s->n_links; i++)
                if (s->links[i].info.type == BPF_LINK_TYPE_CGROUP)
                        return true;
        return false;
}

int scan_control_groups(struct scan *s) {
        _cleanup_free_ struct walk *w = calloc(1, sizeof(*w));
        int k;

        if (!w)
                return -ENOMEM;
        w->scan = s;
        choose_types(w);
        if (w->n_types == 0 && !has_cgroup_links(s))
                return 0;
        k = mounts_find(0, "cgroup2", on_mount, w);
        if (!w->found)
                scan_cut(s, SCAN_CGROUPS, SCAN_NOT_ACCESSIBLE);
        if (s->n_cgroups > 1)
                qsort(s->cgroups, s->n_cgroups, sizeof(s->cgroups[0]), compare);
        return k == -ENOMEM ? k : 0;
}
