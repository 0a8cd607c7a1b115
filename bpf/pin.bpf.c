/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pins: the names that objects have in the BPF file system. */

#include "action.h"
#include "kernel-life.h"
#include "map-ids.h"
#include "own.h"

enum {
        MOUNTS_MAX = 16, /* of a file system that are looked at */
        PIN_PATH_MAX = 512,

        RENAME_EXCHANGE = 1 << 1,  /* include/uapi/linux/fs.h */
        BPF_FS_MAGIC = 0xcafe4a11, /* include/uapi/linux/magic.h */
};

/* Room for what a stack has no room for; no two programs use it at a time on one CPU. */
struct pin_room {
        struct action_frame frame;
        struct dentry *dentry;
        void *raw;     /* what is pinned */
        u64 path_size; /* bytes used in `path` */
        u64 path_cut;
        char path[PIN_PATH_MAX + PATH_COMPONENT_SIZE];
};

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, u32);
        __type(value, struct pin_room);
} pin_rooms __weak SEC(".maps");

static __always_inline struct pin_room *pin_room(void) {
        u32 zero = 0;

        return bpf_map_lookup_elem(&pin_rooms, &zero);
}

/* How the mounts of a file system hang together. */
struct mount_chain {
        u64 first; /* offset in the super block */
        u64 next;  /* offset in a mount */
        u64 back;  /* from what they point to, to the mount itself */
};

static __always_inline struct mount_chain mount_chain(void) {
        struct mount_chain chain = {};

        if (bpf_core_field_exists(struct mount___list, mnt_instance)) {
                chain.first = bpf_core_field_offset(struct super_block___list, s_mounts);
                chain.next = bpf_core_field_offset(struct mount___list, mnt_instance);
                chain.back = chain.next;
        } else {
                chain.first = bpf_core_field_offset(struct super_block___chain, s_mounts);
                chain.next = bpf_core_field_offset(struct mount___chain, mnt_next_for_sb);
        }
        barrier_value(chain.first);
        barrier_value(chain.next);
        barrier_value(chain.back);
        return chain;
}

static __always_inline u64 read_pointer(u64 at) {
        u64 p = 0;

        bpf_probe_read_kernel(&p, sizeof(p), (void *) at);
        return p;
}

/* Where a file system is mounted: where the caller sees it, or else at the first place. */
static __always_inline struct mount *mount_of(struct super_block *sb) {
        struct task_struct *task = (void *) bpf_get_current_task();
        struct mnt_namespace *namespace = BPF_CORE_READ(task, nsproxy, mnt_ns);
        struct mount_chain chain = mount_chain();
        u64 head = (u64) sb + chain.first, at = read_pointer(head), first = 0;
        struct mount___owned *mount;

        for (int i = 0; i < MOUNTS_MAX; i++) {
                if (!at || at == head)
                        break;
                mount = (void *) (at - chain.back);
                if (!first)
                        first = (u64) mount;
                if (BPF_CORE_READ(mount, mnt_ns) == namespace) {
                        first = (u64) mount;
                        break;
                }
                at = read_pointer((u64) mount + chain.next);
        }
        return (void *) first;
}

/* Walks from the dentry of the room to the root. A global function without arguments: see
 * take_context(). */
__weak int take_path(void) {
        struct pin_room *s = pin_room();
        struct dentry *dentry;
        struct mount *mount;
        u64 used = 0;

        if (!s)
                return 0;
        dentry = s->dentry;
        mount = mount_of(BPF_CORE_READ(dentry, d_sb));
        s->path_cut = !mount ||
                      add_path(s->path, sizeof(s->path), PIN_PATH_MAX, &used, dentry, &mount->mnt);
        s->path_size = used;
        return 0;
}

/* Sends the path of the room's dentry as a part of what this thread `entered`. */
static __always_inline void send_path(struct pin_room *s, u64 entered) {
        struct record_part what = {
                .thread = bpf_get_current_pid_tgid(),
                .entered = entered,
                .part = PART_PATH,
        };

        take_path();
        what.total = s->path_size + s->path_cut;
        if (s->path_size <= RECORD_PART_SMALL)
                send_piece(&what, 0, s->path_size, s->path, false, RECORD_PART_SMALL);
        else
                send_piece(&what, 0, s->path_size, s->path, false, RECORD_PART_LARGE);
}

static __always_inline bool is_program(struct bpf_prog *prog) {
        struct bpf_prog_aux___back *aux = (void *) BPF_CORE_READ(prog, aux);

        return prog && BPF_CORE_READ(aux, prog) == prog;
}

/* Links of functions that the kernel calls have no program. */
static __always_inline bool is_link(struct bpf_link *link) {
        struct bpf_prog *prog = BPF_CORE_READ(link, prog);

        return prog ? is_program(prog)
                    : BPF_CORE_READ(link, type) == BPF_LINK_TYPE_STRUCT_OPS &&
                               BPF_CORE_READ(link, id);
}

/* What a file of the BPF file system stands for. All that it has is a pointer; `map_ids` may have
 * had no room for it. */
static __always_inline void fill_pinned(struct record_object *o, void *raw) {
        u64 key = (u64) raw;

        if (bpf_map_lookup_elem(&map_ids, &key))
                fill_map(o, raw);
        else if (is_program(raw))
                fill_prog(o, raw);
        else if (is_link(raw))
                fill_link(o, raw);
        else
                fill_map(o, raw);
}

static __always_inline void *pinned_by(struct dentry *dentry) {
        if (BPF_CORE_READ(dentry, d_sb, s_magic) != BPF_FS_MAGIC)
                return NULL;
        return BPF_CORE_READ((struct dentry___inode *) dentry, d_inode, i_private);
}

/* vfs_mkobj(dentry, mode, make, raw): a file for an object is about to be made, after all that
 * could be wrong with its path was looked at. */
SEC("kprobe/vfs_mkobj")
int BPF_KPROBE(pin_made, struct dentry *dentry, u32 mode, void *make, void *raw) {
        u64 thread = bpf_get_current_pid_tgid();
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);
        struct frame_key key = {.thread = thread};
        struct pin_room *s = pin_room();
        struct frame *frame;

        if (!c || !s || BPF_CORE_READ(dentry, d_sb, s_magic) != BPF_FS_MAGIC)
                return 0;
        key.depth = c->start_time ? c->depth : 1;
        frame = bpf_map_lookup_elem(&frames, &key);
        if (!frame)
                return 0;
        hit(HOOK_VFS_MKOBJ);
        /* The file system takes no objects but pins, and makes pins for bpf() alone. */
        __builtin_memset(&frame->object, 0, sizeof(frame->object));
        fill_pinned(&frame->object, raw);
        frame->link = 0;
        frame->flags &= ~CALL_OBJECT_FROM_FD;
        if (is_own(frame->object.kind, frame->object.id))
                frame->flags |= CALL_OWN;
        s->dentry = dentry;
        send_path(s, frame->entered);
        return 0;
}

/* Sends the pin of the room, that came or went. A global function: see take_context(). */
__weak int send_pin(u32 action, u32 hook) {
        struct pin_room *s = pin_room();

        if (!s || !s->raw)
                return 0;
        __builtin_memcpy(&s->frame, &blank_action_frame, sizeof(s->frame));
        s->frame.entered = bpf_ktime_get_ns();
        s->frame.action = action;
        s->frame.flags = CALL_ATTRIBUTED;
        fill_pinned(&s->frame.object, s->raw);
        send_path(s, s->frame.entered);
        action_send(&s->frame, 0, hook);
        return 0;
}

static __always_inline void tell_pin(u32 action, struct dentry *dentry, void *raw, u32 hook) {
        struct pin_room *s = pin_room();

        if (!s)
                return;
        s->dentry = dentry;
        s->raw = raw;
        send_pin(action, hook);
}

/* It never fails. */
SEC("kprobe/simple_unlink")
int BPF_KPROBE(pin_unlinked, void *directory, struct dentry *dentry) {
        void *raw = pinned_by(dentry);

        if (!raw || !observes_current())
                return 0;
        hit(HOOK_SIMPLE_UNLINK);
        tell_pin(ACTION_UNPIN, dentry, raw, HOOK_SIMPLE_UNLINK);
        return 0;
}

/* A hard link: one more name. It never fails, either. */
SEC("kprobe/simple_link")
int BPF_KPROBE(pin_linked, struct dentry *from, void *directory, struct dentry *to) {
        void *raw = pinned_by(from);

        if (!raw || !observes_current())
                return 0;
        hit(HOOK_SIMPLE_LINK);
        tell_pin(ACTION_PIN, to, raw, HOOK_SIMPLE_LINK);
        return 0;
}

/* All that could be wrong with a new name was looked at but for what security modules say. What
 * comes then does not fail for files of this file system, and cannot be hooked on Linux 5.10. */
SEC("kprobe/security_inode_rename")
int BPF_KPROBE(pin_renamed, void *old_directory, struct dentry *from, void *new_directory,
               struct dentry *to, u32 flags) {
        struct action_frame *frame;

        if (BPF_CORE_READ(from, d_sb, s_magic) != BPF_FS_MAGIC)
                return 0;
        frame = action_open(ACTION_UNPIN, ROAD_NONE, 0, HOOK_INODE_RENAME);
        if (!frame)
                return 0;
        frame->subject = (u64) from;
        frame->extra = (u64) to;
        frame->road_flags = flags;
        return 0;
}

/* The pins still have their old names. One that is replaced is told here: the kernel removes it
 * without passing simple_unlink(), which the compiler puts into its caller. */
SEC("kretprobe/security_inode_rename")
int BPF_KRETPROBE(pin_renamed_return, int ret) {
        struct action_frame *frame = action_current();
        struct dentry *from, *to;
        void *moved, *other;
        bool exchange;

        if (!frame || frame->hook != HOOK_INODE_RENAME)
                return 0;
        hit(HOOK_INODE_RENAME_RETURN);
        from = (void *) frame->subject;
        to = (void *) frame->extra;
        exchange = frame->road_flags & RENAME_EXCHANGE;
        action_drop();
        if (ret < 0)
                return 0;
        moved = pinned_by(from);
        other = pinned_by(to);
        tell_pin(ACTION_UNPIN, to, other, HOOK_INODE_RENAME_RETURN);
        tell_pin(ACTION_UNPIN, from, moved, HOOK_INODE_RENAME_RETURN);
        tell_pin(ACTION_PIN, to, moved, HOOK_INODE_RENAME_RETURN);
        if (exchange)
                tell_pin(ACTION_PIN, from, other, HOOK_INODE_RENAME_RETURN);
        return 0;
}
