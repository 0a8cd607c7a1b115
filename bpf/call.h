/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* A call between its beginning and its end: its frames, and the record it becomes. */

#include "caller.h"
#include "code.h"
#include "content.h"
#include "fds.h"
#include "own.h"
#include "verdict.h"

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

static __always_inline void fill_outcome(struct record_outcome *o, const struct ending *end,
                                         u64 now) {
        o->duration = end->flags & CALL_TIMED ? now - end->entered : 0;
        o->ret = end->ret;
        o->cmd = end->cmd;
        o->size = end->size;
        o->flags = end->flags;
        o->source = end->source;
}

/* Closes a frame, with what was found for it. */
static __always_inline void close_frame(const struct frame_key *key) {
        bpf_map_delete_elem(&frame_details, key);
        bpf_map_delete_elem(&frames, key);
}

/* The same for a call that has been told: what is not there need not be looked for. */
static __always_inline void end_frame(const struct frame_key *key, const struct frame *frame,
                                      u32 cmd) {
        if (!is_element(cmd) || wants_content)
                close_frame(key);
        else if (frame)
                bpf_map_delete_elem(&frames, key);
}

/* Opens a frame at `key`. NULL where there are too many already. */
static __always_inline struct frame *make_frame(const struct frame_key *key, u64 entered, u32 cmd,
                                                u32 size, u32 flags) {
        struct frame *frame;

        bpf_map_update_elem(&frames, key, &blank_frame, BPF_ANY);
        frame = bpf_map_lookup_elem(&frames, key);
        if (!frame)
                return NULL;
        frame->entered = entered;
        frame->cmd = cmd;
        frame->size = size;
        frame->flags = flags;
        return frame;
}

/* The frame of a call that ends, with the caller's attributes where the kernel's copy was not seen,
 * and then with what they name by now. NULL: nothing but the ending is known. */
static __always_inline struct frame *complete_frame(const struct frame_key *key,
                                                    struct frame *frame, const struct ending *end) {
        u64 size = end->size;

        if (!frame)
                frame = make_frame(key, end->entered ?: bpf_ktime_get_ns(), end->cmd, end->size,
                                   end->flags);
        if (!frame)
                return NULL;
        frame->user_attr = end->user_attr;
        frame->size = end->size;
        if (frame->flags & CALL_KERNEL_ATTR)
                return frame;
        if (size > RECORD_ATTR_MAX)
                size = RECORD_ATTR_MAX;
        barrier_value(size);
        if (size > RECORD_ATTR_MAX ||
            bpf_probe_read_user(frame->attr, size, (void *) end->user_attr))
                return frame;
        frame->attr_size = size;
        frame->flags |= CALL_USER_ATTR;
        if (!is_element(end->cmd))
                find_details(key->depth);
        return frame;
}

static __always_inline bool returns_fd(u32 cmd) {
        const u64 commands = 1ULL << BPF_MAP_CREATE | 1ULL << BPF_PROG_LOAD | 1ULL << BPF_OBJ_GET |
                             1ULL << BPF_PROG_GET_FD_BY_ID | 1ULL << BPF_MAP_GET_FD_BY_ID |
                             1ULL << BPF_RAW_TRACEPOINT_OPEN | 1ULL << BPF_BTF_LOAD |
                             1ULL << BPF_BTF_GET_FD_BY_ID | 1ULL << BPF_LINK_CREATE |
                             1ULL << BPF_LINK_GET_FD_BY_ID;

        return commands & (1ULL << slot_of(cmd));
}

/* What a call that went well made or opened. */
static __always_inline void gather_object(struct frame *frame, struct frame_detail *detail,
                                          u32 depth, u32 fd) {
        u32 cmd = slot_of(frame->cmd);

        if (!frame->link && !frame->object.kind && returns_fd(frame->cmd)) {
                look_at_fd(depth, fd);
                take_object(frame, &detail->fd);
                frame->flags |= CALL_OBJECT_FROM_FD;
                if (cmd == BPF_PROG_LOAD && detail->fd.object.kind == OBJECT_PROG)
                        send_used_maps(frame->entered, detail->fd.address);
        } else if (frame->link) {
                fill_link(&frame->object, (void *) frame->link);
        }
        if (frame->link && (cmd == BPF_LINK_CREATE || cmd == BPF_RAW_TRACEPOINT_OPEN)) {
                fill_link_target(&detail->target, (void *) frame->link, frame->entered);
                mark_own(depth);
                if (!(frame->flags & CALL_OBJECT_FROM_FD))
                        frame->flags &= ~CALL_TARGET_FROM_FD;
        }
}

/* Whether instructions are worth the room that they take where bpf_check() is not hooked: what was
 * refused beforehand may be anything, from anybody. EACCES is the verifier's usual word, ENOSPC
 * that its log found no room. */
static __always_inline bool takes_instructions(const struct frame *frame, s64 ret) {
        return !sees_verifier && slot_of(frame->cmd) == BPF_PROG_LOAD &&
               (ret >= 0 || ret == -EACCES || ret == -ENOSPC);
}

/* Whether the caller's buffer can have a verdict: not that of a program that was not looked at. */
static __always_inline bool has_verdict(const struct frame *frame, s64 ret) {
        u32 cmd = slot_of(frame->cmd);

        if (ret >= 0 || ret == -EPERM)
                return false;
        if (cmd == BPF_PROG_LOAD)
                return frame->flags & CALL_VERIFIED || !sees_verifier;
        return cmd == BPF_BTF_LOAD;
}

/* Finds out what is known of a call when it ends, and sends its parts, which come before its
 * record. A global function: it is walked once, and Linux 5.10 takes numbers alone. */
__weak int gather(u32 depth, s64 ret) {
        struct frame_key key = {.thread = bpf_get_current_pid_tgid(), .depth = depth};
        struct frame *frame = bpf_map_lookup_elem(&frames, &key);
        struct frame_detail *detail;

        if (!frame)
                return 0;
        detail = detail_of(&key, frame);
        if (!detail)
                detail = open_detail(&key, frame);
        /* Its page may not have been in memory then. */
        if (detail && !detail->string_size)
                find_string(frame, detail);
        if (detail && ret >= 0)
                gather_object(frame, detail, depth, ret);
        if (takes_instructions(frame, ret))
                send_instructions(frame->entered, ATTR64(frame, 8), ATTR32(frame, 4),
                                  !(frame->flags & CALL_IN_KERNEL));
        if (detail && has_verdict(frame, ret))
                tell_verdict(frame, &detail->log);
        return 0;
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

static __always_inline bool send_call(const struct ending *end, const struct frame_key *key) {
        const struct frame *frame = bpf_map_lookup_elem(&frames, key);
        const struct frame_detail *detail = frame ? detail_of(key, frame) : NULL;
        struct record_call *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

        if (!r) {
                lost_in_ring(end->cmd);
                return false;
        }
        fill_header(&r->header, RECORD_CALL, sizeof(*r));
        fill_task(&r->task);
        fill_outcome(&r->outcome, end, r->header.time);
        __builtin_memset(&r->object, 0, sizeof(r->object));
        __builtin_memset(r->attr, 0, sizeof(r->attr));
        __builtin_memset(r->fds, 0, sizeof(r->fds));
        __builtin_memset(&r->target, 0, sizeof(r->target));
        r->entered = end->entered;
        r->attr_size = r->string_size = r->pad = 0;
        r->common_size = fill_common(r->common, end);
        r->string[0] = 0;
        if (frame) {
                r->outcome.flags |= frame->flags & ~(u32) CALL_TIMED;
                r->entered = frame->entered;
                bpf_probe_read_kernel(&r->object, sizeof(r->object), &frame->object);
                bpf_probe_read_kernel(r->attr, sizeof(r->attr), frame->attr);
                r->attr_size = frame->attr_size;
        }
        if (detail) {
                bpf_probe_read_kernel(r->fds, sizeof(r->fds), detail->fds);
                bpf_probe_read_kernel(&r->target, sizeof(r->target), &detail->target);
                bpf_probe_read_kernel(r->string, sizeof(r->string), detail->string);
                r->string_size = detail->string_size;
        }
        submit(&r->header);
        return true;
}

static __always_inline void fill_element(struct record_element *r, u32 kind, u32 size,
                                         const struct ending *end, const struct frame *frame) {
        struct record_object o = {};
        u64 n = end->size;

        fill_header(&r->header, kind, size);
        fill_task(&r->task);
        fill_outcome(&r->outcome, end, r->header.time);
        __builtin_memset(r->attr, 0, sizeof(r->attr));
        r->attr_size = 0;
        r->pad = 0;
        if (frame && frame->flags & (CALL_KERNEL_ATTR | CALL_USER_ATTR)) {
                __builtin_memcpy(r->attr, frame->attr, sizeof(r->attr));
                r->attr_size = frame->attr_size < sizeof(r->attr) ? frame->attr_size
                                                                  : sizeof(r->attr);
                r->outcome.flags |= frame->flags & CALL_USER_ATTR;
                r->map_id = frame->object.id;
                r->map_type = frame->object.type;
                __builtin_memcpy(r->map_name, frame->object.name, sizeof(r->map_name));
                return;
        }
        if (n > sizeof(r->attr))
                n = sizeof(r->attr);
        barrier_value(n);
        if (n <= sizeof(r->attr) && !bpf_probe_read_user(r->attr, n, (void *) end->user_attr)) {
                r->attr_size = n;
                r->outcome.flags |= CALL_USER_ATTR | CALL_OBJECT_FROM_FD;
                fill_element_map(&o, end->cmd, r->attr);
        }
        r->map_id = o.id;
        r->map_type = o.type;
        __builtin_memcpy(r->map_name, o.name, sizeof(r->map_name));
}

/* An element operation: the record is small. */
static __always_inline void send_element(const struct ending *end, const struct frame *frame) {
        struct record_element *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

        if (!r) {
                lost_in_ring(end->cmd);
                return;
        }
        fill_element(r, RECORD_ELEMENT, sizeof(*r), end, frame);
        submit(&r->header);
}

/* One whose key and value somebody asks for. */
static __always_inline void send_content(const struct ending *end, const struct frame_key *key) {
        const struct frame *frame = bpf_map_lookup_elem(&frames, key);
        const struct frame_detail *detail = frame ? detail_of(key, frame) : NULL;
        struct record_content *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

        if (!r) {
                lost_in_ring(end->cmd);
                return;
        }
        fill_element(&r->element, RECORD_CONTENT, sizeof(*r), end, frame);
        __builtin_memset(&r->content, 0, sizeof(r->content));
        if (detail)
                bpf_probe_read_kernel(&r->content, sizeof(r->content), &detail->content);
        submit(&r->element.header);
}

/* Tells who calls, for what comes without its own word of that. */
static __always_inline void introduce(struct caller *c) {
        if (!c->told && tell_context(0))
                c->told = 1;
}

static __always_inline void send_operation(const struct ending *end, struct frame *frame,
                                           const struct frame_key *key) {
        if (!wants_content) {
                send_element(end, frame);
                return;
        }
        if (complete_frame(key, frame, end))
                find_content(key->depth, end->ret, true);
        send_content(end, key);
}

/* Tells who calls, where that is not known yet, and what was called, where somebody wants it. */
static __always_inline void send(struct caller *c, const struct ending *end, struct frame *frame,
                                 const struct frame_key *key) {
        u64 entered = end->entered;
        bool told;

        if (!is_wanted(end->cmd) && !(end->flags & CALL_OWN)) {
                introduce(c);
                return;
        }
        if (is_crowded() && !is_privileged()) {
                lost_in_ring(end->cmd);
                return;
        }
        if (is_element(end->cmd)) {
                introduce(c);
                send_operation(end, frame, key);
                return;
        }
        frame = complete_frame(key, frame, end);
        if (frame) {
                entered = frame->entered;
                gather(key->depth, end->ret);
        }
        told = tell_context(entered);
        if (send_call(end, key) && told)
                c->told = 1;
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
                        close_frame(&key);
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
        c->ended = 0;
}

/* Where the frame of the innermost call is; a thread without state has one at most. */
static __always_inline u32 frame_depth(const struct caller *c) {
        return is_shared(c) ? 1 : c->depth;
}

/* Opens a frame for the innermost call. NULL where there are too many already. */
static __always_inline struct frame *open_frame(struct caller *c, u64 thread, u32 cmd, u32 size,
                                                u32 flags) {
        struct frame_key key = {.thread = thread, .depth = frame_depth(c)};
        u64 entered = key.depth > 1 || is_shared(c) ? bpf_ktime_get_ns() : c->entered;
        struct frame *frame = make_frame(&key, entered, cmd, size, flags | CALL_TIMED);

        if (frame && !is_shared(c))
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

/* The end of an ordinary call: never missed for want of a free kretprobe instance. Where the entry
 * was not hooked, the arguments are still in the thread's registers. */
static __always_inline void call_ends(struct caller *c, u64 thread, s64 ret) {
        struct frame_key key = {.thread = thread, .depth = 1};
        struct ending end = {};
        struct frame *frame;

        if (c->depth > 1)
                drop_frames(c, thread, 1);
        end.source = HOOK_SYS_EXIT_BPF;
        end.ret = ret;
        if (c->depth) {
                end.cmd = c->cmd;
                end.entered = c->entered;
                end.flags = CALL_TIMED | sees_verifier;
        } else {
                end.cmd = syscall_argument(0);
                end.flags = sees_verifier;
        }
        c->depth = 0;
        count(c, end.cmd, end.ret, end.entered, end.flags & CALL_TIMED);

        frame = c->framed || is_shared(c) ? bpf_map_lookup_elem(&frames, &key) : NULL;
        c->framed = 0;
        if (frame) {
                end.flags = frame->flags | sees_verifier;
                end.entered = frame->entered;
        }
        if (may_touch_own(end.cmd) && touches_own(end.cmd, end.ret, syscall_argument(1), false))
                end.flags |= CALL_OWN;
        if (c->told && !is_wanted(end.cmd) && !(end.flags & CALL_OWN)) {
                if (frame)
                        close_frame(&key);
                return;
        }
        end.user_attr = syscall_argument(1);
        end.size = syscall_argument(2);
        send(c, &end, frame, &key);
        end_frame(&key, frame, end.cmd);
}
