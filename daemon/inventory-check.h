/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Compares what the hooks saw come with what the kernel lists: an object that only one of them
 * knows is being hidden, which is what rootkits do. What comes and goes meanwhile is not taken for
 * that. */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct check;
struct objects;
struct scan;

enum {
        CHECK_SUSPECTS_MAX = 256,
        CHECK_TOLD_MAX = 32, /* after one look */
};

/* The kernel's list, asked again about one object. */
struct check_kernel {
        /* As bpf_prog_get_next_id() and the like. 0, or a negative errno. */
        int (*next)(enum object_kind kind, uint32_t id, uint32_t *ret_next);
        /* As bpf_prog_get_fd_by_id() and the like. An fd, or a negative errno. */
        int (*open)(enum object_kind kind, uint32_t id);
};

/* What the hooks can tell. */
struct check_hooks {
        bool comes;    /* every object that comes is seen, whoever brings it */
        unsigned goes; /* bit = enum object_kind: that one goes is seen, whoever drops it */
        uint64_t lost; /* how much was lost up to now, of whatever kind */
};

/* How an object is hidden. */
enum hiding {
        HIDDEN_FROM_LIST,  /* it is there, and the kernel's list has it not */
        HIDDEN_FROM_HOOKS, /* it is in the list, and no hook saw it come */
};

/* `objects` is borrowed; `kernel` too, NULL: the running one. Returns 0 or -ENOMEM. */
int check_new(struct check **ret, struct objects *objects, const struct check_kernel *kernel);

/* NULL is fine; returns NULL. */
struct check *check_free(struct check *c);

/* Compares a scan, when all records that came before its end have been followed. `told` is called
 * with each object that is hidden for certain, once. Returns whether something is suspected and
 * should be looked at again soon. */
bool check_scan(struct check *c, const struct scan *scan, const struct check_hooks *hooks,
                void (*told)(enum hiding how, enum object_kind kind, uint32_t id, void *userdata),
                void *userdata);
