/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the file descriptors in the attributes of a bpf() call were. */

#include "record.h"

struct attr;
struct event;

/* Sets bpf.fds from what the kernel side saw behind them (`a->fds`, any bytes). `target`, whose
 * text_size is within bounds, says where a control group is. */
void fds_describe(struct event *e, const struct attr *a, const struct record_target *target);
