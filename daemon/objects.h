/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What exists in the kernel and who brought it: follows the events, and adds to each the loader of
 * the object that it is about. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct names;
struct objects;

enum {
        OBJECTS_MAX = 65536, /* remembered; of more, those that were brought first are forgotten */
};

int objects_new(struct objects **ret);

/* NULL is fine; returns NULL. */
struct objects *objects_free(struct objects *o);

/* Walks over what exists now: programs, maps, links and BTF are remembered as having existed before
 * bpfmond started. `names` (borrowed for the call) for their types. Those of process `own` (the
 * daemon) are remembered as its own. Returns how many, or a negative errno. */
int objects_seed(struct objects *o, const struct names *names);

/* Marks an object as the daemon's own. `kind`: enum object_kind. */
int objects_add_own(struct objects *o, uint32_t kind, uint32_t id);

/* Follows an event: remembers what it says was loaded or created and by whom; sets loaded_by.*,
 * existed and (when the object goes) lifetime and what is known of it, and then forgets it. Returns
 * false when the event is not to be told to anybody: our own objects, acted on by ourselves, or an
 * object that nobody knew and that is gone (`strict`: only some processes are observed). */
bool objects_follow(struct objects *o, struct event *e, bool strict);
