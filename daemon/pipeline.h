/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The way of an event through the daemon: from a record of the ring, over what is known of objects
 * and the rules, to readers, history and journal; what was lost on it, and what is asked for at its
 * end. After a takeover it is held until the readers are back. */

#include "alerts.h"
#include "connections.h"
#include "probe.h"

struct daemon;

/* What comes in; all with the daemon as `userdata`. `ready` is for who starts the probes. */
struct probe_handlers pipeline_probe_handlers(void (*ready)(int result, void *userdata));
struct connections_handlers pipeline_connections_handlers(struct daemon *d);
extern const struct alerts_handlers pipeline_alerts_handlers;

/* Once all is attached: events go to who is there, or wait for those who were. Returns 0 or a
 * negative errno. */
int pipeline_begin(struct daemon *d);

/* Hands the event out that is being made (d->event), unless it was none when its record was read
 * for the first time. */
void pipeline_tell(struct daemon *d);

/* Hands out, at the end, all that has happened. */
void pipeline_stop(struct daemon *d);

/* Tells readers and history that events are missing, nobody knows how many, or whose. `where`:
 * lost.where; `message`: in words; both static. */
void pipeline_tell_gap(struct daemon *d, const char *where, const char *message);

/* What is asked for may have changed: has the probes send that. */
void pipeline_want(struct daemon *d);

/* The same where readers came or left (`userdata`: the daemon). */
void pipeline_readers_changed(void *userdata);
