/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Calls that come before the probes are attached. They wait for that, so that who subscribes sees
 * what follows; but not for so long that the caller would give up. Questions for the status, and
 * whatever is not the manager's, do not wait. */

#include <stddef.h>

struct authority;
struct early;
struct sd_bus;
struct sd_event;

/* From now on calls wait; after 10 s they do not any more. `bus`, `authority` and `loop` are
 * borrowed. Returns 0 or a negative errno. */
int early_new(struct early **ret, struct sd_bus *bus, struct authority *authority,
              struct sd_event *loop);

/* What waits goes to its handlers, and nothing waits any more. */
void early_release(struct early *e);

/* Forgets what waits. NULL is fine; returns NULL. */
struct early *early_free(struct early *e);
