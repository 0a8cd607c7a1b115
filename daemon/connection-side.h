/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Connections as the kernel side keeps them: the map that they are in, made while somebody asks for
 * them, and the rounds over all sockets. */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct connection_side;
struct handover;
struct kernel_side;
struct ownership;

/* What `kernel`, `ownership` and `handover` (all borrowed) have, for `cpus` possible processors.
 * Takes up the map that the daemon before us left. */
int connection_side_new(struct connection_side **ret, const struct kernel_side *kernel,
                        const struct ownership *ownership, struct handover *handover,
                        unsigned cpus);

/* Frees it; the map goes with its programs, or stays for the next daemon. NULL is fine. */
struct connection_side *connection_side_free(struct connection_side *s);

/* Makes the map, for `max` ends. Nothing happens where it is there. Returns 0 or a negative errno.
 */
int connection_side_start(struct connection_side *s, uint32_t max);

/* Whether it is seen what passes through sockets: without, AF_UNIX's are not gone over, and of
 * TCP's the kernel's own numbers are all. */
void connection_side_count(struct connection_side *s, bool seen);

/* Takes the map away, with all that is in it. */
void connection_side_stop(struct connection_side *s);

/* Whether there is a map, and how many ends it has room for. */
bool connection_side_runs(const struct connection_side *s);
uint32_t connection_side_max(const struct connection_side *s);

/* Goes over all sockets of the daemon's network namespace: those that were open before are picked
 * up (but where some processes alone are observed), and what is seen gets the number of the round.
 * After the first round, others that appear are new ones. Returns the number of the round, or 0
 * where it did not come to its end. */
uint32_t connection_side_round(struct connection_side *s);

/* Whether sockets of `family` (AF_INET, AF_UNIX) can be gone over. */
bool connection_side_goes_over(const struct connection_side *s, int family);

/* Calls `each` for every end, and says in `ret_evicted` how many were pushed out by newer ones
 * since the map was made, as far as can be told. Returns 0 or a negative errno, also of `each`. */
int connection_side_read(struct connection_side *s,
                         int (*each)(uint64_t key, const struct connection *c, void *userdata),
                         void *userdata, uint64_t *ret_evicted);

/* How many calls that sent or received something no program saw, since this was asked last, by us
 * or by the daemon before us: as many at most, on connections or on other sockets. */
uint64_t connection_side_missed(struct connection_side *s);

/* Whether an end is the daemon's own: of one that takes over, the kernel side takes those that it
 * made before for somebody's. */
bool connection_side_is_own(const struct connection_side *s, const struct connection *c);

/* Takes one end out: it is gone without a word. */
void connection_side_remove(struct connection_side *s, uint64_t key);
