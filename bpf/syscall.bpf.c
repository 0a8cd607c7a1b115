/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Watches bpf() calls.
 *
 * A call is entered at __sys_bpf (or at the tracepoint, where kprobes are missing), passes
 * security_bpf() with the kernel's own copy of its attributes, and ends at the tracepoint, or at a
 * kretprobe if it is a 32-bit call or came from inside the kernel. Between, a *frame* keeps what is
 * known; a thread has as many as it has bpf() calls inside each other.
 *
 * Every call is counted, per thread and command. A record is sent for the commands in `wanted`. */

/* libbpf then takes the kernel's names of registers. */
#define __VMLINUX_H__
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "record.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define barrier_value(v) asm volatile("" : "+r"(v))

enum {
        CALLERS_MAX = 2048,
        FRAMES_MAX = 1024,
        OBSERVED_MAX = 8192,
        PATH_COMPONENTS_MAX = 24,
        PATH_COMPONENT_SIZE = 256, /* NAME_MAX with NUL */

        COMMON_ATTRS = 1 << 16, /* BPF_COMMON_ATTRS: rides inside cmd since Linux 7.0 */

        /* arch/x86/include/asm/thread_info.h, arch/arm64/include/asm/thread_info.h */
        TS_COMPAT = 1 << 1,
        TIF_32BIT = 1 << 22,
        /* Both architectures, without KASAN; only used before Linux 5.15. */
        THREAD_SIZE = 16 * 1024,

        /* A record after this silence wakes the daemon; the ones after it wait for its timer (of
         * 5 ms), or until so much is pending. A wake-up a record costs 6 to 18 µs a call. */
        WAKE_SILENCE_NS = 1000000,
        WAKE_PENDING_BYTES = 64 * 1024,
};

enum { OBSERVE_ALL, OBSERVE_CGROUP, OBSERVE_PID };

/* Settings, fixed at load. */
const volatile __u32 observe;

/* Set by the daemon at any time. */
__u64 wanted;   /* commands that send records, by slot */
__u32 own_tgid; /* the daemon, as the initial pid namespace has it: see whoami() */

/* For the wake-ups: when the last record was sent, when the daemon was last woken. */
__u64 last_record;
__u64 last_wake;

struct frame_key {
        u64 thread;
        u32 depth;
        u32 pad;
};

struct frame {
        u64 entered;
        u64 user_attr; /* the caller's pointer */
        u64 link;      /* struct bpf_link: its id comes at the end of the call */
        u32 cmd;
        u32 size;
        u32 flags; /* enum call_flags */
        u32 attr_size;
        struct record_object object;
        u8 attr[RECORD_ATTR_MAX];
};

static const struct caller blank_caller;
static const struct frame blank_frame;

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 2 * 1024 * 1024);
} ring SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, CALLERS_MAX);
        __type(key, u64);
        __type(value, struct caller);
} callers SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, FRAMES_MAX);
        __type(key, struct frame_key);
        __type(value, struct frame);
} frames SEC(".maps");

/* One element per possible CPU: the daemon sets the size. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, struct cpu_stats);
} stats SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, u32);
} observed_cgroup SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, OBSERVED_MAX);
        __type(key, u32);
        __type(value, u8);
} observed_tgids SEC(".maps");

/* Counting ------------------------------------------------------------------------------------- */

static __always_inline struct cpu_stats *cpu_stats(void) {
        u32 cpu = bpf_get_smp_processor_id();

        return bpf_map_lookup_elem(&stats, &cpu);
}

static __always_inline void hit(enum hook hook) {
        struct cpu_stats *s = cpu_stats();

        if (s)
                s->hits[hook]++;
}

static __always_inline u64 slot_of(u32 cmd) {
        u64 slot = cmd & ~COMMON_ATTRS;

        barrier_value(slot);
        return slot < COMMAND_SLOTS ? slot : COMMAND_SLOTS - 1;
}

/* Atomic: a task may be preempted by another one of the same CPU that loses a record too. */
static __always_inline void lost_in_ring(u32 cmd) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_ring[slot_of(cmd)], 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void lost_by_probe(u32 cmd) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_probe[slot_of(cmd)], 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline void lost_other(void) {
        struct cpu_stats *s = cpu_stats();

        if (!s)
                return;
        __sync_fetch_and_add(&s->lost_other, 1);
        __sync_fetch_and_add(&s->lost, 1);
}

static __always_inline bool is_wanted(u32 cmd) {
        return wanted & (1ULL << slot_of(cmd));
}

static __always_inline bool is_element(u32 cmd) {
        const u64 elements = 1ULL << BPF_MAP_LOOKUP_ELEM | 1ULL << BPF_MAP_UPDATE_ELEM |
                             1ULL << BPF_MAP_DELETE_ELEM | 1ULL << BPF_MAP_GET_NEXT_KEY |
                             1ULL << BPF_MAP_LOOKUP_AND_DELETE_ELEM | 1ULL << BPF_MAP_LOOKUP_BATCH |
                             1ULL << BPF_MAP_LOOKUP_AND_DELETE_BATCH |
                             1ULL << BPF_MAP_UPDATE_BATCH | 1ULL << BPF_MAP_DELETE_BATCH;

        return elements & (1ULL << slot_of(cmd));
}

/* Who ------------------------------------------------------------------------------------------ */

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

/* Appends one component. Returns false when there is no room for one more of the longest kind. */
static __always_inline bool add_component(char *path, u64 size, u64 *used, const void *name) {
        u64 at = *used;
        s64 n;

        barrier_value(at);
        if (at > size - PATH_COMPONENT_SIZE)
                return false;
        n = bpf_probe_read_kernel_str(path + at, PATH_COMPONENT_SIZE, name);
        if (n > 0)
                *used = at + n;
        return true;
}

static __always_inline void fill_executable(struct record_context *c, struct task_struct *task) {
        struct file *file = BPF_CORE_READ(task, mm, exe_file);
        struct dentry *dentry, *parent, *root;
        struct vfsmount *vfsmount;
        struct mount *mount, *above;
        u64 used = 0;

        if (!file)
                return;
        dentry = BPF_CORE_READ(file, f_path.dentry);
        vfsmount = BPF_CORE_READ(file, f_path.mnt);
        mount = (void *) vfsmount - bpf_core_field_offset(struct mount, mnt);

        c->executable_cut = 1;
        for (int i = 0; i < PATH_COMPONENTS_MAX; i++) {
                root = BPF_CORE_READ(mount, mnt.mnt_root);
                parent = BPF_CORE_READ(dentry, d_parent);
                if (dentry == root || dentry == parent) {
                        above = BPF_CORE_READ(mount, mnt_parent);
                        if (dentry != root || above == mount) {
                                c->executable_cut = 0;
                                break;
                        }
                        dentry = BPF_CORE_READ(mount, mnt_mountpoint);
                        mount = above;
                        continue;
                }
                if (!add_component(c->executable, sizeof(c->executable), &used,
                                   BPF_CORE_READ(dentry, d_name.name)))
                        break;
                dentry = parent;
        }
        c->executable_size = used;
}

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node) {
        struct kernfs_node___renamed *renamed = (void *) node;

        if (bpf_core_field_exists(renamed->__parent))
                return BPF_CORE_READ(renamed, __parent);
        return BPF_CORE_READ(node, parent);
}

static __always_inline void fill_cgroup(struct record_context *c, struct task_struct *task) {
        struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn), *parent;
        u64 used = 0;

        c->cgroup_cut = 1;
        for (int i = 0; i < PATH_COMPONENTS_MAX; i++) {
                parent = kernfs_parent(node);
                if (!parent) {
                        c->cgroup_cut = 0;
                        break;
                }
                if (!add_component(c->cgroup, sizeof(c->cgroup), &used, BPF_CORE_READ(node, name)))
                        break;
                node = parent;
        }
        c->cgroup_size = used;
}

static __always_inline u32 pid_namespace(struct task_struct *task) {
        struct pid *pid = BPF_CORE_READ(task, thread_pid);
        u64 level = BPF_CORE_READ(pid, level);
        struct upid *upid = (void *) pid + bpf_core_field_offset(struct pid, numbers) +
                            level * bpf_core_type_size(struct upid);

        return BPF_CORE_READ(upid, ns, ns.inum);
}

static __noinline int fill_context(struct record_context *c) {
        struct task_struct *task = (void *) bpf_get_current_task();
        const struct cred *cred = BPF_CORE_READ(task, cred);

        c->executable_size = c->cgroup_size = 0;
        c->executable_cut = c->cgroup_cut = 0;
        c->pad[0] = c->pad[1] = 0;
        c->capabilities = BPF_CORE_READ(cred, cap_effective.val);
        c->ppid = BPF_CORE_READ(task, real_parent, tgid);
        c->login_uid = (u32) -1;
        if (bpf_core_field_exists(task->loginuid))
                c->login_uid = BPF_CORE_READ(task, loginuid.val);
        c->ns_pid = pid_namespace(task);
        c->ns_mnt = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
        c->ns_net = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
        c->ns_user = BPF_CORE_READ(cred, user_ns, ns.inum);
        fill_executable(c, task);
        fill_cgroup(c, task);
        return 0;
}

static __always_inline bool is_compat(void) {
        struct task_struct *task = (void *) bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
        return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
#else
        return BPF_CORE_READ(task, thread_info.flags) & TIF_32BIT;
#endif
}

/* Argument 0, 1 or 2 of the system call that this thread is in. */
static __always_inline u64 syscall_argument(int n) {
        struct pt_regs *regs;

        if (bpf_core_enum_value_exists(enum bpf_func_id___helpers,
                                       BPF_FUNC_task_pt_regs___helpers)) {
                regs = (void *) bpf_task_pt_regs(bpf_get_current_task_btf());
        } else {
                struct task_struct *task = (void *) bpf_get_current_task();

                regs = BPF_CORE_READ(task, stack) + THREAD_SIZE -
                       bpf_core_type_size(struct pt_regs);
        }
#if defined(__TARGET_ARCH_x86)
        return n == 0   ? BPF_CORE_READ(regs, di)
               : n == 1 ? BPF_CORE_READ(regs, si)
                        : BPF_CORE_READ(regs, dx);
#else
        return n == 0   ? BPF_CORE_READ(regs, orig_x0)
               : n == 1 ? BPF_CORE_READ(regs, regs[1])
                        : BPF_CORE_READ(regs, regs[2]);
#endif
}

/* Sending -------------------------------------------------------------------------------------- */

static __always_inline void fill_header(struct record_header *h, u32 kind, u32 size) {
        h->kind = kind;
        h->size = size;
        h->time = bpf_ktime_get_ns();
}

static __always_inline void submit(struct record_header *h) {
        u64 now = h->time, flags = BPF_RB_NO_WAKEUP;

        if (now - last_record > WAKE_SILENCE_NS ||
            (now - last_wake > WAKE_SILENCE_NS &&
             bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= WAKE_PENDING_BYTES)) {
                last_wake = now;
                flags = BPF_RB_FORCE_WAKEUP;
        }
        last_record = now;
        bpf_ringbuf_submit(h, flags);
}

static __noinline int send_process(struct caller *c) {
        struct record_process *r;

        if (!c)
                return 0;
        r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                lost_other();
                return 0;
        }
        fill_header(&r->header, RECORD_PROCESS, sizeof(*r));
        fill_task(&r->task);
        fill_context(&r->context);
        submit(&r->header);
        c->told = 1;
        return 0;
}

static __always_inline bool is_observed(u32 tgid) {
        if (observe == OBSERVE_CGROUP)
                return bpf_current_task_under_cgroup(&observed_cgroup, 0) == 1;
        if (observe == OBSERVE_PID)
                return bpf_map_lookup_elem(&observed_tgids, &tgid);
        return true;
}

/* The counters of a thread that is to be observed, NULL for any other one. */
static __always_inline struct caller *caller_get(u64 thread) {
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);
        struct task_struct *task;
        u64 others = 0;

        /* A process never leaves its tree of processes, but may be moved to another cgroup. */
        if (c && observe != OBSERVE_CGROUP)
                return c;
        if (thread >> 32 == own_tgid || !is_observed(thread >> 32))
                return NULL;
        if (c)
                return c;

        bpf_map_update_elem(&callers, &thread, &blank_caller, BPF_NOEXIST);
        c = bpf_map_lookup_elem(&callers, &thread);
        if (!c) {
                /* Full: counted together, without frames. */
                bpf_map_update_elem(&callers, &others, &blank_caller, BPF_NOEXIST);
                return bpf_map_lookup_elem(&callers, &others);
        }
        task = (void *) bpf_get_current_task();
        c->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
        send_process(c);
        return c;
}

/* Counted atomically only where threads share the counters. */
static __always_inline void count(struct caller *c, u32 cmd, s64 ret, u64 entered, bool timed) {
        struct command_counter *counter = &c->commands[slot_of(cmd)];

        __sync_fetch_and_add(&counter->calls, 1);
        if (ret < 0)
                __sync_fetch_and_add(&counter->errors, 1);
        if (timed) {
                counter->timed++;
                counter->ns += bpf_ktime_get_ns() - entered;
        }
}

/* The thread leaves, or becomes another program: its counters go to the daemon. */
static __always_inline void caller_flush(u64 thread) {
        struct caller *c = bpf_map_lookup_elem(&callers, &thread), *o;
        struct record_caller *r;
        u64 others = 0;

        if (!c)
                return;
        if (c->depth)
                lost_by_probe(c->cmd);
        r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (r) {
                fill_header(&r->header, RECORD_CALLER, sizeof(*r));
                fill_task(&r->task);
                r->task.start_time = c->start_time;
                bpf_probe_read_kernel(r->commands, sizeof(r->commands), c->commands);
                submit(&r->header);
        } else {
                lost_other();
                bpf_map_update_elem(&callers, &others, &blank_caller, BPF_NOEXIST);
                o = bpf_map_lookup_elem(&callers, &others);
                for (u32 i = 0; o && i < COMMAND_SLOTS; i++) {
                        __sync_fetch_and_add(&o->commands[i].calls, c->commands[i].calls);
                        __sync_fetch_and_add(&o->commands[i].errors, c->commands[i].errors);
                        __sync_fetch_and_add(&o->commands[i].timed, c->commands[i].timed);
                        __sync_fetch_and_add(&o->commands[i].ns, c->commands[i].ns);
                }
        }
        bpf_map_delete_elem(&callers, &thread);
}

/* Objects -------------------------------------------------------------------------------------- */

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

/* The anonymous inodes of BPF objects have names; the first eight bytes tell them apart. */
static __always_inline u64 inode_name(struct file *file) {
        char name[8] = {};

        bpf_probe_read_kernel_str(name, sizeof(name),
                                  BPF_CORE_READ(file, f_path.dentry, d_name.name));
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

/* Calls ---------------------------------------------------------------------------------------- */

/* How a call ended. */
struct ending {
        u64 entered;
        u64 user_attr;
        s64 ret;
        u32 cmd;
        u32 size;
        u32 flags;
        u32 source;
};

/* The frame may be NULL: then nothing but the ending is known. */
static __always_inline void send_call(const struct ending *end, const struct frame *frame) {
        struct record_call *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        u64 size = end->size, string = 0;
        s64 n = 0;
        u32 fd = 0;
        int at;

        if (!r) {
                lost_in_ring(end->cmd);
                return;
        }
        fill_header(&r->header, RECORD_CALL, sizeof(*r));
        fill_task(&r->task);
        r->duration = r->header.time - end->entered;
        r->ret = end->ret;
        r->cmd = end->cmd;
        r->size = end->size;
        r->flags = end->flags;
        r->source = end->source;
        r->string_size = 0;
        r->string[0] = 0;

        if (size > RECORD_ATTR_MAX)
                size = RECORD_ATTR_MAX;
        __builtin_memset(r->attr, 0, sizeof(r->attr));
        if (frame && frame->flags & CALL_KERNEL_ATTR) {
                __builtin_memcpy(r->attr, frame->attr, sizeof(r->attr));
                r->attr_size = frame->attr_size;
        } else {
                barrier_value(size);
                if (size <= RECORD_ATTR_MAX &&
                    !bpf_probe_read_user(r->attr, size, (void *) end->user_attr)) {
                        r->flags |= CALL_USER_ATTR;
                        r->attr_size = size;
                } else {
                        r->attr_size = 0;
                }
        }

        if (frame)
                __builtin_memcpy(&r->object, &frame->object, sizeof(r->object));
        else
                __builtin_memset(&r->object, 0, sizeof(r->object));
        if (frame && frame->link && end->ret >= 0)
                fill_link(&r->object, (void *) frame->link);
        at = fd_offset(end->cmd);
        if (!r->object.kind && end->ret >= 0 && returns_fd(end->cmd)) {
                fill_from_fd(&r->object, end->ret);
                r->flags |= CALL_OBJECT_FROM_FD;
        } else if (!r->object.kind && at >= 0) {
                __builtin_memcpy(&fd, r->attr + (at == 0 ? 0 : at == 4 ? 4 : 8), sizeof(fd));
                fill_from_fd(&r->object, fd);
                r->flags |= CALL_OBJECT_FROM_FD;
        }

        at = string_offset(end->cmd);
        if (at >= 0) {
                __builtin_memcpy(&string, r->attr + (at == 0 ? 0 : 16), sizeof(string));
                n = end->flags & CALL_IN_KERNEL
                            ? bpf_probe_read_kernel_str(r->string, sizeof(r->string),
                                                        (void *) string)
                            : bpf_probe_read_user_str(r->string, sizeof(r->string),
                                                      (void *) string);
                r->string_size = n > 0 ? n : 0;
        }
        fill_context(&r->context);
        submit(&r->header);
}

/* An element operation: no frame is kept for it on its way, and the record is small. */
static __always_inline void send_element(struct caller *c, const struct ending *end,
                                         const struct frame *frame) {
        struct record_element *r;
        u64 size = end->size;
        struct file *file;
        struct bpf_map *map;
        u32 fd;

        if (!c->told)
                send_process(c);
        r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                lost_in_ring(end->cmd);
                return;
        }
        fill_header(&r->header, RECORD_ELEMENT, sizeof(*r));
        fill_task(&r->task);
        r->duration = r->header.time - end->entered;
        r->ret = end->ret;
        r->cmd = end->cmd;
        r->size = end->size;
        r->flags = end->flags;
        r->source = end->source;
        r->map_id = r->map_type = 0;
        r->pad = 0;
        __builtin_memset(r->map_name, 0, sizeof(r->map_name));
        __builtin_memset(r->attr, 0, sizeof(r->attr));
        if (frame && frame->flags & CALL_KERNEL_ATTR) {
                __builtin_memcpy(r->attr, frame->attr, sizeof(r->attr));
                r->attr_size = frame->attr_size < RECORD_ELEMENT_ATTR_MAX ? frame->attr_size
                                                                          : RECORD_ELEMENT_ATTR_MAX;
        } else {
                if (size > RECORD_ELEMENT_ATTR_MAX)
                        size = RECORD_ELEMENT_ATTR_MAX;
                barrier_value(size);
                if (size <= RECORD_ELEMENT_ATTR_MAX &&
                    !bpf_probe_read_user(r->attr, size, (void *) end->user_attr)) {
                        r->flags |= CALL_USER_ATTR;
                        r->attr_size = size;
                } else {
                        r->attr_size = 0;
                }
        }

        /* map_fd stands first, in the batch commands at 36. */
        if (slot_of(end->cmd) >= BPF_MAP_LOOKUP_BATCH)
                __builtin_memcpy(&fd, r->attr + 36, sizeof(fd));
        else
                __builtin_memcpy(&fd, r->attr, sizeof(fd));
        file = file_of_fd(fd);
        if (file && inode_name(file) == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p')) {
                map = BPF_CORE_READ(file, private_data);
                r->map_id = BPF_CORE_READ(map, id);
                r->map_type = BPF_CORE_READ(map, map_type);
                BPF_CORE_READ_INTO(&r->map_name, map, name);
        }
        submit(&r->header);
}

static __always_inline void send(struct caller *c, const struct ending *end,
                                 const struct frame *frame) {
        if (is_element(end->cmd))
                send_element(c, end, frame);
        else
                send_call(end, frame);
}

/* Frames that a missed return left open. */
static __always_inline void drop_frames(struct caller *c, u64 thread, u32 above) {
        struct frame_key key = {.thread = thread};
        struct frame *frame;

        for (u32 depth = FRAME_DEPTH_MAX; depth > 0; depth--) {
                if (depth <= above || depth > c->depth)
                        continue;
                key.depth = depth;
                frame = bpf_map_lookup_elem(&frames, &key);
                lost_by_probe(frame ? frame->cmd : c->cmd);
                if (frame)
                        bpf_map_delete_elem(&frames, &key);
        }
        c->depth = above;
}

/* A call from user space begins. */
static __always_inline void enter(struct caller *c, u64 thread, u32 cmd) {
        if (c->depth)
                drop_frames(c, thread, 0);
        c->cmd = cmd;
        c->entered = bpf_ktime_get_ns();
        c->depth = 1;
}

/* Opens a frame for the innermost call. */
static __always_inline struct frame *open_frame(struct caller *c, u64 thread) {
        struct frame_key key = {.thread = thread, .depth = c->depth};

        bpf_map_update_elem(&frames, &key, &blank_frame, BPF_ANY);
        return bpf_map_lookup_elem(&frames, &key);
}

static __always_inline struct frame *innermost(struct caller *c, u64 thread) {
        struct frame_key key = {.thread = thread, .depth = c->depth};

        return bpf_map_lookup_elem(&frames, &key);
}

SEC("tp/syscalls/sys_enter_bpf")
int sys_enter_bpf(struct syscall_enter_context *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);

        if (!c)
                return 0;
        hit(HOOK_SYS_ENTER_BPF);
        enter(c, thread, ctx->args[0]);
        return 0;
}

/* __sys_bpf(int cmd, bpfptr_t attr, unsigned size): bpfptr_t takes two registers, a pointer and
 * whether it points into the kernel. Every road to bpf() passes here. */
SEC("kprobe/__sys_bpf")
int BPF_KPROBE(sys_bpf, u32 cmd, u64 attr, u64 is_kernel, u32 size) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);
        struct frame *frame;
        bool in_kernel = is_kernel & 1, compat = !in_kernel && is_compat();

        if (!c)
                return 0;
        hit(HOOK_SYS_BPF);
        if (!in_kernel)
                enter(c, thread, cmd);
        if (!in_kernel && !compat)
                return 0;

        if (in_kernel && c->depth >= FRAME_DEPTH_MAX) {
                lost_by_probe(cmd);
                return 0;
        }
        if (in_kernel)
                c->depth++;
        frame = open_frame(c, thread);
        if (!frame)
                return 0;
        frame->entered = bpf_ktime_get_ns();
        frame->user_attr = attr;
        frame->cmd = cmd;
        frame->size = size;
        frame->flags = CALL_TIMED | (in_kernel ? CALL_IN_KERNEL : CALL_COMPAT);
        return 0;
}

/* Before Linux 5.14: __do_sys_bpf(int cmd, union bpf_attr *attr, unsigned size), never from inside
 * the kernel. */
SEC("kprobe/__do_sys_bpf")
int BPF_KPROBE(do_sys_bpf, u32 cmd, u64 attr, u32 size) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);
        struct frame *frame;

        if (!c)
                return 0;
        hit(HOOK_SYS_BPF);
        enter(c, thread, cmd);
        if (!is_compat())
                return 0;
        frame = open_frame(c, thread);
        if (!frame)
                return 0;
        frame->entered = c->entered;
        frame->user_attr = attr;
        frame->cmd = cmd;
        frame->size = size;
        frame->flags = CALL_TIMED | CALL_COMPAT;
        return 0;
}

SEC("kprobe/security_bpf")
int BPF_KPROBE(security_bpf, u32 cmd, void *attr, u32 size) {
        u64 thread = bpf_get_current_pid_tgid(), n = size;
        struct caller *c = caller_get(thread);
        struct frame *frame;

        if (!c)
                return 0;
        hit(HOOK_SECURITY_BPF);
        if (!c->depth)
                enter(c, thread, cmd);
        frame = innermost(c, thread);
        if (!frame && !is_wanted(cmd))
                return 0;
        if (!frame)
                frame = open_frame(c, thread);
        if (!frame)
                return 0;
        if (!frame->entered) {
                frame->entered = c->entered;
                frame->cmd = c->cmd;
                frame->size = size;
                frame->flags = CALL_TIMED;
        }
        if (n > RECORD_ATTR_MAX)
                n = RECORD_ATTR_MAX;
        barrier_value(n);
        if (n > RECORD_ATTR_MAX)
                return 0;
        if (!bpf_probe_read_kernel(frame->attr, n, attr)) {
                frame->attr_size = n;
                frame->flags |= CALL_KERNEL_ATTR;
        }
        return 0;
}

static __always_inline struct frame *frame_of_current(enum hook hook) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);

        if (!c || !c->depth)
                return NULL;
        hit(hook);
        return innermost(c, thread);
}

SEC("kprobe/bpf_check")
int BPF_KPROBE(bpf_check) {
        struct frame *frame = frame_of_current(HOOK_BPF_CHECK);

        if (frame)
                frame->flags |= CALL_VERIFIED;
        return 0;
}

SEC("kprobe/security_bpf_prog")
int BPF_KPROBE(security_bpf_prog, struct bpf_prog *prog) {
        struct frame *frame = frame_of_current(HOOK_SECURITY_BPF_PROG);

        if (frame) {
                frame->flags |= CALL_PROG_SEEN;
                fill_prog(&frame->object, prog);
        }
        return 0;
}

SEC("kprobe/security_bpf_map")
int BPF_KPROBE(security_bpf_map, struct bpf_map *map) {
        struct frame *frame = frame_of_current(HOOK_SECURITY_BPF_MAP);

        if (frame)
                fill_map(&frame->object, map);
        return 0;
}

SEC("kprobe/bpf_link_prime")
int BPF_KPROBE(bpf_link_prime, void *link) {
        struct frame *frame = frame_of_current(HOOK_BPF_LINK_PRIME);

        if (frame)
                frame->link = (u64) link;
        return 0;
}

/* The end of an ordinary call: never missed for want of a free kretprobe instance. Where the entry
 * was not hooked, the arguments are still in the thread's registers. */
SEC("tp/syscalls/sys_exit_bpf")
int sys_exit_bpf(struct syscall_exit_context *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = caller_get(thread);
        struct frame_key key = {.thread = thread, .depth = 1};
        struct ending end = {};
        struct frame *frame;

        if (!c)
                return 0;
        hit(HOOK_SYS_EXIT_BPF);
        if (c->depth > 1)
                drop_frames(c, thread, 1);
        end.source = HOOK_SYS_EXIT_BPF;
        end.ret = ctx->ret;
        if (c->depth) {
                end.cmd = c->cmd;
                end.entered = c->entered;
                end.flags = CALL_TIMED;
        } else {
                end.cmd = syscall_argument(0);
        }
        c->depth = 0;
        count(c, end.cmd, end.ret, end.entered, end.flags & CALL_TIMED);

        if (!is_wanted(end.cmd))
                return 0;
        end.user_attr = syscall_argument(1);
        end.size = syscall_argument(2);
        frame = bpf_map_lookup_elem(&frames, &key);
        if (frame)
                end.flags = frame->flags;
        send(c, &end, frame);
        if (frame)
                bpf_map_delete_elem(&frames, &key);
        return 0;
}

/* The end of a call that makes no sys_exit_bpf. */
static __always_inline int leave(s64 ret, u32 kind, enum hook hook) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);
        struct frame_key key = {.thread = thread};
        struct ending end = {};
        struct frame *frame;

        if (!c || !c->depth)
                return 0;
        key.depth = c->depth;
        frame = bpf_map_lookup_elem(&frames, &key);
        if (!frame || !(frame->flags & kind))
                return 0;
        hit(hook);
        c->depth--;
        end.entered = frame->entered;
        end.user_attr = frame->user_attr;
        end.ret = ret;
        end.cmd = frame->cmd;
        end.size = frame->size;
        end.flags = frame->flags;
        end.source = hook;
        count(c, end.cmd, end.ret, end.entered, true);
        if (is_wanted(end.cmd))
                send(c, &end, frame);
        bpf_map_delete_elem(&frames, &key);
        return 0;
}

#if defined(__TARGET_ARCH_x86)
SEC("kretprobe/__ia32_sys_bpf")
#else
SEC("kretprobe/__arm64_sys_bpf")
#endif
int BPF_KRETPROBE(compat_return, s64 ret) {
        return leave(ret, CALL_COMPAT, HOOK_COMPAT_RETURN);
}

SEC("kretprobe/bpf_sys_bpf")
int BPF_KRETPROBE(in_kernel_return, s64 ret) {
        return leave(ret, CALL_IN_KERNEL, HOOK_IN_KERNEL_RETURN);
}

SEC("kretprobe/kern_sys_bpf")
int BPF_KRETPROBE(kern_sys_return, int ret) {
        return leave(ret, CALL_IN_KERNEL, HOOK_KERN_SYS_RETURN);
}

/* Processes ------------------------------------------------------------------------------------ */

SEC("raw_tp/sched_process_exit")
int process_exit(void *ctx) {
        u64 thread = bpf_get_current_pid_tgid();
        struct task_struct *task;
        u32 tgid = thread >> 32;

        if (bpf_map_lookup_elem(&callers, &thread)) {
                hit(HOOK_PROCESS_EXIT);
                caller_flush(thread);
        }
        if (observe != OBSERVE_PID)
                return 0;
        task = (void *) bpf_get_current_task();
        if (BPF_CORE_READ(task, signal, live.counter) == 0)
                bpf_map_delete_elem(&observed_tgids, &tgid);
        return 0;
}

/* sched_process_exec(task, old_pid, bprm): the thread may have had another tid. */
SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx) {
        u64 thread = bpf_get_current_pid_tgid() & 0xffffffff00000000ULL;

        thread |= (u32) ctx->args[1];
        if (bpf_map_lookup_elem(&callers, &thread)) {
                hit(HOOK_PROCESS_EXEC);
                caller_flush(thread);
        }
        return 0;
}

/* sched_process_fork(parent, child): what an observed process starts is observed. */
SEC("raw_tp/sched_process_fork")
int process_fork(struct bpf_raw_tracepoint_args *ctx) {
        struct task_struct *child = (void *) ctx->args[1];
        u32 parent = bpf_get_current_pid_tgid() >> 32, tgid = BPF_CORE_READ(child, tgid);
        u8 yes = 1;

        if (tgid == parent || !bpf_map_lookup_elem(&observed_tgids, &parent))
                return 0;
        hit(HOOK_PROCESS_FORK);
        if (bpf_map_update_elem(&observed_tgids, &tgid, &yes, BPF_ANY))
                lost_other();
        return 0;
}

/* Run once by the daemon, never attached: a pid namespace lies to getpid(). */
SEC("raw_tp")
int whoami(void *ctx) {
        own_tgid = bpf_get_current_pid_tgid() >> 32;
        return 0;
}
