/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"
#include "event.h"
#include "parts.h"
#include "symbols.h"

void target_describe(struct event *e, struct symbols *symbols, const struct record_task *task,
                     const struct record_target *t) {
}

void target_describe_list(struct event *e, struct symbols *symbols, const struct record_task *task,
                          const struct record_target *t, enum part_kind kind,
                          const struct part *list) {
}
