/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* A call between its beginning and its end: its frames, and the record it becomes. */

#include "caller.h"
#include "object.h"
#include "own.h"

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

/* The kernel's copy of the attributes, where the frame has one, else the caller's. `max` is a
 * constant. Returns how many bytes count, and adds to the flags whose copy was not the kernel's. */
static __always_inline u32 fill_attr(u8 *attr, const u32 max, const struct ending *end,
                                     const struct frame *frame, u32 *flags) {
        u64 size = end->size;

        __builtin_memset(attr, 0, max);
        if (frame && frame->flags & CALL_KERNEL_ATTR) {
                __builtin_memcpy(attr, frame->attr, max);
                return frame->attr_size < max ? frame->attr_size : max;
        }
        if (size > max)
                size = max;
        barrier_value(size);
        if (size > max || bpf_probe_read_user(attr, size, (void *) end->user_attr))
                return 0;
        *flags |= CALL_USER_ATTR;
        return size;
}

/* The attributes that stand beside a command's own, from Linux 7.0 on, as the call left them. The
 * kernel's copy passes no function that could be hooked. Returns how many bytes count. */
static __always_inline u32 fill_common(u8 *common, const struct ending *end) {
        u64 size;

        __builtin_memset(common, 0, RECORD_COMMON_MAX);
        if (!(end->cmd & COMMON_ATTRS) || end->source != HOOK_SYS_EXIT_BPF)
                return 0;
        size = (u32) syscall_argument(4);
        if (size > RECORD_COMMON_MAX)
                size = RECORD_COMMON_MAX;
        barrier_value(size);
        if (size > RECORD_COMMON_MAX ||
            bpf_probe_read_user(common, size, (void *) syscall_argument(3)))
                return 0;
        return size;
}

/* The frame may be NULL: then nothing but the ending is known. */
static __always_inline void send_call(const struct ending *end, const struct frame *frame,
                                      const struct record_context *context) {
        struct record_call *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        u64 string = 0;
        s64 n = 0;
        u32 fd = 0;
        int at;

        if (!r) {
                lost_in_ring(end->cmd);
                return;
        }
        fill_header(&r->header, RECORD_CALL, sizeof(*r));
        fill_task(&r->task);
        r->duration = end->flags & CALL_TIMED ? r->header.time - end->entered : 0;
        r->ret = end->ret;
        r->cmd = end->cmd;
        r->size = end->size;
        r->flags = end->flags;
        r->source = end->source;
        r->entered = end->entered;
        r->string_size = 0;
        r->string[0] = 0;
        __builtin_memset(r->fds, 0, sizeof(r->fds));
        __builtin_memset(&r->target, 0, sizeof(r->target));

        r->attr_size = fill_attr(r->attr, RECORD_ATTR_MAX, end, frame, &r->flags);
        r->common_size = fill_common(r->common, end);
        r->pad = 0;

        if (frame)
                __builtin_memcpy(&r->object, &frame->object, sizeof(r->object));
        else
                __builtin_memset(&r->object, 0, sizeof(r->object));
        if (frame && frame->link && end->ret >= 0)
                fill_link(&r->object, (void *) frame->link);
        at = fd_offset(end->cmd);
        if (!r->object.kind) {
                if (end->ret >= 0 && returns_fd(end->cmd)) {
                        fill_from_fd(&r->object, end->ret);
                } else if (at >= 0 && r->attr_size > 0) {
                        __builtin_memcpy(&fd,
                                         r->attr + (at == 0   ? 0
                                                    : at == 4 ? 4
                                                              : 8),
                                         sizeof(fd));
                        fill_from_fd(&r->object, fd);
                }
                if (r->object.kind)
                        r->flags |= CALL_OBJECT_FROM_FD;
        }

        at = string_offset(end->cmd);
        if (at >= 0 && r->attr_size > 0) {
                __builtin_memcpy(&string, r->attr + (at == 0 ? 0 : 16), sizeof(string));
                n = end->flags & CALL_IN_KERNEL
                            ? bpf_probe_read_kernel_str(r->string, sizeof(r->string),
                                                        (void *) string)
                            : bpf_probe_read_user_str(r->string, sizeof(r->string),
                                                      (void *) string);
                r->string_size = n > 0 ? n : 0;
        }
        bpf_probe_read_kernel(&r->context, sizeof(r->context), context);
        submit(&r->header);
}

/* An element operation: no frame is kept for it on its way, and the record is small. */
static __always_inline void send_element(const struct ending *end, const struct frame *frame) {
        struct record_element *r;
        struct file *file;
        struct bpf_map *map;
        u32 fd;

        r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                lost_in_ring(end->cmd);
                return;
        }
        fill_header(&r->header, RECORD_ELEMENT, sizeof(*r));
        fill_task(&r->task);
        r->duration = end->flags & CALL_TIMED ? r->header.time - end->entered : 0;
        r->ret = end->ret;
        r->cmd = end->cmd;
        r->size = end->size;
        r->flags = end->flags;
        r->source = end->source;
        r->map_id = r->map_type = 0;
        r->pad = 0;
        __builtin_memset(r->map_name, 0, sizeof(r->map_name));
        r->attr_size = fill_attr(r->attr, RECORD_ELEMENT_ATTR_MAX, end, frame, &r->flags);

        /* map_fd stands first, in the batch commands at 36. */
        if (slot_of(end->cmd) >= BPF_MAP_LOOKUP_BATCH)
                __builtin_memcpy(&fd, r->attr + 36, sizeof(fd));
        else
                __builtin_memcpy(&fd, r->attr, sizeof(fd));
        file = r->attr_size > 0 ? file_of_fd(fd) : NULL;
        if (file && inode_name(file) == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p')) {
                map = BPF_CORE_READ(file, private_data);
                r->map_id = BPF_CORE_READ(map, id);
                r->map_type = BPF_CORE_READ(map, map_type);
                BPF_CORE_READ_INTO(&r->map_name, map, name);
        }
        submit(&r->header);
}

/* Anybody may make calls that are refused, as fast as a processor goes. They don't get the half of
 * the ring that other people's calls need. */
static __always_inline bool is_noise(const struct ending *end) {
        return end->ret == -EPERM && (u32) bpf_get_current_uid_gid() != 0 &&
               bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
                       bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2;
}

/* Tells who calls, where that is not known yet, and what was called, where somebody wants it. The
 * context is taken at one place: the verifier walks it for every way that leads there. */
static __always_inline void send(struct caller *c, const struct ending *end,
                                 const struct frame *frame) {
        bool wants = is_wanted(end->cmd) || end->flags & CALL_OWN, element = is_element(end->cmd);
        struct record_context *context;

        if (wants && is_noise(end)) {
                lost_in_ring(end->cmd);
                return;
        }

        if (wants && element && c->told) {
                send_element(end, frame);
                return;
        }
        if (!wants && c->told)
                return;
        context = current_context();
        if (!context)
                return;
        if (!c->told)
                send_process(c, context);
        if (wants && element)
                send_element(end, frame);
        else if (wants)
                send_call(end, frame, context);
}

/* Closes what is open above a depth: calls whose end was not seen are lost. */
static __always_inline void drop_frames(struct caller *c, u64 thread, u32 above) {
        struct frame_key key = {.thread = thread};
        struct frame *frame;
        u32 cmd;

        for (u32 depth = FRAME_DEPTH_MAX; depth > 0; depth--) {
                if (depth <= above)
                        continue;
                key.depth = depth;
                frame = c->framed & 1 << depth ? bpf_map_lookup_elem(&frames, &key) : NULL;
                cmd = frame ? frame->cmd : depth == 1 ? c->cmd : (u32) -1;
                if (frame)
                        bpf_map_delete_elem(&frames, &key);
                if (depth <= c->depth)
                        lost_by_probe(cmd);
        }
        c->depth = above;
        c->framed &= (2 << above) - 1;
}

/* A call from user space begins. Threads that share their counters have no state: their calls are
 * told from the registers at the end. */
static __always_inline void enter(struct caller *c, u64 thread, u32 cmd) {
        if (is_shared(c))
                return;
        if (c->depth | c->framed)
                drop_frames(c, thread, 0);
        c->cmd = cmd;
        c->entered = bpf_ktime_get_ns();
        c->depth = 1;
}

/* Where the frame of the innermost call is; a thread without state has one at most. */
static __always_inline u32 frame_depth(const struct caller *c) {
        return is_shared(c) ? 1 : c->depth;
}

/* Opens a frame for the innermost call. NULL where there are too many already. */
static __always_inline struct frame *open_frame(struct caller *c, u64 thread, u32 cmd, u32 size,
                                                u32 flags) {
        struct frame_key key = {.thread = thread, .depth = frame_depth(c)};
        struct frame *frame;

        bpf_map_update_elem(&frames, &key, &blank_frame, BPF_ANY);
        frame = bpf_map_lookup_elem(&frames, &key);
        if (!frame)
                return NULL;
        frame->entered = key.depth > 1 || is_shared(c) ? bpf_ktime_get_ns() : c->entered;
        frame->cmd = cmd;
        frame->size = size;
        frame->flags = flags | CALL_TIMED;
        if (!is_shared(c))
                c->framed |= 1 << (key.depth & FRAME_DEPTH_MAX);
        return frame;
}

static __always_inline struct frame *innermost(struct caller *c, u64 thread) {
        struct frame_key key = {.thread = thread, .depth = frame_depth(c)};

        return bpf_map_lookup_elem(&frames, &key);
}

/* The thread leaves, or becomes another program. Counters that find no room in the ring stay where
 * they are: of a thread that has left until the daemon looks for them. */
static __always_inline void caller_leaves(u64 thread, bool exec, enum hook hook) {
        struct caller *c = bpf_map_lookup_elem(&callers, &thread);

        if (!c)
                return;
        hit(hook);
        if (c->depth | c->framed)
                drop_frames(c, thread, 0);
        if (send_counters(c)) {
                bpf_map_delete_elem(&callers, &thread);
        } else if (exec) {
                c->told = 0;
        } else {
                c->left = 1;
                count_left();
        }
}
