/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A record of the kernel side becomes an event. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct decoder;
struct event;
struct names;
struct processes;

/* `names` and `processes` must outlive the decoder. */
int decoder_new(struct decoder **ret, const struct names *names, struct processes *processes);
struct decoder *decoder_free(struct decoder *d);

/* Fills `e` (reset first) from `size` bytes at `data` (aligned to 8), without seq. Returns 1 when
 * there is an event; 0 when the record was taken in silently (process context), or is sound and for
 * somebody else (a caller's counters); -EBADMSG when it does not parse: nothing of it is used. */
int decoder_record(struct decoder *d, struct event *e, const void *data, size_t size);

/* Whether a record that has been decoded to an event is of a call that touches one of the daemon's
 * own objects, by whatever it names. */
bool record_touches_own(const void *data);

/* Fills `e` with event, class, bpf.cmd and bpf.cmd_number as a call of this slot has them
 * (LOSS_OTHER: nothing but class self; LOSS_CONNECTIONS, LOSS_TRAFFIC: class traffic; LOSS_ACTIONS
 * and the last slot: nothing, it may have been anything). */
void decoder_partial(struct decoder *d, struct event *e, int slot);
