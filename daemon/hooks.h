/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What can be hooked, and which hooks serve which purpose: tables only. */

#include <stdbool.h>
#include <stddef.h>

#include "record.h"

enum {
        ALTERNATIVES_MAX = 3,
        HOOKS_TOGETHER_MAX = 6,
};

enum attach_when {
        ALWAYS,
        WHILE_TIMED,          /* only worth its cost while somebody listens */
        WHEN_OBSERVING_PID,   /* follows forks */
        UNLESS_OBSERVING_PID, /* cannot */
        WHILE_KPROBES,        /* stands by for what they miss */
        WHILE_CONNECTIONS,    /* somebody asks for connections */
};

/* One way to attach a probe: hooks that only work together, the one that people know it by first.
 */
struct alternative {
        enum hook hooks[HOOKS_TOGETHER_MAX]; /* up to HOOK_NONE */
        enum attach_when when;
        bool as_good; /* where the kernel lacks the functions of those before */
};

struct probe_info {
        const char *name;
        const char *purpose;
        const char *blind;  /* what is not seen where only a later alternative, or none, works */
        const char *absent; /* why the kernel may lack the function altogether; NULL: it must not */
        bool required;
        struct alternative alternatives[ALTERNATIVES_MAX]; /* best first, up to one without hooks */
        /* The probe behind which this one stands: it adds what happens where no hook runs. NULL:
         * none. */
        const char *behind;
};

/* All probes; `probe_count` rows, in the order in which they are attached. */
extern const struct probe_info probe_table[];
extern const size_t probe_count;

/* The name of a hook, such as "kprobe:security_bpf" (static); NULL for a number that is none. */
const char *hook_name(enum hook hook);

/* The program of the kernel side that is attached there (static); NULL where a monitor of the
 * daemon stands in (monitor.h). */
const char *hook_program(enum hook hook);

/* The function, or what else stands behind the colon (static). */
const char *hook_function(enum hook hook);

/* Whether it takes a kprobe or a kretprobe. */
bool hook_is_kprobe(enum hook hook);

/* Whether it does what the hook before it missed, or takes the place of another one: there are such
 * only where the kernel preempts programs (see hooks.def). */
bool hook_is_again(enum hook hook);
bool hook_is_instead(enum hook hook);
