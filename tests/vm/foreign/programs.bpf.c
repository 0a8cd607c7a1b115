/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Small programs for the tools that load programs from files: each lets everything pass. */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} foreign_count SEC(".maps");

static __always_inline void count(void) {
        __u32 key = 0;
        __u64 *value = bpf_map_lookup_elem(&foreign_count, &key);

        if (value)
                __sync_fetch_and_add(value, 1);
}

SEC("xdp")
int foreign_xdp(struct xdp_md *ctx) {
        count();
        return XDP_PASS;
}

SEC("tc")
int foreign_tc(struct __sk_buff *skb) {
        count();
        return TC_ACT_OK;
}

SEC("cgroup_skb/egress")
int foreign_egress(struct __sk_buff *skb) {
        count();
        return 1;
}

SEC("raw_tp/cgroup_mkdir")
int foreign_mkdir(void *ctx) {
        count();
        return 0;
}

SEC("license") static const char foreign_license[] = "GPL";
