/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once
/* Messages by netlink, between their beginning and their end. */

#include "maps.h"

enum {
        MESSAGES_MAX = 128,
        PROGRAMS_MAX = 32, /* TCA_ACT_MAX_PRIO: actions in a message */
};

/* What comes in a message besides what a frame holds. */
struct message {
        u64 programs[PROGRAMS_MAX]; /* struct bpf_prog; 0: one that could not be had, or a classic
                                       filter */
        u32 lengths[PROGRAMS_MAX];  /* of classic filters, instructions */
        u32 count;
        u8 is_bpf;    /* says itself that it is about a program */
        u8 installed; /* XDP: the device was changed */
        u64 program;  /* XDP: what it runs then */
};

static const struct message blank_message;

/* Key: bpf_get_current_pid_tgid(). */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, MESSAGES_MAX);
        __type(key, u64);
        __type(value, struct message);
} messages __weak SEC(".maps");

static __always_inline struct message *message_current(void) {
        u64 thread = bpf_get_current_pid_tgid();

        return bpf_map_lookup_elem(&messages, &thread);
}
