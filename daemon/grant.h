/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Permissions that last, as a subscription's: when polkit's rules or sessions change, each is asked
 * for again, without a password, and may be taken away. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "access.h"
#include "polkit.h"

enum {
        GRANT_NAME_MAX = 64,   /* bytes of a unique name that we keep; the buses' have 20 */
        GRANTS_ASKING_MAX = 4, /* questions on their way */
};

/* What polkit has let a peer do, as authority_check() (authority.h) hands it out. May be copied. */
struct permission {
        char sender[GRANT_NAME_MAX]; /* unique name */
        struct viewer viewer;
        const char *action;  /* static */
        bool by_password;    /* ours, or one that still counted */
        bool temporary;      /* that password counts for a while, for the next question too */
        uint64_t since;      /* when it was given, CLOCK_MONOTONIC, µs */
        uint64_t generation; /* how often polkit's rules had changed when it was asked */
};

struct grants;

/* One of them; part of what it allows, which owns it. A grant of zeroes is fine and never ends. */
struct grant {
        struct grants *grants; /* NULL: not watched */
        struct grant *next;
        struct permission permission;
        struct polkit_question *question; /* on its way */
        /* The permission is gone: `reason` is a sentence for its owner. Called at most once, from
         * the event loop, never while events are offered. The grant is not watched any more by
         * then; its owner may be freed. */
        void (*revoked)(const char *reason, void *userdata);
        void *userdata;
};

/* Watches a permission (copied) from now on. Root's are not: nobody takes them away. `grants` must
 * outlive it. */
void grant_watch(struct grant *g, struct grants *grants, const struct permission *permission,
                 void (*revoked)(const char *reason, void *userdata), void *userdata);

/* Watches it no more. */
void grant_done(struct grant *g);

/* All that are watched on a bus connection; `polkit` is borrowed. Returns 0 or a negative errno. */
int grants_new(struct grants **ret, sd_bus *bus, struct polkit *polkit);
struct grants *grants_free(struct grants *all);

/* Number of changes that polkit has told of. */
uint64_t grants_generation(const struct grants *all);
