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
