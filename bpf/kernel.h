/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's own types, reduced to the fields that we read: the list of what we rely on. Offsets
 * come from the running kernel's BTF when the programs are loaded (CO-RE). A suffix after three
 * underscores is ignored there: it tells variants of one type apart. */

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
        int counter;
} atomic_t;

typedef struct {
        u32 val;
} kuid_t;

struct ns_common {
        u32 inum;
};

struct user_namespace {
        struct ns_common ns;
};

struct pid_namespace {
        struct ns_common ns;
};

struct mnt_namespace {
        struct ns_common ns;
};

struct net {
        struct ns_common ns;
};

struct nsproxy {
        struct mnt_namespace *mnt_ns;
        struct net *net_ns;
};

struct upid {
        int nr;
        struct pid_namespace *ns;
};

struct pid {
        unsigned int level;
        struct upid numbers[1];
};

typedef struct {
        u64 val;
} kernel_cap_t;

struct cred {
        kernel_cap_t cap_effective;
        struct user_namespace *user_ns;
};

struct qstr {
        const unsigned char *name;
};

struct super_block {
        unsigned long s_magic;
};

struct dentry {
        struct super_block *d_sb;
        struct dentry *d_parent;
        struct qstr d_name;
};

struct vfsmount {
        struct dentry *mnt_root;
};

struct mount {
        struct mount *mnt_parent;
        struct dentry *mnt_mountpoint;
        struct vfsmount mnt;
};

struct path {
        struct vfsmount *mnt;
        struct dentry *dentry;
};

struct file {
        struct path f_path;
        void *private_data;
};

struct fdtable {
        unsigned int max_fds;
        struct file **fd;
};

struct files_struct {
        struct fdtable *fdt;
};

struct mm_struct {
        struct file *exe_file;
};

struct inode___executable {
        unsigned short i_mode;
        kuid_t i_uid;
        unsigned long i_ino;
};

struct file___executable {
        struct inode___executable *f_inode;
};

struct timespec64 {
        s64 tv_sec;
        long tv_nsec;
};

/* When an inode changed: until Linux 6.5, until 6.10, and since. */
struct inode___changed {
        struct timespec64 i_ctime;
};

struct inode___changed_hidden {
        struct timespec64 __i_ctime;
};

struct inode___changed_apart {
        s64 i_ctime_sec;
        u32 i_ctime_nsec;
};

struct kernfs_node {
        struct kernfs_node *parent;
        const char *name;
};

/* Since Linux 6.15. */
struct kernfs_node___renamed {
        struct kernfs_node *__parent;
};

struct cgroup {
        struct kernfs_node *kn;
};

struct css_set {
        struct cgroup *dfl_cgrp;
};

struct signal_struct {
        atomic_t live;
};

struct thread_info {
        unsigned long flags; /* arm64: TIF_32BIT */
        u32 status;          /* x86: TS_COMPAT */
};

struct task_struct {
        struct thread_info thread_info;
        void *stack;
        unsigned int flags;
        struct mm_struct *mm;
        int pid;
        int tgid;
        struct task_struct *real_parent;
        struct task_struct *group_leader;
        struct pid *thread_pid;
        u64 start_boottime;
        const struct cred *cred;
        struct files_struct *files;
        struct nsproxy *nsproxy;
        struct signal_struct *signal;
        kuid_t loginuid;
        struct css_set *cgroups;
};

struct btf {
        u32 data_size;
        u32 id;
        char name[56]; /* since Linux 5.11 */
};

struct bpf_prog_aux {
        u32 id;
        u32 verified_insns; /* since Linux 5.16 */
        char name[16];
        u64 load_time;
        struct btf *btf;
};

struct bpf_prog {
        u16 gpl_compatible : 1;
        enum bpf_prog_type type;
        enum bpf_attach_type expected_attach_type;
        u32 len;
        u32 jited_len;
        u8 tag[8];
        struct bpf_prog_aux *aux;
};

struct bpf_map {
        enum bpf_map_type map_type;
        u32 key_size;
        u32 value_size;
        u32 max_entries;
        u32 map_flags;
        u32 id;
        char name[16];
};

struct bpf_link {
        u32 id;
        enum bpf_link_type type;
        struct bpf_prog *prog;
};

/* The caller's registers, as it entered the kernel. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
        unsigned long dx, si, di, r10, r8;
        unsigned long bx, cx;
        unsigned long ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
        u64 regs[31];
};

struct pt_regs {
        u64 regs[31];
        u64 orig_x0;
};
#endif

#pragma clang attribute pop

/* include/uapi/linux/bpf.h; the helper exists since Linux 5.15. */
enum bpf_func_id___helpers { BPF_FUNC_task_pt_regs___helpers = 175 };

/* Contexts of the syscall tracepoints: the format is stable (events/syscalls/.../format). */
struct syscall_enter_context {
        u64 common;
        s64 nr;
        u64 args[6];
};

struct syscall_exit_context {
        u64 common;
        s64 nr;
        s64 ret;
};
