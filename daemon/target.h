/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What something was attached to, in words. */

#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct event;
struct part;
struct record_task;
struct symbols;

/* Sets attach.target, attach.address, attach.ifindex and attach.namespace.net from what the kernel
 * side saw (any bytes). `task` is who did it: its mount namespace is where files are looked up.
 * `symbols` may be NULL: then addresses stay numbers. */
void target_describe(struct event *e, struct symbols *symbols, const struct record_task *task,
                     const struct record_target *t);

/* Sets attach.targets from a list: PART_ADDRESSES or PART_OFFSETS (of the file in `t`).
 * Long lists are cut, and the last item says how many are left out. */
void target_describe_list(struct event *e, struct symbols *symbols, const struct record_task *task,
                          const struct record_target *t, enum part_kind kind,
                          const struct part *list);
