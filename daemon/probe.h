/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The probes: loads the kernel side, attaches each hook that this kernel offers, and hands out what
 * comes from the ring. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "record.h"

struct connection_side;
struct event;
struct handover;
struct sd_event;
struct probe_set;

struct probe_options {
        enum observe observe;
        const char *cgroup; /* OBSERVE_CGROUP: path of a cgroup v2 directory; descendants are
                               included */
        pid_t pid;          /* OBSERVE_PID: this process and its descendants */
        size_t ring_size;   /* bytes, a power of two; 0: the default */
        bool no_kprobes;    /* leave kprobes alone, as on a kernel without them */
};

enum {
        LOSS_OTHER = -1,   /* records that are no events: about processes, and parts of records */
        LOSS_ACTIONS = -2, /* actions, of any kind */
        LOSS_CONNECTIONS = -3, /* that opened or closed, or were pushed out ("connections") */
        LOSS_TRAFFIC = -4,     /* calls that sent or received: no events */
};

/* What was lost since the last report: calls of one command slot, or LOSS_*, that found no room in
 * the ring (`where` = "ring"), or that went unseen, or their end ("probe"). */
struct probe_loss {
        int slot;
        const char *where;
        uint64_t count;
};

struct probe_handlers {
        /* One record, `size` bytes at `data`, unchecked. */
        void (*record)(const void *data, size_t size, void *userdata);
        void (*loss)(const struct probe_loss *loss, void *userdata);
        /* Threads have left whose counters are still in the map of callers. */
        void (*left)(void *userdata);
        /* The ring is empty for now: flush what is being batched. */
        void (*idle)(void *userdata);
        /* An object is one of the probes' own, or is so no longer. `kind`: enum object_kind. */
        void (*own)(uint32_t kind, uint32_t id, bool gone, void *userdata);
        /* While it is held (see probe_set_hold()), there is no room for more: end it. */
        void (*pressed)(void *userdata);
        /* All is loaded and attached (0), or cannot be: a negative errno that was logged. Called
         * once, from the loop, where probe_set_start() said 0. */
        void (*ready)(int result, void *userdata);
        /* How many events were lost up to now. */
        uint64_t (*lost)(void *userdata);
};

/* Leaves what libbpf says to the debug log. Call it first. */
void probe_quiet(void);

/* Whether kprobes can be had, and may be used. */
bool probe_have_kprobes(const struct probe_options *options);

/* Nothing is loaded yet. `handover` is borrowed, the event loop referenced. Returns 0 or a negative
 * errno. */
int probe_set_new(struct probe_set **ret, struct sd_event *loop,
                  const struct probe_options *options, struct handover *handover,
                  const struct probe_handlers *handlers, void *userdata);

/* Takes over what the handover has: 1. Otherwise begins to load and to attach, in the background:
 * 0, and handlers.ready is called when calls can be seen at all (what could not be attached is in
 * the list below). Negative errno, after logging one line that says what to do. */
int probe_set_start(struct probe_set *p);

/* Whether it has come to its end. Until then nothing is handed out, and there are no fds. */
bool probe_set_ready(const struct probe_set *p);

/* Detaches everything, unless it is kept for the next daemon. NULL is fine. */
struct probe_set *probe_set_free(struct probe_set *p);

/* What somebody asks for. */
struct probe_wants {
        uint64_t commands;    /* that send records: bit = number of its slot */
        bool timed;           /* somebody is listening: the hooks that are only worth their cost
                                 then are attached */
        bool content;         /* element operations bring keys and values */
        uint32_t connections; /* ends of connections that are measured at most; 0: none is asked
                                 for */
};

/* Attaches what serves that, and detaches the rest. Takes effect before it returns. */
int probe_set_want(struct probe_set *p, const struct probe_wants *wants);

/* Hands out what has come in up to now, so that an answer to a client is not behind its own calls.
 * Bounded. */
void probe_set_drain(struct probe_set *p);

/* While it is held, nothing is handed out, and what was wanted when we took over stays so. */
void probe_set_hold(struct probe_set *p, bool hold);

/* Everything read up to now has been handed out: its room is free again. */
void probe_set_commit(struct probe_set *p);

/* Whether so much is read and not committed that it is time to. */
bool probe_set_presses(const struct probe_set *p);

/* Whether things went by while no daemon ran: monitors cannot be taken over. One that stands behind
 * a probe with hooks leaves out what happened where no hook runs, as in the middle of another
 * program. */
bool probe_set_missed_restart(const struct probe_set *p);

/* Calls `row` with an event for each probe (fields probe.*). Stops at and returns the first
 * negative result of `row`. */
int probe_set_list(struct probe_set *p, int (*row)(const struct event *e, void *userdata),
                   void *userdata);

/* Whether a probe works without its best hook. */
bool probe_set_degraded(const struct probe_set *p);

/* The daemon's process id, as the initial pid namespace has it. */
uint32_t probe_set_self(const struct probe_set *p);

/* The connections that the kernel side keeps (borrowed). */
struct connection_side *probe_set_connections(const struct probe_set *p);

/* Fd of the map of callers (key u64, struct caller), borrowed. */
int probe_set_callers_fd(const struct probe_set *p);
