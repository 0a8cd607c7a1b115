/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Element operations: the map that they work on, and the first bytes of key and value. */

#include "fds.h"

/* map_fd stands first, in the batch commands at 36. `attr`: RECORD_ELEMENT_ATTR_MAX bytes. */
static __always_inline void fill_element_map(struct record_object *o, u32 cmd, const u8 *attr) {
        struct file *file;
        struct bpf_map *map;
        u32 fd;

        if (slot_of(cmd) >= BPF_MAP_LOOKUP_BATCH)
                __builtin_memcpy(&fd, attr + 36, sizeof(fd));
        else
                __builtin_memcpy(&fd, attr, sizeof(fd));
        file = file_of_fd(fd);
        if (!file || inode_name(file) != NAME8('b', 'p', 'f', '-', 'm', 'a', 'p'))
                return;
        map = BPF_CORE_READ(file, private_data);
        o->id = BPF_CORE_READ(map, id);
        o->type = BPF_CORE_READ(map, map_type);
        BPF_CORE_READ_INTO(&o->name, map, name);
        if (!wants_content)
                return;
        o->key_size = BPF_CORE_READ(map, key_size);
        o->value_size = BPF_CORE_READ(map, value_size);
}

/* Reads what a caller points to, RECORD_CONTENT_MAX bytes at most. Returns how many. */
static __always_inline u32 read_content(u8 *to, u64 n, u64 from, bool in_kernel) {
        if (n > RECORD_CONTENT_MAX)
                n = RECORD_CONTENT_MAX;
        barrier_value(n);
        if (n > RECORD_CONTENT_MAX || !from)
                return 0;
        if (in_kernel ? bpf_probe_read_kernel(to, n, (void *) from)
                      : bpf_probe_read_user(to, n, (void *) from))
                return 0;
        return n;
}

/* Finds key and value of an operation in this thread's frame: what it is given when it begins, what
 * it gives when it has ended. The batch commands have many. */
__weak int find_content(u32 depth, s64 ret, u32 ended) {
        struct frame_key key = {.thread = bpf_get_current_pid_tgid(), .depth = depth};
        struct frame *frame = bpf_map_lookup_elem(&frames, &key);
        struct frame_detail *detail;
        bool in_kernel, is_new;
        u32 cmd;

        if (!frame)
                return 0;
        cmd = slot_of(frame->cmd);
        in_kernel = frame->flags & CALL_IN_KERNEL;
        if (cmd >= BPF_MAP_LOOKUP_BATCH)
                return 0;
        if (!(frame->flags & CALL_KERNEL_ATTR))
                fill_element_map(&frame->object, cmd, frame->attr);
        detail = detail_of(&key, frame);
        is_new = !detail;
        if (is_new)
                detail = open_detail(&key, frame);
        if (!detail)
                return 0;
        if (is_new)
                detail->content.key_size = read_content(detail->content.key, frame->object.key_size,
                                                        ATTR64(frame, 8), in_kernel);
        if ((is_new && cmd == BPF_MAP_UPDATE_ELEM) ||
            (ended && ret >= 0 &&
             (cmd == BPF_MAP_LOOKUP_ELEM || cmd == BPF_MAP_LOOKUP_AND_DELETE_ELEM)))
                detail->content.value_size = read_content(detail->content.value,
                                                          frame->object.value_size,
                                                          ATTR64(frame, 16), in_kernel);
        return 0;
}
