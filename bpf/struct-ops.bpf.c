/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sets of functions that the kernel calls (struct_ops): writing to their map registers them,
 * deleting from it takes them away. Maps that are made for a link are registered by that, and their
 * elements say nothing. */

#include "action.h"
#include "target.h"

enum { MADE_FOR_LINK = 1 << 13 /* include/uapi/linux/bpf.h: BPF_F_LINK */ };

static __always_inline int functions_begin(struct bpf_map *map, u32 flags, enum hook hook) {
        struct action_frame *frame;

        if (BPF_CORE_READ(map, map_flags) & MADE_FOR_LINK)
                return 0;
        frame = action_open(ACTION_ATTACH, ROAD_STRUCT_OPS, flags, hook);
        if (!frame)
                return 0;
        fill_map(&frame->object, map);
        fill_struct_ops_target(&frame->target, map);
        return 0;
}

static __always_inline int functions_end(s64 ret, enum hook begun, enum hook hook) {
        struct action_frame *frame = action_current();

        if (frame && frame->hook == begun)
                action_close(ret, hook);
        return 0;
}

SEC("kprobe/bpf_struct_ops_map_update_elem")
int BPF_KPROBE(functions_come, struct bpf_map *map) {
        return functions_begin(map, 0, HOOK_STRUCT_OPS_UPDATE);
}

SEC("kretprobe/bpf_struct_ops_map_update_elem")
int BPF_KRETPROBE(functions_come_return, s64 ret) {
        return functions_end((int) ret, HOOK_STRUCT_OPS_UPDATE, HOOK_STRUCT_OPS_UPDATE_RETURN);
}

SEC("kprobe/bpf_struct_ops_map_delete_elem")
int BPF_KPROBE(functions_go, struct bpf_map *map) {
        return functions_begin(map, CALL_DETACHES, HOOK_STRUCT_OPS_DELETE);
}

SEC("kretprobe/bpf_struct_ops_map_delete_elem")
int BPF_KRETPROBE(functions_go_return, s64 ret) {
        return functions_end((int) ret, HOOK_STRUCT_OPS_DELETE, HOOK_STRUCT_OPS_DELETE_RETURN);
}
