/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* What a program is made of: its instructions before the verifier rewrites them, and its maps. */

#include "kernel-call.h"
#include "send.h"

enum { USED_MAPS_MAX = 64 }; /* include/linux/bpf_verifier.h: MAX_USED_MAPS */

/* Sends instructions of the kernel, or (`user`) of the caller. A global function: it is walked
 * once, and Linux 5.10 takes numbers alone. */
__weak int send_instructions(u64 entered, u64 instructions, u64 count, u64 user) {
        u64 bytes = count * sizeof(struct bpf_insn);

        send_part(entered, PART_INSTRUCTIONS, (void *) instructions, bytes, user);
        return 0;
}

static __always_inline u64 instructions_of(struct bpf_prog *prog) {
        return (u64) prog + bpf_core_field_offset(struct bpf_prog___call, insnsi);
}

/* Sends the id of the map that the verifier has found as number `n` of a program's. */
static __always_inline void send_map(u64 entered, u32 n, struct bpf_map *map) {
        u32 id = BPF_CORE_READ(map, id);
        struct record_part what = {
                .thread = bpf_get_current_pid_tgid(),
                .entered = entered,
                .part = PART_MAPS,
                .total = (n + 1) * sizeof(id),
        };

        send_piece(&what, n * sizeof(id), sizeof(id), &id, false, RECORD_PART_SMALL);
}

/* Sends the maps of a program that the verifier has done with. */
__weak int send_used_maps(u64 entered, u64 prog) {
        struct bpf_prog_aux___call *aux = (void *) BPF_CORE_READ((struct bpf_prog *) prog, aux);
        struct bpf_map **maps = BPF_CORE_READ(aux, used_maps), *map;
        u32 n = BPF_CORE_READ(aux, used_map_cnt);

        for (u32 i = 0; i < USED_MAPS_MAX; i++) {
                if (i >= n || bpf_probe_read_kernel(&map, sizeof(map), maps + i))
                        break;
                send_map(entered, i, map);
        }
        return 0;
}
