/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* The kernel's types that calls of bpf() take looking at: files, programs before they are
 * rewritten, the verifier's log. As in kernel.h. */

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inode___call {
        unsigned long i_ino;
        void *i_private; /* nsfs: the ns_common */
};

struct file___call {
        struct inode___call *f_inode;
};

struct hlist_node___call {
        struct hlist_node___call *next;
};

struct hlist_head___call {
        struct hlist_node___call *first;
};

struct net___call {
        struct hlist_head___call *dev_index_head;
};

struct net_device___call {
        struct hlist_node___call index_hlist;
};

struct bpf_prog___call {
        struct bpf_insn insnsi[1];
};

struct bpf_prog_aux___call {
        u32 used_map_cnt;
        struct bpf_map **used_maps;
};

struct sockptr___call {
        void *user;
};

/* Since Linux 7.0: where the log goes may come with BPF_COMMON_ATTRS. */
struct bpf_log_attr {
        char *ubuf;
        u32 size;
        u32 level;
        u32 offsetof_true_size;
        struct sockptr___call uattr;
};

#pragma clang attribute pop

/* include/uapi/linux/bpf.h; the header that we are built with may be older. */
enum {
        CMD_PROG_STREAM_READ_BY_FD = 37,
        CMD_PROG_ASSOC_STRUCT_OPS = 38,

        ATTACH_XDP = 37,
        ATTACH_TCX_INGRESS = 46,
        ATTACH_TCX_EGRESS = 47,
        ATTACH_UPROBE_MULTI = 48,
        ATTACH_NETKIT_PRIMARY = 54,
        ATTACH_NETKIT_PEER = 55,
        ATTACH_UPROBE_SESSION = 57,
};
