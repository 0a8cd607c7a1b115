/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What programs are attached to, read from the kernel's own objects.
 *
 * The walks are global functions that take numbers: the verifier walks each of them once, and Linux
 * 5.10 takes them too. They leave their result in memory of this thread, from which the functions
 * at the end of this file copy it. */

#include "target-link.h"

/* Fds ------------------------------------------------------------------------------------------ */

static __always_inline void target_nsfs(struct record_target *t, struct ns_common___target *ns) {
        char name[4] = {};

        bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(ns, ops, name));
        if (*(u32 *) name != ('n' | 'e' << 8 | 't' << 16))
                return;
        t->kind = TARGET_NETNS;
        t->netns = BPF_CORE_READ(ns, inum);
}

static __always_inline void target_cgroup_directory(struct kernfs_node___target *node) {
        struct cgroup *cgroup = BPF_CORE_READ(node, priv);

        if (BPF_CORE_READ(node, flags) & KERNFS_DIR && cgroup)
                target_cgroup((u64) BPF_CORE_READ(cgroup, kn));
}

static __always_inline void target_prog(struct record_target *t, struct bpf_prog *prog) {
        t->kind = TARGET_PROG;
        t->id = BPF_CORE_READ(prog, aux, id);
}

__weak int target_fd(u32 fd) {
        struct target_space *s = target_space();
        struct file *file = file_of_fd(fd);
        void *inner, *object;
        u64 magic, name;

        if (!s || !file)
                return 0;
        magic = BPF_CORE_READ(file, f_path.dentry, d_sb, s_magic);
        inner = BPF_CORE_READ((struct file___target *) file, f_inode, i_private);
        object = BPF_CORE_READ(file, private_data);
        name = inode_name(file);
        if (magic == CGROUP2_SUPER_MAGIC)
                target_cgroup_directory(inner);
        else if (magic == NSFS_MAGIC)
                target_nsfs(&s->target, inner);
        else if (name == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p'))
                target_map(&s->target, object);
        else if (name == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o'))
                target_prog(&s->target, object);
        else if (name == NAME8('[', 'p', 'e', 'r', 'f', '_', 'e'))
                target_event((u64) object);
        return 0;
}

/* What others call: `t` is filled, or all of it is zero where nothing is known. ---------------- */

/* NULL: there is no room, or this is an interrupt on top of where it is in use. */
static __always_inline struct target_space *target_begin(void) {
        u64 thread = thread_key();

        if (bpf_map_update_elem(&target_spaces, &thread, &blank_target_space, BPF_NOEXIST)) {
                lost_other();
                return NULL;
        }
        return bpf_map_lookup_elem(&target_spaces, &thread);
}

static __always_inline void target_copy(struct record_target *t, const struct target_space *s) {
        bpf_probe_read_kernel(t, sizeof(*t), &s->target);
}

/* Gives back what target_begin() gave: on every way out. */
static __always_inline void target_release(void) {
        u64 thread = thread_key();

        bpf_map_delete_elem(&target_spaces, &thread);
}

static __always_inline void target_end(struct record_target *t, const struct target_space *s) {
        target_copy(t, s);
        target_release();
}

/* What a link attaches to. Its lists are sent as parts of the call or action that this thread
 * `entered`; 0: they are not. */
static __always_inline void fill_link_target(struct record_target *t, struct bpf_link *link,
                                             u64 entered) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_link((u64) link, entered);
        target_end(t, s);
}

static __always_inline void fill_perf_target(struct record_target *t, struct perf_event *event) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_event((u64) event);
        target_end(t, s);
}

/* The map of a set of functions that the kernel calls. */
static __always_inline void fill_struct_ops_target(struct record_target *t, struct bpf_map *map) {
        struct target_space *s = target_begin();

        if (!s)
                return;
        target_struct_ops(&s->target, map);
        target_end(t, s);
}
