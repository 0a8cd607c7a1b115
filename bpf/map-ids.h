/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Which map is which, where the kernel has taken its id away: before the map itself goes. */

#include "maps.h"

enum { MAP_IDS_MAX = 16384 };

/* Key: struct bpf_map *. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, MAP_IDS_MAX);
        __type(key, u64);
        __type(value, u32);
} map_ids __weak SEC(".maps");

static __always_inline void remember_map(const struct bpf_map *map, u32 id) {
        u64 key = (u64) map;
        u32 *known = bpf_map_lookup_elem(&map_ids, &key);

        if ((!known || *known != id) && bpf_map_update_elem(&map_ids, &key, &id, BPF_ANY))
                lost_action(); /* that of its end */
}
