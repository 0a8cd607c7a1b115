/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What was done without bpf(), or by the kernel: names of its kinds and roads. */

#include <stdint.h>

#include "record.h"

struct command_info;
struct event;

/* Describes an action for `event`, `class`, `attach.via` and the sentence; NULL where the record
 * makes no sense. Static. */
const struct command_info *action_info(const struct record_action *r);

/* The same for an object that goes; NULL for a kind of which that is not told. */
const struct command_info *action_free_info(uint32_t kind);

/* Sets attach.flags or seccomp.flags from the flags of its road, and filter.source. */
void road_describe(struct event *e, const struct record_action *r);
