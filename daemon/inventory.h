/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Looks at what is in the kernel, for whoever asks: a thread looks, one at a time, and those who
 * ask while it does share the next look. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct inventory;
struct look;
struct names;
struct scan;
struct sd_event;

enum {
        INVENTORY_PENDING = 64,          /* looks that wait or run, of all users together */
        INVENTORY_PENDING_PER_USER = 16, /* and of one */
};

/* What came of a look: `r` is 0, or why there is none; `scan` (borrowed, it lives until the last of
 * those who share it has called look_free()) is NULL then. Called on the loop, once. */
typedef void (*look_done)(int r, struct scan *scan, void *userdata);

/* `loop` is referenced, `names` borrowed. `looked` gets what each look has found before those who
 * asked for it do. Returns 0 or a negative errno. */
int inventory_new(struct inventory **ret, struct sd_event *loop, const struct names *names,
                  void (*looked)(const struct scan *scan, void *userdata), void *userdata);

/* Those who wait get -ECANCELED, also of a look that is done and not yet handed out; nobody else
 * may have a look any more. NULL is fine; returns NULL. */
struct inventory *inventory_free(struct inventory *v);

/* While it is held, no look begins; those who ask wait. */
void inventory_hold(struct inventory *v, bool hold);

/* Asks for a look that begins after now, at `parts` (bits of enum scan_part), and closely at the
 * link with this id (0: at none). Returns 0; -EDQUOT if the user has as many looks pending as it
 * may, -ENOSPC if all have; -ENOMEM. `done` may be called before it
 * returns 0, where the look fails at once. */
int inventory_look(struct look **ret, struct inventory *v, uid_t uid, unsigned parts, uint32_t link,
                   look_done done, void *userdata);

/* Gives up: `done` is not called any more, and what it gave is let go of. To be called once for
 * each look, also when it is done. NULL is fine; returns NULL. */
struct look *look_free(struct look *l);
