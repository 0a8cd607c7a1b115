/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What can be hooked, and which hooks serve which purpose: tables only. */

#include <stdbool.h>

#include "record.h"

enum {
        ALTERNATIVES_MAX = 2,
        PROBES = 14,
};

enum attach_when {
        ALWAYS,
        WHILE_TIMED,        /* only worth its cost while somebody listens */
        WHEN_OBSERVING_PID, /* follows forks */
};

/* One way to attach a probe. */
struct alternative {
        enum hook hook;
        enum attach_when when;
        bool as_good; /* where the kernel lacks the functions of those before */
};

struct probe_info {
        const char *name;
        const char *purpose;
        const char *blind;  /* what is not seen where only a later alternative, or none, works */
        const char *absent; /* why the kernel may lack the function altogether; NULL: it must not */
        bool required;
        unsigned n_alternatives;
        struct alternative alternatives[ALTERNATIVES_MAX]; /* best first */
};

extern const struct probe_info probe_table[PROBES];

/* The name of a hook, such as "kprobe:security_bpf" (static); NULL for a number that is none. */
const char *hook_name(enum hook hook);

/* The program of the kernel side that is attached there (static). */
const char *hook_program(enum hook hook);

/* The function, or what else stands behind the colon (static). */
const char *hook_function(enum hook hook);

/* Whether it takes a kprobe or a kretprobe. */
bool hook_is_kprobe(enum hook hook);
