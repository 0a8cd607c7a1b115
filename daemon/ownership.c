/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "ownership.h"
#include "record.h"

enum { OWN_MAX = 1024 }; /* bpf/own.h */

static uint32_t id_of(uint32_t kind, int fd) {
        /* Programs, maps and links begin with type and id. */
        struct bpf_link_info common = {};
        struct bpf_btf_info btf = {};
        uint32_t size = kind == OBJECT_BTF ? sizeof(btf) : sizeof(common);

        if (fd < 0)
                return 0;
        if (kind == OBJECT_BTF)
                return bpf_obj_get_info_by_fd(fd, &btf, &size) < 0 ? 0 : btf.id;
        return bpf_obj_get_info_by_fd(fd, &common, &size) < 0 ? 0 : common.id;
}

uint32_t ownership_take(const struct ownership *o, uint32_t kind, int fd) {
        struct object_key key = {.kind = kind, .id = id_of(kind, fd)};
        uint8_t yes = 1;

        if (key.id == 0)
                return 0;
        (void) bpf_map_update_elem(o->map_fd, &key, &yes, BPF_ANY);
        o->tell(kind, key.id, false, o->userdata);
        return key.id;
}

void ownership_take_all(const struct ownership *o, const struct bpf_object *object) {
        struct bpf_program *program;
        struct bpf_map *map;

        bpf_object__for_each_program (program, object)
                (void) ownership_take(o, OBJECT_PROG, bpf_program__fd(program));
        bpf_object__for_each_map (map, object)
                (void) ownership_take(o, OBJECT_MAP, bpf_map__fd(map));
        (void) ownership_take(o, OBJECT_BTF, bpf_object__btf_fd(object));
}

void ownership_give_program(const struct ownership *o, int fd) {
        ownership_give(o, OBJECT_PROG, id_of(OBJECT_PROG, fd));
}

void ownership_adopt(const struct ownership *o) {
        struct object_key key, *last = NULL;

        for (size_t n = 0; n < OWN_MAX && bpf_map_get_next_key(o->map_fd, last, &key) == 0; n++) {
                o->tell(key.kind, key.id, false, o->userdata);
                last = &key;
        }
}

void ownership_give(const struct ownership *o, uint32_t kind, uint32_t id) {
        struct object_key key = {.kind = kind, .id = id};

        if (id == 0)
                return;
        (void) bpf_map_delete_elem(o->map_fd, &key);
        o->tell(kind, id, true, o->userdata);
}
