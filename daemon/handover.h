/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the next daemon needs to go on where this one ends, even in the middle: the kernel side's
 * fds, and the state, which says what of the ring has been handed out under which numbers. Both are
 * kept by the service manager, in its store of file descriptors.
 *
 * What is read from the ring counts as handed out when it has left the process (see
 * handover_commit()). Until then the *journal* has, for each record, how many events it became: the
 * next daemon reads these records again, and its events get the numbers that they had. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct handover;

/* What was told of losses, by the kernel side's counters. */
struct handover_told {
        uint64_t lost_ring[COMMAND_SLOTS], lost_probe[COMMAND_SLOTS], lost_connections,
                lost_actions, lost_other, lost, left, unseen;
};

enum handover_kind { HANDOVER_MAP, HANDOVER_PROG, HANDOVER_LINK };

/* Takes what the service manager has kept, and our place in its environment. `version` (at most 64
 * characters) names what the kernel side was made of: what a daemon of another version left is
 * given up, but for the numbers. Returns 0 or a negative errno. */
int handover_new(struct handover **ret, const char *version);

/* NULL is fine; returns NULL. What was kept goes on. */
struct handover *handover_free(struct handover *h);

/* Whether somebody keeps what we leave. */
bool handover_kept(const struct handover *h);

/* Whether all that a daemon of this version left is there. */
bool handover_adopts(const struct handover *h);

/* Whether something was left that could not be taken over: events are missing, and nobody knows how
 * many. */
bool handover_gap(const struct handover *h);

/* Gives up what was left, but for the numbers: it could not be used after all. */
void handover_give_up(struct handover *h);

/* Takes one fd that was left, by the name that it was kept under (see handover_keep()); the caller
 * closes it. -ENOENT: there is none. */
int handover_take(struct handover *h, enum handover_kind kind, const char *name);

/* Whether there is one to take. */
bool handover_has(const struct handover *h, enum handover_kind kind, const char *name);

/* Has a copy of an fd kept from now on. Returns 0 or a negative errno. */
int handover_keep(struct handover *h, enum handover_kind kind, const char *name, int fd);

/* Has it kept no longer: the caller closes its own. */
void handover_drop(struct handover *h, enum handover_kind kind, const char *name);

/* Has the state itself kept: after all that it names. */
int handover_begin(struct handover *h);

/* The state. `since`: when the numbering began (CLOCK_REALTIME, µs): the argument, where it begins
 * now. */
uint64_t handover_since(struct handover *h, uint64_t now);
uint64_t handover_seq(const struct handover *h); /* number of the last event */
/* Where nothing is taken over, it begins with the number after this one at least. */
void handover_begin_after(struct handover *h, uint64_t seq);
uint64_t handover_resumed(const struct handover *h); /* of the last one before we took over */
uint64_t handover_lost(const struct handover *h);    /* events lost, as it was committed */
const struct handover_told *handover_told(const struct handover *h);
uint64_t handover_position(const struct handover *h); /* in the ring, from which on to read */

/* How many readers there are, and were when we took over. */
void handover_set_readers(struct handover *h, size_t n);
size_t handover_readers(const struct handover *h);

/* A record of the ring begins and ends. */
void handover_record_begins(struct handover *h);
void handover_record_ends(struct handover *h);

/* The number of the next event, of the record at hand or of none. 0: this one was not told when the
 * record was read for the first time. */
uint64_t handover_number(struct handover *h);

/* Whether the journal has no room for another record: commit. */
bool handover_full(const struct handover *h);

/* All events of records before this position in the ring have been handed out. */
void handover_commit(struct handover *h, uint64_t position, uint64_t lost,
                     const struct handover_told *told);
