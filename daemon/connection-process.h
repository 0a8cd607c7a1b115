/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Processes that use connections, where the kernel side told of them too long ago, or to the daemon
 * before us: /proc knows those that still live. */

struct processes;
struct record_task;

/* Learns of the process where nothing is remembered of it. */
void connection_process_know(struct processes *p, const struct record_task *task);
