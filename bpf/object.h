/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Programs, maps, links and BTF: what a call made or works on. */

#include "maps.h"

static __always_inline void fill_prog(struct record_object *o, struct bpf_prog *prog) {
        struct bpf_prog_aux *aux = BPF_CORE_READ(prog, aux);

        o->kind = OBJECT_PROG;
        o->id = BPF_CORE_READ(aux, id);
        o->type = BPF_CORE_READ(prog, type);
        BPF_CORE_READ_INTO(&o->name, aux, name);
        BPF_CORE_READ_INTO(&o->tag, prog, tag);
        o->load_time = BPF_CORE_READ(aux, load_time);
        o->instructions = BPF_CORE_READ(prog, len);
        if (bpf_core_field_exists(aux->verified_insns))
                o->verified = BPF_CORE_READ(aux, verified_insns);
        o->jited_size = BPF_CORE_READ(prog, jited_len);
        o->attach_type = BPF_CORE_READ(prog, expected_attach_type);
        o->btf_id = BPF_CORE_READ(aux, btf, id);
        o->gpl = BPF_CORE_READ_BITFIELD_PROBED(prog, gpl_compatible);
}

static __always_inline void fill_map(struct record_object *o, struct bpf_map *map) {
        o->kind = OBJECT_MAP;
        o->id = BPF_CORE_READ(map, id);
        o->type = BPF_CORE_READ(map, map_type);
        BPF_CORE_READ_INTO(&o->name, map, name);
        o->key_size = BPF_CORE_READ(map, key_size);
        o->value_size = BPF_CORE_READ(map, value_size);
        o->max_entries = BPF_CORE_READ(map, max_entries);
        o->flags = BPF_CORE_READ(map, map_flags);
}

static __always_inline void fill_link(struct record_object *o, struct bpf_link *link) {
        o->kind = OBJECT_LINK;
        o->id = BPF_CORE_READ(link, id);
        o->type = BPF_CORE_READ(link, type);
        o->prog_id = BPF_CORE_READ(link, prog, aux, id);
        o->prog_type = BPF_CORE_READ(link, prog, type);
}

static __always_inline void fill_btf(struct record_object *o, struct btf *btf) {
        o->kind = OBJECT_BTF;
        o->id = BPF_CORE_READ(btf, id);
        o->btf_size = BPF_CORE_READ(btf, data_size);
        if (bpf_core_field_exists(btf->name))
                bpf_probe_read_kernel_str(o->name, sizeof(o->name), &btf->name);
}

/* The open file of this thread's fd, NULL where there is none. */
static __always_inline struct file *file_of_fd(u32 fd) {
        struct task_struct *task = (void *) bpf_get_current_task();
        struct fdtable *table = BPF_CORE_READ(task, files, fdt);
        struct file **files = BPF_CORE_READ(table, fd), *file = NULL;

        if (fd >= BPF_CORE_READ(table, max_fds))
                return NULL;
        bpf_probe_read_kernel(&file, sizeof(file), files + fd);
        return file;
}

/* The anonymous inodes of BPF objects have names; the first seven bytes tell them apart. Anybody
 * may give a file of another file system such a name: 0 for those. */
static __always_inline u64 inode_name(struct file *file) {
        struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
        char name[8] = {};

        if (BPF_CORE_READ(dentry, d_sb, s_magic) != ANON_INODE_FS_MAGIC)
                return 0;
        bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
        return *(u64 *) name;
}

#define NAME8(a, b, c, d, e, f, g)                                                          \
        ((u64) (a) | (u64) (b) << 8 | (u64) (c) << 16 | (u64) (d) << 24 | (u64) (e) << 32 | \
         (u64) (f) << 40 | (u64) (g) << 48)

static __always_inline void fill_from_fd(struct record_object *o, u32 fd) {
        struct file *file = file_of_fd(fd);
        void *object;
        u64 name;

        if (!file)
                return;
        name = inode_name(file);
        object = BPF_CORE_READ(file, private_data);
        if (name == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o'))
                fill_prog(o, object);
        else if (name == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p'))
                fill_map(o, object);
        else if (name == NAME8('b', 'p', 'f', '_', 'l', 'i', 'n') ||
                 name == NAME8('b', 'p', 'f', '-', 'l', 'i', 'n'))
                fill_link(o, object);
        else if (name == NAME8('b', 't', 'f', 0, 0, 0, 0))
                fill_btf(o, object);
}

static __always_inline bool returns_fd(u32 cmd) {
        const u64 commands = 1ULL << BPF_MAP_CREATE | 1ULL << BPF_PROG_LOAD | 1ULL << BPF_OBJ_GET |
                             1ULL << BPF_PROG_GET_FD_BY_ID | 1ULL << BPF_MAP_GET_FD_BY_ID |
                             1ULL << BPF_RAW_TRACEPOINT_OPEN | 1ULL << BPF_BTF_LOAD |
                             1ULL << BPF_BTF_GET_FD_BY_ID | 1ULL << BPF_LINK_CREATE |
                             1ULL << BPF_LINK_GET_FD_BY_ID;

        return commands & (1ULL << slot_of(cmd));
}

/* Where in its attributes a command names the object that it works on by fd; -1: it does not.
 * Offsets of union bpf_attr, include/uapi/linux/bpf.h. */
static __always_inline int fd_offset(u32 cmd) {
        switch (slot_of(cmd)) {
        case BPF_PROG_TEST_RUN:
        case BPF_OBJ_GET_INFO_BY_FD:
        case BPF_MAP_FREEZE:
        case BPF_LINK_UPDATE:
        case BPF_LINK_DETACH:
        case BPF_ITER_CREATE:
        case BPF_PROG_BIND_MAP:
                return 0;
        case BPF_PROG_ATTACH:
        case BPF_PROG_DETACH:
                return 4;
        case BPF_OBJ_PIN:
                return 8;
        default:
                return -1;
        }
}

/* Where the string is that a command's attributes point to; -1: none. */
static __always_inline int string_offset(u32 cmd) {
        switch (slot_of(cmd)) {
        case BPF_OBJ_PIN:
        case BPF_OBJ_GET:
        case BPF_RAW_TRACEPOINT_OPEN:
                return 0;
        case BPF_PROG_LOAD:
                return 16; /* license */
        default:
                return -1;
        }
}
