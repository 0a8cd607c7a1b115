/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A call as one plain sentence. */

struct command_info;
struct event;

/* Sets `message` from the other fields of the event: `bpftool loaded kprobe program "trace_open"
 * (id 77)`. Commands without words in the table get none. */
void message_set(struct event *e, const struct command_info *info);
