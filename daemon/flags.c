/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "flags.h"
#include "util.h"

enum { BITS_MAX = FLAGS_NAMES_MAX - 1 };

/* include/uapi/linux/bpf.h, up to Linux 7.3. Index: the bit. */
static const char *const names[_FLAGS_MAX][BITS_MAX] = {
        [FLAGS_MAP] = {"no_prealloc", "no_common_lru",  "numa_node",    "rdonly",
                       "wronly",      "stack_build_id", "zero_seed",    "rdonly_prog",
                       "wronly_prog", "clone",          "mmapable",     "preserve_elems",
                       "inner_map",   "link",           NULL,           "vtype_btf_obj_fd",
                       "token_fd",    "segv_on_fault",  "no_user_conv", "rb_overwrite"},
        [FLAGS_ELEMENT] = {"noexist", "exist", "lock", "cpu", "all_cpus"},
        [FLAGS_PROG] = {"strict_alignment", "any_alignment", "test_rnd_hi32", "test_state_freq",
                        "sleepable", "xdp_has_frags", "xdp_dev_bound_only",
                        "test_reg_invariants", [16] = "token_fd"},
        [FLAGS_ATTACH] = {"allow_override", "allow_multi", "replace", "before", "after", "id",
                          "preorder", [13] = "link"},
        /* include/uapi/linux/if_link.h */
        [FLAGS_XDP] = {"update_if_noexist", "skb_mode", "drv_mode", "hw_mode", "replace"},
        [FLAGS_QUERY] = {"query_effective"},
        [FLAGS_FILE] = {[3] = "rdonly", [4] = "wronly", [14] = "path_fd", [16] = "token_fd"},
        [FLAGS_TEST_RUN] = {"test_run_on_cpu", "test_xdp_live_frames",
                            "test_skb_checksum_complete"},
        [FLAGS_KPROBE_MULTI] = {"kprobe_multi_return"},
        [FLAGS_UPROBE_MULTI] = {"uprobe_multi_return", "uprobe_multi_path_fd"},
        [FLAGS_NETFILTER] = {"netfilter_ip_defrag"},
        /* include/uapi/linux/seccomp.h */
        [FLAGS_SECCOMP] = {"tsync", "log", "spec_allow", "new_listener", "tsync_esrch",
                           "wait_killable_recv"},
        /* include/uapi/linux/pkt_cls.h: TCA_BPF_FLAG_* */
        [FLAGS_TC] = {"direct_action"},
        /* Which of its programs: TUNSETSTEERINGEBPF, TUNSETFILTEREBPF */
        [FLAGS_TUN] = {"steering", "filter"},
        /* include/uapi/linux/io_uring/bpf_filter.h */
        [FLAGS_IO_URING] = {"deny_rest", "sz_strict"},
};

const char *flag_name(enum flag_set set, unsigned bit) {
        return bit < BITS_MAX ? names[set][bit] : NULL;
}

size_t flags_names(enum flag_set set, uint64_t flags, const char *ret[static FLAGS_NAMES_MAX],
                   char rest[static FLAGS_REST_SIZE]) {
        size_t n = 0;

        for (unsigned bit = 0; bit < BITS_MAX; bit++)
                if (names[set][bit] && flags & UINT64_C(1) << bit) {
                        ret[n++] = names[set][bit];
                        flags &= ~(UINT64_C(1) << bit);
                }

        if (flags) {
                snprintf(rest, FLAGS_REST_SIZE, "0x%llx", (unsigned long long) flags);
                ret[n++] = rest;
        }
        return n;
}
