/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's own list: walks over the ids and asks each object what it is. */

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inventory-scan.h"
#include "util.h"

enum {
        FDINFO_SIZE = 1024,   /* of what is read of it */
        PROG_MAPS_MAX = 4096, /* of one program that are told; the kernel allows 64 */
        LINK_NAME_MAX = 4096, /* a path has no more */
        LINK_FILL_TRIES = 2,
};

/* A line of fdinfo, such as "memlock:\t4096". */
static uint64_t fdinfo_number(const char *text, const char *key) {
        const size_t n = strlen(key);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, n) == 0 && line[n] == ':')
                        return strtoull(line + n + 1, NULL, 10);
        }
        return 0;
}

/* What the kernel tells of an fd of ours in /proc. */
static void read_fdinfo(int fd, char text[static FDINFO_SIZE]) {
        _cleanup_close_ int file = -1;
        char path[64];
        ssize_t n = -1;

        /* Threads share their fds, and this one is of no more use elsewhere. */
        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0)
                n = read(file, text, FDINFO_SIZE - 1);
        text[MAX(n, (ssize_t) 0)] = 0;
}

/* Kinds ---------------------------------------------------------------------------------------- */

/* The second question is for the ids of its maps: their number is the answer to the first. */
static int look_at_prog(struct scan *s, int fd) {
        uint32_t size = sizeof(struct bpf_prog_info), maps[PROG_MAPS_MAX], n;
        char fdinfo[FDINFO_SIZE];
        struct scan_prog *p;
        uint32_t *id;

        p = scan_add(&s->progs, &s->n_progs, sizeof(*p), SCAN_OBJECTS_MAX);
        if (!p)
                return -ENOMEM;
        if (bpf_obj_get_info_by_fd(fd, &p->info, &size) < 0) {
                s->n_progs--;
                return 0;
        }
        if (s->question->parts & SCAN_MEMORY) {
                read_fdinfo(fd, fdinfo);
                p->memory = fdinfo_number(fdinfo, "memlock");
        }
        n = MIN(p->info.nr_map_ids, (uint32_t) PROG_MAPS_MAX);
        p->maps = s->n_ids;
        if (n == 0)
                return 0;

        struct bpf_prog_info with_maps = {.nr_map_ids = n, .map_ids = (uintptr_t) maps};
        size = sizeof(with_maps);
        if (bpf_obj_get_info_by_fd(fd, &with_maps, &size) < 0)
                return 0;
        for (uint32_t i = 0; i < MIN(n, with_maps.nr_map_ids); i++) {
                id = scan_add(&s->ids, &s->n_ids, sizeof(*id), SIZE_MAX);
                if (!id)
                        return -ENOMEM;
                *id = maps[i];
                p->n_maps++;
        }
        return 0;
}

static int look_at_map(struct scan *s, int fd) {
        uint32_t size = sizeof(struct bpf_map_info);
        char fdinfo[FDINFO_SIZE];
        struct scan_map *m;

        m = scan_add(&s->maps, &s->n_maps, sizeof(*m), SCAN_OBJECTS_MAX);
        if (!m)
                return -ENOMEM;
        if (bpf_obj_get_info_by_fd(fd, &m->info, &size) < 0) {
                s->n_maps--;
                return 0;
        }
        if (!(s->question->parts & SCAN_MEMORY))
                return 0;
        read_fdinfo(fd, fdinfo);
        m->memory = fdinfo_number(fdinfo, "memlock");
        m->frozen = fdinfo_number(fdinfo, "frozen") != 0;
        return 0;
}

/* Where the answer has something behind a pointer: where the pointers are, by link type. */
static void point(struct link_info *i, char *name, uint64_t *numbers) {
        const uint64_t text = (uintptr_t) name, list = (uintptr_t) numbers;

        switch (i->type) {
        case 1: /* BPF_LINK_TYPE_RAW_TRACEPOINT */
                i->raw_tracepoint.tp_name = text;
                i->raw_tracepoint.tp_name_len = LINK_NAME_MAX;
                break;
        case 4: /* BPF_LINK_TYPE_ITER */
                i->iter.target_name = text;
                i->iter.target_name_len = LINK_NAME_MAX;
                break;
        case 7: /* BPF_LINK_TYPE_PERF_EVENT; enum bpf_perf_event_type */
                if (i->perf_event.type >= 1 && i->perf_event.type <= 4) {
                        i->perf_event.probe.name = text;
                        i->perf_event.probe.name_len = LINK_NAME_MAX;
                } else if (i->perf_event.type == 5) {
                        i->perf_event.tracepoint.tp_name = text;
                        i->perf_event.tracepoint.name_len = LINK_NAME_MAX;
                }
                break;
        case 8: /* BPF_LINK_TYPE_KPROBE_MULTI */
                i->kprobe_multi.addrs = list;
                i->kprobe_multi.count = SCAN_LINKED_MAX;
                break;
        case 12: /* BPF_LINK_TYPE_UPROBE_MULTI */
                i->uprobe_multi.path = text;
                i->uprobe_multi.path_size = LINK_NAME_MAX;
                i->uprobe_multi.offsets = list;
                i->uprobe_multi.count = SCAN_LINKED_MAX;
                break;
        }
}

static bool has_more(const struct link_info *i) {
        return i->type == 1 || i->type == 4 || i->type == 7 || i->type == 8 || i->type == 12;
}

/* How many numbers were filled in. */
static uint32_t count_of(const struct link_info *i) {
        return i->type == 8 ? i->kprobe_multi.count : i->type == 12 ? i->uprobe_multi.count : 0;
}

static int keep_more(struct scan_link *l, const char *name, const uint64_t *numbers) {
        const size_t n = MIN(count_of(&l->info), (uint32_t) SCAN_LINKED_MAX);

        if (name[0]) {
                l->name = strdup(name);
                if (!l->name)
                        return -ENOMEM;
        }
        if (n > 0 && numbers[0] != 0) {
                l->numbers = malloc(n * sizeof(numbers[0]));
                if (!l->numbers)
                        return -ENOMEM;
                memcpy(l->numbers, numbers, n * sizeof(numbers[0]));
                l->n_numbers = n;
        }
        return 0;
}

static int look_closer(struct scan_link *l, int fd) {
        uint64_t numbers[SCAN_LINKED_MAX] = {};
        struct link_info more = l->info;
        uint32_t size = sizeof(more), there = count_of(&l->info);
        char name[LINK_NAME_MAX];

        name[0] = 0;
        point(&more, name, numbers);
        /* Fewer than there are is an error (ENOSPC), and they are filled in. */
        if (bpf_obj_get_info_by_fd(fd, (struct bpf_link_info *) &more, &size) >= 0)
                l->info = more;
        else if (errno != ENOSPC)
                return 0;
        name[sizeof(name) - 1] = 0;
        int k = keep_more(l, name, numbers);
        if (there > SCAN_LINKED_MAX && l->info.type == 8)
                l->info.kprobe_multi.count = there;
        else if (there > SCAN_LINKED_MAX && l->info.type == 12)
                l->info.uprobe_multi.count = there;
        return k;
}

static int look_at_link(struct scan *s, int fd) {
        uint32_t size = sizeof(struct link_info);
        struct scan_link *l;

        l = scan_add(&s->links, &s->n_links, sizeof(*l), SCAN_OBJECTS_MAX);
        if (!l)
                return -ENOMEM;
        if (bpf_obj_get_info_by_fd(fd, (struct bpf_link_info *) &l->info, &size) < 0) {
                s->n_links--;
                return 0;
        }
        return has_more(&l->info) ? look_closer(l, fd) : 0;
}

static int look_at_btf(struct scan *s, int fd) {
        struct bpf_btf_info info = {};
        uint32_t size = sizeof(info);
        struct scan_btf *b;

        b = scan_add(&s->btfs, &s->n_btfs, sizeof(*b), SCAN_OBJECTS_MAX);
        if (!b)
                return -ENOMEM;
        info.name = (uintptr_t) b->name;
        info.name_len = sizeof(b->name);
        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) {
                /* Before Linux 5.11 it has no name. */
                info = (struct bpf_btf_info){};
                size = sizeof(info);
                if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) {
                        s->n_btfs--;
                        return 0;
                }
        }
        b->name[sizeof(b->name) - 1] = 0;
        b->id = info.id;
        b->size = info.btf_size;
        b->kernel = info.kernel_btf;
        return 0;
}

static const struct walk {
        enum scan_part part;
        int (*next)(uint32_t id, uint32_t *ret_next);
        int (*open)(uint32_t id);
        int (*look)(struct scan *s, int fd);
} walks[] = {
        {SCAN_PROGS, bpf_prog_get_next_id, bpf_prog_get_fd_by_id, look_at_prog},
        {SCAN_MAPS, bpf_map_get_next_id, bpf_map_get_fd_by_id, look_at_map},
        {SCAN_LINKS, bpf_link_get_next_id, bpf_link_get_fd_by_id, look_at_link},
        {SCAN_BTF, bpf_btf_get_next_id, bpf_btf_get_fd_by_id, look_at_btf},
};

/* What has just gone, or cannot be looked at, is left out. */
static int walk(struct scan *s, const struct walk *w) {
        uint32_t id = 0;
        int k = 0;

        for (size_t n = 0; k >= 0 && !scan_late(s, w->part); n++) {
                if (w->next(id, &id) < 0)
                        return errno == EPERM ? -EPERM : 0;
                if (n >= SCAN_OBJECTS_MAX) {
                        scan_cut(s, w->part, SCAN_TOO_MANY);
                        break;
                }
                _cleanup_close_ int fd = w->open(id);
                if (fd >= 0)
                        k = w->look(s, fd);
        }
        return k;
}

static bool statistics_are_on(void) {
        _cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/bpf_stats_enabled", "re");
        int on = 0;

        return f && fscanf(f, "%d", &on) == 1 && on != 0;
}

int scan_objects(struct scan *s) {
        int k = 0;

        for (size_t i = 0; k >= 0 && i < ELEMENTSOF(walks); i++)
                k = walk(s, &walks[i]);
        s->statistics = statistics_are_on();
        return k;
}

/* Programs, maps and links begin with type and id, and say in /proc which they are. */
int scan_identify(int fd, uint32_t *ret_kind, uint32_t *ret_id) {
        static const struct {
                const char *key;
                enum object_kind kind;
        } keys[] = {
                /* A link says which program it attaches, too. */
                {"link_id", OBJECT_LINK},
                {"prog_id", OBJECT_PROG},
                {"map_id", OBJECT_MAP},
                {"btf_id", OBJECT_BTF},
        };
        char text[FDINFO_SIZE];

        read_fdinfo(fd, text);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const uint64_t id = fdinfo_number(text, keys[i].key);
                if (id == 0)
                        continue;
                *ret_kind = keys[i].kind;
                *ret_id = (uint32_t) id;
                return 0;
        }
        return -ENOENT;
}
