/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What exists when bpfmond starts. */

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "names.h"
#include "objects.h"
#include "record.h"
#include "util.h"

enum { BTF_NAME_MAX = 64 }; /* module names are no longer */

/* What the kernel says of an object, as objects.c wants it. The strings are in `text` and `tag`. */
struct finding {
        struct existing x;
        char type[16]; /* number of a type that has no name */
        char tag[2 * BPF_TAG_SIZE + 1];
        char name[BTF_NAME_MAX];
        struct clock_offset boottime;
        const struct names *names;
};

static void set_type(struct finding *f, enum name_set set, uint32_t type) {
        f->x.type = names_get(f->names, set, type);
        if (f->x.type)
                return;
        snprintf(f->type, sizeof(f->type), "%u", type);
        f->x.type = f->type;
}

static void set_name(struct finding *f, const char name[static BPF_OBJ_NAME_LEN]) {
        memcpy(f->name, name, BPF_OBJ_NAME_LEN);
        f->name[BPF_OBJ_NAME_LEN] = 0;
}

static bool look_at_program(struct finding *f, int fd) {
        struct bpf_prog_info info = {};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
                return false;
        set_type(f, NAMES_PROG_TYPE, info.type);
        set_name(f, info.name);
        for (size_t i = 0; i < sizeof(info.tag); i++)
                snprintf(f->tag + 2 * i, 3, "%02x", info.tag[i]);
        f->x.tag = f->tag;
        f->x.has_user = true;
        f->x.user = info.created_by_uid;
        f->x.time = clock_realtime(&f->boottime, clock_now(), info.load_time);
        return true;
}

static bool look_at_map(struct finding *f, int fd) {
        struct bpf_map_info info = {};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
                return false;
        set_type(f, NAMES_MAP_TYPE, info.type);
        set_name(f, info.name);
        return true;
}

static bool look_at_link(struct finding *f, int fd) {
        struct bpf_link_info info = {};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
                return false;
        set_type(f, NAMES_LINK_TYPE, info.type);
        return true;
}

/* The kernel's own BTF, and its modules', come and go without bpf(). */
static bool look_at_btf(struct finding *f, int fd) {
        struct bpf_btf_info info = {.name = (uintptr_t) f->name, .name_len = sizeof(f->name)};
        uint32_t size = sizeof(info);

        f->name[0] = 0;
        if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0) {
                /* Before Linux 5.11 it has no name, and none is the kernel's. */
                info = (struct bpf_btf_info){};
                size = sizeof(info);
                if (bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
                        return false;
        }
        if (info.kernel_btf)
                return false;
        f->name[sizeof(f->name) - 1] = 0;
        return true;
}

static const struct walk {
        enum object_kind kind;
        int (*next)(uint32_t id, uint32_t *ret_next);
        int (*open)(uint32_t id);
        bool (*look)(struct finding *f, int fd);
} walks[] = {
        {OBJECT_PROG, bpf_prog_get_next_id, bpf_prog_get_fd_by_id, look_at_program},
        {OBJECT_MAP, bpf_map_get_next_id, bpf_map_get_fd_by_id, look_at_map},
        {OBJECT_LINK, bpf_link_get_next_id, bpf_link_get_fd_by_id, look_at_link},
        {OBJECT_BTF, bpf_btf_get_next_id, bpf_btf_get_fd_by_id, look_at_btf},
};

/* One object. What has just gone, or cannot be looked at, is left out. */
static int seed_one(struct objects *o, const struct walk *w, struct finding *f, uint32_t id) {
        _cleanup_close_ int fd = w->open(id);

        f->x = (struct existing){.kind = w->kind, .id = id};
        f->name[0] = 0;
        if (fd < 0 || !w->look(f, fd))
                return 0;
        f->x.name = f->name;
        return objects_add(o, &f->x);
}

int objects_seed(struct objects *o, const struct names *names) {
        struct finding f = {.boottime = {.clock = CLOCK_BOOTTIME}, .names = names};
        uint32_t id;
        int k;

        for (size_t i = 0; i < ELEMENTSOF(walks); i++) {
                id = 0;
                while (objects_count(o) < OBJECTS_MAX && walks[i].next(id, &id) == 0) {
                        k = objects_is_own(o, walks[i].kind, id) ? 0
                                                                 : seed_one(o, &walks[i], &f, id);
                        if (k < 0)
                                return k;
                }
        }
        return (int) objects_count(o);
}
