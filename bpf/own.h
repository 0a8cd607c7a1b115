/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The daemon's own objects: who opens or writes one is told of, whatever is wanted. */

#include "object.h"

enum { OWN_MAX = 1024 };

/* The daemon fills it. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, OWN_MAX);
        __type(key, struct object_key);
        __type(value, u8);
} own_objects __weak SEC(".maps");

/* Somebody has opened one, or got its fd in another way: from then on it is looked at who writes.
 */
__u32 own_exposed __weak;

/* A global function: its callers need their stack for themselves. */
__weak int is_own(u32 kind, u32 id) {
        struct object_key key = {.kind = kind, .id = id};

        return id && bpf_map_lookup_elem(&own_objects, &key);
}

/* Whether an open file is one of them. A global function: it is walked once, and Linux 5.10 takes
 * numbers alone. */
__weak int file_is_own(u64 address) {
        struct file *file = (void *) address;
        void *object;
        u64 name;

        if (!file)
                return 0;
        name = inode_name(file);
        if (!name)
                return 0;
        object = BPF_CORE_READ(file, private_data);
        if (name == NAME8('b', 'p', 'f', '-', 'p', 'r', 'o'))
                return is_own(OBJECT_PROG, BPF_CORE_READ((struct bpf_prog *) object, aux, id));
        if (name == NAME8('b', 'p', 'f', '-', 'm', 'a', 'p'))
                return is_own(OBJECT_MAP, BPF_CORE_READ((struct bpf_map *) object, id));
        if (name == NAME8('b', 'p', 'f', '_', 'l', 'i', 'n') ||
            name == NAME8('b', 'p', 'f', '-', 'l', 'i', 'n'))
                return is_own(OBJECT_LINK, BPF_CORE_READ((struct bpf_link *) object, id));
        if (name == NAME8('b', 't', 'f', 0, 0, 0, 0))
                return is_own(OBJECT_BTF, BPF_CORE_READ((struct btf *) object, id));
        return 0;
}

static __always_inline bool fd_is_own(u32 fd) {
        return file_is_own((u64) file_of_fd(fd));
}

static __always_inline bool opens(u32 cmd) {
        const u64 commands = 1ULL << BPF_OBJ_GET | 1ULL << BPF_PROG_GET_FD_BY_ID |
                             1ULL << BPF_MAP_GET_FD_BY_ID | 1ULL << BPF_BTF_GET_FD_BY_ID |
                             1ULL << BPF_LINK_GET_FD_BY_ID;

        return commands & (1ULL << slot_of(cmd));
}

/* What changes or runs an object and is not told of unasked. */
static __always_inline bool handles(u32 cmd) {
        const u64 commands = 1ULL << BPF_MAP_UPDATE_ELEM | 1ULL << BPF_MAP_DELETE_ELEM |
                             1ULL << BPF_MAP_LOOKUP_AND_DELETE_ELEM |
                             1ULL << BPF_MAP_LOOKUP_AND_DELETE_BATCH |
                             1ULL << BPF_MAP_UPDATE_BATCH | 1ULL << BPF_MAP_DELETE_BATCH |
                             1ULL << BPF_PROG_TEST_RUN | 1ULL << BPF_ITER_CREATE;

        return commands & (1ULL << slot_of(cmd));
}

/* Whether a call may touch an object of the daemon's: next to free where nobody ever opened one. */
static __always_inline bool may_touch_own(u32 cmd) {
        return opens(cmd) || (own_exposed && handles(cmd));
}

/* Whether it did. `attr`: the caller's. */
static __always_inline bool touches_own(u32 cmd, s64 ret, u64 attr, bool in_kernel) {
        u32 fd = ret;

        if (opens(cmd)) {
                if (ret < 0 || !fd_is_own(fd))
                        return false;
                own_exposed = 1;
                return true;
        }
        /* The fd stands first, in the batch commands at 36. */
        if (slot_of(cmd) >= BPF_MAP_LOOKUP_BATCH && slot_of(cmd) <= BPF_MAP_DELETE_BATCH)
                attr += 36;
        if (in_kernel ? bpf_probe_read_kernel(&fd, sizeof(fd), (void *) attr)
                      : bpf_probe_read_user(&fd, sizeof(fd), (void *) attr))
                return false;
        return fd_is_own(fd);
}
