/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the daemon has to do with its history: opens it, keeps the numbers of calls in it, and asks
 * it for what was before: who brought what exists, and what went while nobody watched. */

struct daemon;

/* The history is in the state directory that systemd gives (StateDirectory=); without one there is
 * none. Event numbers go on where it ends (d->stored). Returns 0, or a negative errno that it has
 * logged. */
int daemon_history_setup(struct daemon *d);

/* Once all is attached: keeps the numbers of calls from now on, and begins to ask for what was
 * before; the answers come later. Without a history it is nothing. Returns 0 or a negative errno.
 */
int daemon_history_begin(struct daemon *d);

/* Keeps the numbers of calls since the last time: element operations and queries are not kept one
 * by one. */
void daemon_history_keep_usage(struct daemon *d);

/* Before the history and the alerts are freed: waits for it to be written, for a time. A file that
 * was begun anew lately gets what was seen before that, too. */
void daemon_history_end(struct daemon *d);
