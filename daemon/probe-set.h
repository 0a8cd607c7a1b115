/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the files of the set of probes (probe.h) share. */

#include "handover.h"
#include "hooks.h"
#include "kernel-side.h"
#include "ownership.h"
#include "probe.h"

struct loader;
struct monitor_handlers;
struct ring;
struct sd_event_source;

enum probe_state {
        STATE_STARTING,
        STATE_FAILED,
        STATE_ATTACHED,
        STATE_WAITING,
        STATE_OFF,
        STATE_ABSENT
};

struct probe {
        enum probe_state state;
        int chosen;   /* index of the alternative in use or to be used, -1: none */
        bool as_good; /* nothing better can be had from this kernel */
        int errors[ALTERNATIVES_MAX];
        enum hook failed[ALTERNATIVES_MAX]; /* which of the alternative's hooks it was */
        int links[HOOKS_TOGETHER_MAX];      /* fds; 0: none */
        uint32_t link_ids[HOOKS_TOGETHER_MAX];
        enum hook hooks[HOOKS_TOGETHER_MAX]; /* of the links */
        struct monitor *monitors[HOOKS_TOGETHER_MAX];
};

struct probe_set {
        struct kernel_side kernel;
        struct handover *handover;
        struct probe *probes; /* of probe_table */
        struct sd_event *loop;
        struct ring *ring;
        struct probe_handlers handlers;
        void *userdata;
        struct probe_options options;
        struct ownership ownership;
        struct connection_side *connections;
        bool kprobes;

        /* struct cpu_stats of each CPU, shared with the kernel side. */
        const volatile uint8_t *stats;
        size_t stats_size, stats_stride;
        unsigned cpus;
        struct handover_told told; /* of these */
        uint64_t unseen_asked; /* CLOCK_MONOTONIC, ns: when the kernel was, of what it left out */
        bool held;             /* nothing is handed out yet */

        /* While it starts. */
        struct loader *loader;
        struct sd_event_source *step; /* attaches one after the other */
        size_t next;                  /* that is to be attached */
        bool ready;
};

/* The alternative of a row of the table that is in use or to be used (static); NULL: none. */
const struct alternative *probe_chosen(const struct probe_set *p, size_t i);

/* The sum over all CPUs of a counter of struct cpu_stats, by its offset. */
uint64_t probe_stats_sum(const struct probe_set *p, size_t offset);

/* What monitors tell, with the set as userdata. */
extern const struct monitor_handlers probe_monitor_handlers;

/* Attaching (probe-attach.c) -------------------------------------------------------------------
 */

/* Attaches one row of the table, as well as this kernel allows. Returns a negative errno, after
 * logging what to do, where nothing works without it. */
int probe_attach_row(struct probe_set *p, size_t i);

/* Attaches or detaches the probes that serve what is asked for at times (`when`). Returns the
 * negative errno of the first that cannot be attached and has not been said before. */
int probe_want_temporary(struct probe_set *p, enum attach_when when, bool wanted);

/* Detaches a probe at the end; what is kept for the next daemon stays attached. */
void probe_let_go(struct probe_set *p, struct probe *probe);

/* Whether there is a program for a hook: only some kernels have a use for those that do what others
 * missed. */
bool probe_is_loaded(const struct probe_set *p, enum hook hook);

/* Whether the kernel lets other tasks in while a program of a tracepoint runs. */
bool probe_set_preempted(const struct probe_set *p);
