/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What the attributes of a call name when the kernel uses them: by fds, strings and interfaces. */

#include "kernel-call.h"
#include "own.h"
#include "target.h"

enum {
        /* include/uapi/linux/magic.h */
        CGROUP_SUPER_MAGIC = 0x27e0eb,
        SOCKFS_MAGIC = 0x534f434b,
        BPF_FS_MAGIC = 0xcafe4a11,

        NETDEV_HASHENTRIES = 256, /* include/net/net_namespace.h */
        INTERFACES_IN_BUCKET_MAX = 64,
};

/* Filled by the daemon from its table of attributes before this is loaded. */
const volatile struct fd_offsets fd_offsets[COMMAND_SLOTS] __weak;

static __always_inline bool is_netns(struct file *file) {
        struct ns_common___target *ns = BPF_CORE_READ((struct file___call *) file, f_inode,
                                                      i_private);
        char name[4] = {};

        bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(ns, ops, name));
        return *(u32 *) name == ('n' | 'e' << 8 | 't' << 16);
}

/* A token is a file of bpffs that is in no directory. */
static __always_inline bool is_token(struct dentry *dentry) {
        char name[8] = {};

        bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
        return BPF_CORE_READ(dentry, d_parent) == dentry &&
               *(u64 *) name == (NAME8('b', 'p', 'f', '-', 't', 'o', 'k') | (u64) 'e' << 56);
}

static __always_inline u32 kind_of_file(struct file *file, struct dentry *dentry, u64 name) {
        u64 magic = BPF_CORE_READ(dentry, d_sb, s_magic);

        if (magic == CGROUP2_SUPER_MAGIC || magic == CGROUP_SUPER_MAGIC)
                return OBJECT_CGROUP;
        if (magic == SOCKFS_MAGIC)
                return OBJECT_SOCKET;
        if (magic == NSFS_MAGIC && is_netns(file))
                return OBJECT_NETNS;
        if (magic == BPF_FS_MAGIC && is_token(dentry))
                return OBJECT_TOKEN;
        if (name == NAME8('[', 'p', 'e', 'r', 'f', '_', 'e'))
                return OBJECT_PERF_EVENT;
        if (name == NAME8('b', 'p', 'f', '_', 'i', 't', 'e'))
                return OBJECT_ITER;
        return OBJECT_FILE;
}

/* Looks at what an fd of this thread is, for the detail of its frame. A global function: it is
 * walked once, and Linux 5.10 takes numbers alone. */
__weak int look_at_fd(u32 depth, u32 fd) {
        struct frame_key key = {.thread = bpf_get_current_pid_tgid(), .depth = depth};
        struct frame_detail *detail = bpf_map_lookup_elem(&frame_details, &key);
        struct file *file = file_of_fd(fd);
        struct record_object *o;
        struct dentry *dentry;
        struct fd_space *s;
        void *object;
        u64 name;

        if (!detail)
                return 0;
        s = &detail->fd;
        o = &s->object;
        __builtin_memset(s, 0, sizeof(*s));
        if (!file)
                return 0;
        name = inode_name(file);
        object = BPF_CORE_READ(file, private_data);
        s->address = (u64) object;
        if (name == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o')) {
                fill_prog(o, object);
        } else if (name == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p')) {
                fill_map(o, object);
        } else if (name == NAME8('b', 'p', 'f', '_', 'l', 'i', 'n') ||
                   name == NAME8('b', 'p', 'f', '-', 'l', 'i', 'n')) {
                fill_link(o, object);
        } else if (name == NAME8('b', 't', 'f', 0, 0, 0, 0)) {
                fill_btf(o, object);
        } else {
                dentry = BPF_CORE_READ(file, f_path.dentry);
                o->kind = kind_of_file(file, dentry, name);
                o->id = BPF_CORE_READ((struct file___call *) file, f_inode, i_ino);
                if (o->kind == OBJECT_CGROUP || o->kind == OBJECT_FILE)
                        bpf_probe_read_kernel_str(o->name, sizeof(o->name),
                                                  BPF_CORE_READ(dentry, d_name.name));
        }
        return 0;
}

static __always_inline bool is_object(u32 kind) {
        return kind >= OBJECT_PROG && kind <= OBJECT_BTF;
}

/* Takes what was looked at for what the call works on. */
static __always_inline void take_object(struct frame *frame, const struct fd_space *s) {
        if (!is_object(s->object.kind))
                return;
        __builtin_memcpy(&frame->object, &s->object, sizeof(frame->object));
        if (s->object.kind == OBJECT_LINK)
                frame->link = s->address;
        frame->flags |= CALL_OBJECT_FROM_FD;
}

#define ATTR32(frame, offset) (*(u32 *) ((frame)->attr + (offset)))
#define ATTR64(frame, offset) (*(u64 *) ((frame)->attr + (offset)))

/* Where in its attributes a command names the object that it works on by fd; -1: it does not.
 * Offsets of union bpf_attr, include/uapi/linux/bpf.h. */
static __always_inline int object_offset(u32 cmd) {
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
        case CMD_PROG_ASSOC_STRUCT_OPS:
                return 4;
        case BPF_OBJ_PIN:
                return 8;
        case CMD_PROG_STREAM_READ_BY_FD:
                return 16;
        default:
                return -1;
        }
}

/* Looking at an object, or what is attached to it, does nothing to it. */
static __always_inline bool only_looks(u32 cmd) {
        const u64 commands = 1ULL << BPF_OBJ_GET_INFO_BY_FD | 1ULL << BPF_PROG_QUERY |
                             1ULL << BPF_TASK_FD_QUERY;

        return commands & (1ULL << slot_of(cmd));
}

static __always_inline void find_fds(struct frame *frame, struct frame_detail *detail, u32 depth) {
        const volatile struct fd_offsets *offsets = &fd_offsets[slot_of(frame->cmd)];
        int object_at = object_offset(frame->cmd);
        const struct fd_space *s = &detail->fd;
        u32 at, fd, n = offsets->n;

        for (u32 i = 0; i < RECORD_FDS_MAX; i++) {
                if (i >= n)
                        break;
                at = offsets->offsets[i];
                if (at + sizeof(fd) > frame->attr_size)
                        continue;
                barrier_value(at);
                if (at > RECORD_ATTR_MAX - sizeof(fd))
                        continue;
                fd = ATTR32(frame, at);
                look_at_fd(depth, fd);
                detail->fds[i].offset = at;
                detail->fds[i].kind = s->object.kind;
                detail->fds[i].id = s->object.id;
                detail->fds[i].type = s->object.type;
                __builtin_memcpy(detail->fds[i].name, s->object.name, sizeof(s->object.name));
                if (at == (u32) object_at)
                        take_object(frame, s);
        }
}

/* Where the string is that a command's attributes point to; 0: none. */
static __always_inline u64 string_of(const struct frame *frame) {
        u32 type;

        switch (slot_of(frame->cmd)) {
        case BPF_OBJ_PIN:
        case BPF_OBJ_GET:
        case BPF_RAW_TRACEPOINT_OPEN:
                return ATTR64(frame, 0);
        case BPF_PROG_LOAD:
                return ATTR64(frame, 16); /* license */
        case BPF_LINK_CREATE:
                type = ATTR32(frame, 8);
                return type == ATTACH_UPROBE_MULTI || type == ATTACH_UPROBE_SESSION
                               ? ATTR64(frame, 16) /* path */
                               : 0;
        default:
                return 0;
        }
}

static __always_inline void find_string(const struct frame *frame, struct frame_detail *detail) {
        void *string = (void *) string_of(frame);
        s64 n;

        if (!string)
                return;
        n = frame->flags & CALL_IN_KERNEL
                    ? bpf_probe_read_kernel_str(detail->string, sizeof(detail->string), string)
                    : bpf_probe_read_user_str(detail->string, sizeof(detail->string), string);
        detail->string_size = n > 0 ? n : 0;
}

/* The interface with an index, in the network namespace of this thread. */
__weak int target_ifindex(u32 ifindex) {
        struct task_struct *task = (void *) bpf_get_current_task();
        struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);
        struct target_space *s = target_space();
        struct hlist_head___call *buckets;
        struct hlist_node___call *node;
        struct net_device *device;

        if (!s)
                return 0;
        s->target.kind = TARGET_INTERFACE;
        s->target.ifindex = ifindex;
        s->target.netns = BPF_CORE_READ(net, ns.inum);
        buckets = BPF_CORE_READ((struct net___call *) net, dev_index_head);
        buckets += ifindex & (NETDEV_HASHENTRIES - 1);
        node = BPF_CORE_READ(buckets, first);
        for (u32 i = 0; i < INTERFACES_IN_BUCKET_MAX; i++) {
                if (!node)
                        break;
                device = (void *) node -
                         bpf_core_field_offset(struct net_device___call, index_hlist);
                if ((u32) BPF_CORE_READ(device, ifindex) == ifindex) {
                        set_text(&s->target, device->name);
                        break;
                }
                node = BPF_CORE_READ(node, next);
        }
        return 0;
}

/* An attachment without an fd or index is to the network namespace of this thread. */
static __always_inline void target_own_netns(struct record_target *t) {
        struct task_struct *task = (void *) bpf_get_current_task();

        target_netns(t, BPF_CORE_READ(task, nsproxy, net_ns));
}

static __always_inline bool is_of_interface(u32 attach_type) {
        return attach_type == ATTACH_XDP || attach_type == ATTACH_TCX_INGRESS ||
               attach_type == ATTACH_TCX_EGRESS || attach_type == ATTACH_NETKIT_PRIMARY ||
               attach_type == ATTACH_NETKIT_PEER;
}

/* What the attributes say that it is to be attached to, or the link that is there is attached to.
 * Once more at the end of the call for a link that was made. */
static __always_inline void find_target(struct frame *frame, struct frame_detail *detail) {
        struct target_space *s;
        u32 cmd = slot_of(frame->cmd), at = cmd == BPF_LINK_CREATE ? 4 : 0;

        if (cmd == BPF_LINK_UPDATE || cmd == BPF_LINK_DETACH) {
                if (frame->link) {
                        fill_link_target(&detail->target, (void *) frame->link, frame->entered);
                        frame->flags |= CALL_TARGET_FROM_FD;
                }
                return;
        }
        if ((cmd != BPF_LINK_CREATE && cmd != BPF_PROG_ATTACH && cmd != BPF_PROG_DETACH) ||
            !frame->attr_size)
                return;
        s = target_begin();
        if (!s)
                return;
        if (is_of_interface(ATTR32(frame, 8)))
                target_ifindex(at ? ATTR32(frame, 4) : ATTR32(frame, 0));
        else if (!at && ATTR32(frame, 8) == BPF_FLOW_DISSECTOR)
                target_own_netns(&s->target);
        else if (!at || ATTR32(frame, 4)) {
                target_fd(at ? ATTR32(frame, 4) : ATTR32(frame, 0));
                frame->flags |= CALL_TARGET_FROM_FD;
        }
        target_end(&detail->target, s);
}

static __always_inline struct frame_detail *detail_of(const struct frame_key *key,
                                                      const struct frame *frame) {
        struct frame_detail *detail = bpf_map_lookup_elem(&frame_details, key);

        return detail && detail->entered == frame->entered ? detail : NULL;
}

static __always_inline struct frame_detail *open_detail(const struct frame_key *key,
                                                        const struct frame *frame) {
        struct frame_detail *detail;

        bpf_map_update_elem(&frame_details, key, &blank_frame_detail, BPF_ANY);
        detail = bpf_map_lookup_elem(&frame_details, key);
        if (detail)
                detail->entered = frame->entered;
        return detail;
}

static __always_inline bool is_own_target(const struct record_target *t) {
        if (t->kind == TARGET_PROG)
                return is_own(OBJECT_PROG, t->id);
        return (t->kind == TARGET_MAP || t->kind == TARGET_STRUCT_OPS) && is_own(OBJECT_MAP, t->id);
}

/* Marks the call where what it names, or what it is to be attached to, is the daemon's own. A
 * global function, as the next one; it takes none of its stack. */
__weak int mark_own(u32 depth) {
        struct frame_key key = {.thread = bpf_get_current_pid_tgid(), .depth = depth};
        struct frame *frame = bpf_map_lookup_elem(&frames, &key);
        struct frame_detail *detail = bpf_map_lookup_elem(&frame_details, &key);

        if (!frame || !detail || only_looks(frame->cmd))
                return 0;
        if (is_own_target(&detail->target))
                frame->flags |= CALL_OWN;
        for (u32 i = 0; i < RECORD_FDS_MAX; i++)
                if (is_own(detail->fds[i].kind, detail->fds[i].id))
                        frame->flags |= CALL_OWN;
        return 0;
}

/* Finds out what they say that it is to be attached to: see find_fds_and_string(). */
__weak int find_attachment(u32 depth) {
        struct frame_key key = {.thread = bpf_get_current_pid_tgid(), .depth = depth};
        struct frame *frame = bpf_map_lookup_elem(&frames, &key);
        struct frame_detail *detail = bpf_map_lookup_elem(&frame_details, &key);

        if (frame && detail)
                find_target(frame, detail);
        return 0;
}

/* Finds out what the attributes in this thread's frame name. A global function: it is walked once,
 * and Linux 5.10 takes numbers alone. */
__weak int find_fds_and_string(u32 depth) {
        struct frame_key key = {.thread = bpf_get_current_pid_tgid(), .depth = depth};
        struct frame *frame = bpf_map_lookup_elem(&frames, &key);
        struct frame_detail *detail = frame ? open_detail(&key, frame) : NULL;

        if (!detail)
                return 0;
        find_fds(frame, detail, depth);
        find_string(frame, detail);
        return 0;
}

/* All of that. One after the other, so that none needs the stack of another. */
static __always_inline void find_details(u32 depth) {
        find_fds_and_string(depth);
        find_attachment(depth);
        mark_own(depth);
}
