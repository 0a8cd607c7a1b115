/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's types that tell of objects' lives, reduced as in kernel.h. */

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
        s64 counter;
} atomic64_t;

typedef struct refcount_struct {
        atomic_t refs;
} refcount_t;

struct callback_head {
        void *func;
};

struct list_head {
        struct list_head *next;
};

struct bpf_map___counted {
        atomic64_t refcnt;
};

struct btf___counted {
        refcount_t refcnt;
        struct callback_head rcu;
        bool kernel_btf; /* since Linux 5.11 */
};

/* A program's two halves point to each other. */
struct bpf_prog_aux___back {
        struct bpf_prog *prog;
};

struct inode {
        void *i_private;
};

struct dentry___inode {
        struct inode *d_inode;
};

struct super_block___list {
        struct list_head s_mounts;
};

struct mount___list {
        struct list_head mnt_instance;
};

/* Since Linux 6.18. */
struct super_block___chain {
        struct mount *s_mounts;
};

struct mount___chain {
        struct mount *mnt_next_for_sb;
};

struct mount___owned {
        struct mnt_namespace *mnt_ns;
};

struct bpf_iter__bpf_map {
        void *meta;
        struct bpf_map *map;
};

#pragma clang attribute pop
