/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Who is calling. */

#include "maps.h"

static __always_inline void fill_task(struct record_task *t) {
        struct task_struct *task = (void *) bpf_get_current_task();
        u64 thread = bpf_get_current_pid_tgid();
        u64 user = bpf_get_current_uid_gid();

        t->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
        t->cgroup_id = bpf_get_current_cgroup_id();
        t->tgid = thread >> 32;
        t->tid = thread;
        t->uid = user;
        t->gid = user >> 32;
        bpf_get_current_comm(t->comm, sizeof(t->comm));
}

/* Appends one component to the `used` bytes of a path. `max` of its bytes count, `size` there are.
 * Returns false when there is no room, of size or of max, for one more. */
static __always_inline bool add_component(char *path, u64 size, u64 max, u64 *used,
                                          const void *name) {
        u64 at = *used;
        s64 n;

        barrier_value(at);
        if (at > size - PATH_COMPONENT_SIZE)
                return false;
        n = bpf_probe_read_kernel_str(path + at, PATH_COMPONENT_SIZE, name);
        if (n > 0 && at + n > max)
                return false;
        /* Copied by a helper: the verifier then forgets what it knows of it, and need not walk the
         * rest for each number of bytes that there may be. */
        at = n > 0 ? at + n : at;
        bpf_probe_read_kernel(used, sizeof(*used), &at);
        return true;
}

/* Appends the path of a file, as its mount namespace has it. Returns whether components are
 * missing. */
static __always_inline bool add_path(char *path, u64 size, u64 max, u64 *used,
                                     struct dentry *dentry, struct vfsmount *vfsmount) {
        struct mount *mount = (void *) vfsmount - bpf_core_field_offset(struct mount, mnt), *above;
        struct dentry *parent, *root;
        bool cut = true;

        for (int i = 0; i < PATH_COMPONENTS_MAX; i++) {
                root = BPF_CORE_READ(mount, mnt.mnt_root);
                parent = BPF_CORE_READ(dentry, d_parent);
                if (dentry == root || dentry == parent) {
                        above = BPF_CORE_READ(mount, mnt_parent);
                        if (dentry != root || above == mount) {
                                cut = false;
                                break;
                        }
                        dentry = BPF_CORE_READ(mount, mnt_mountpoint);
                        mount = above;
                        continue;
                }
                if (!add_component(path, size, max, used, BPF_CORE_READ(dentry, d_name.name)))
                        break;
                dentry = parent;
        }
        return cut;
}

/* When a file was changed, µs since 1970. */
static __always_inline u64 inode_changed(const void *inode) {
        const struct inode___changed_apart *apart = inode;
        const struct inode___changed_hidden *hidden = inode;
        const struct inode___changed *changed = inode;
        struct timespec64 t = {};

        if (bpf_core_field_exists(apart->i_ctime_sec)) {
                t.tv_sec = BPF_CORE_READ(apart, i_ctime_sec);
                /* From Linux 6.13 on the highest bit says that somebody has asked for it
                 * (I_CTIME_QUERIED, include/linux/fs.h). */
                t.tv_nsec = BPF_CORE_READ(apart, i_ctime_nsec) & 0x7fffffff;
        } else if (bpf_core_field_exists(hidden->__i_ctime)) {
                BPF_CORE_READ_INTO(&t, hidden, __i_ctime);
        } else {
                BPF_CORE_READ_INTO(&t, changed, i_ctime);
        }
        return (u64) t.tv_sec * 1000000 + (u64) t.tv_nsec / 1000;
}

/* What tells the file of the executable from another one of its name. */
static __always_inline void fill_executable_file(struct record_context *c, struct file *file) {
        struct inode___executable *inode = BPF_CORE_READ((struct file___executable *) file,
                                                         f_inode);

        c->executable_inode = BPF_CORE_READ(inode, i_ino);
        c->executable_owner = BPF_CORE_READ(inode, i_uid.val);
        c->executable_mode = BPF_CORE_READ(inode, i_mode);
        c->executable_changed = inode_changed(inode);
}

/* The path of the executable of a task. Returns how many bytes it takes. */
static __always_inline u64 fill_executable(struct record_context *c, u64 room,
                                           struct task_struct *task) {
        struct file *file = BPF_CORE_READ(task, mm, exe_file);
        u64 used = 0;

        c->executable_inode = 0;
        if (file) {
                fill_executable_file(c, file);
                c->executable_cut = add_path(c->executable, room, sizeof(c->executable), &used,
                                             BPF_CORE_READ(file, f_path.dentry),
                                             BPF_CORE_READ(file, f_path.mnt));
        }
        c->executable_size = used;
        return used;
}

/* Where a node of a kernfs keeps the one above it. */
static __always_inline u64 kernfs_parent_offset(void) {
        u64 at;

        if (bpf_core_field_exists(struct kernfs_node___renamed, __parent)) {
                at = bpf_core_field_offset(struct kernfs_node___renamed, __parent);
                barrier_value(at);
        } else {
                at = bpf_core_field_offset(struct kernfs_node, parent);
                barrier_value(at);
        }
        return at;
}

/* The same for a node of a kernfs, such as that of control groups. No branch at the beginning of
 * the loop: before Linux 6.2 the verifier does not take what clang makes of it. */
static __always_inline bool add_kernfs_path(char *path, u64 size, u64 max, u64 *used,
                                            struct kernfs_node *node) {
        u64 offset = kernfs_parent_offset();
        struct kernfs_node *parent;
        bool cut = true;

        for (int i = 0; i < PATH_COMPONENTS_MAX; i++) {
                parent = NULL;
                bpf_probe_read_kernel(&parent, sizeof(parent), (void *) node + offset);
                if (!parent) {
                        cut = false;
                        break;
                }
                if (!add_component(path, size, max, used, BPF_CORE_READ(node, name)))
                        break;
                node = parent;
        }
        return cut;
}

/* The path of its control group, behind the `before` bytes of the other one. Returns how many bytes
 * both take. */
static __always_inline u64 fill_cgroup(struct record_context *c, u64 room, u64 before,
                                       struct task_struct *task) {
        u64 used = before;

        c->cgroup_cut = add_kernfs_path(c->executable, room, before + sizeof(c->cgroup), &used,
                                        BPF_CORE_READ(task, cgroups, dfl_cgrp, kn));
        c->cgroup_size = used - before;
        return used;
}

static __always_inline u32 pid_namespace(struct task_struct *task) {
        struct pid *pid = BPF_CORE_READ(task, thread_pid);
        u64 level = BPF_CORE_READ(pid, level);
        struct upid *upid = (void *) pid + bpf_core_field_offset(struct pid, numbers) +
                            level * bpf_core_type_size(struct upid);

        return BPF_CORE_READ(upid, ns, ns.inum);
}

/* Fills the context of the current task, with `room` bytes for its paths. Returns how many of those
 * are used. */
static __always_inline u64 fill_context(struct record_context *c, u64 room) {
        struct task_struct *task = (void *) bpf_get_current_task();
        const struct cred *cred = BPF_CORE_READ(task, cred);

        BPF_CORE_READ_INTO(&c->capabilities, cred, cap_effective);
        c->ppid = BPF_CORE_READ(task, real_parent, tgid);
        c->login_uid = (u32) -1;
        if (bpf_core_field_exists(task->loginuid))
                c->login_uid = BPF_CORE_READ(task, loginuid.val);
        c->ns_pid = pid_namespace(task);
        c->ns_mnt = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
        c->ns_net = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
        c->ns_user = BPF_CORE_READ(cred, user_ns, ns.inum);
        return fill_cgroup(c, room, fill_executable(c, room, task), task);
}

static __always_inline bool is_compat(void) {
        struct task_struct *task = (void *) bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
        return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
#else
        return BPF_CORE_READ(task, thread_info.flags) & TIF_32BIT;
#endif
}

/* Where the arguments of a system call are when it ends. */
#if defined(__TARGET_ARCH_x86)
#define ARGUMENTS(read, regs, n)    \
        (n == 0   ? read(regs, di)  \
         : n == 1 ? read(regs, si)  \
         : n == 2 ? read(regs, dx)  \
         : n == 3 ? read(regs, r10) \
                  : read(regs, r8))
#else
#define ARGUMENTS(read, regs, n)        \
        (n == 0   ? read(regs, orig_x0) \
         : n == 1 ? read(regs, regs[1]) \
         : n == 2 ? read(regs, regs[2]) \
         : n == 3 ? read(regs, regs[3]) \
                  : read(regs, regs[4]))
#endif
#define LOAD(regs, member) ((regs)->member)

/* Argument 0 to 4 of the system call that this thread is in. Since Linux 5.15 a plain load will
 * do, at half the cost. */
static __always_inline u64 syscall_argument(int n) {
        struct task_struct *task;
        struct pt_regs *regs;

        if (bpf_core_enum_value_exists(enum bpf_func_id___helpers,
                                       BPF_FUNC_task_pt_regs___helpers)) {
                regs = (void *) bpf_task_pt_regs(bpf_get_current_task_btf());
                return ARGUMENTS(LOAD, regs, n);
        }
        task = (void *) bpf_get_current_task();
        regs = BPF_CORE_READ(task, stack) + THREAD_SIZE - bpf_core_type_size(struct pt_regs);
        return ARGUMENTS(BPF_CORE_READ, regs, n);
}
