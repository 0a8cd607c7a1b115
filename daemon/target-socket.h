/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a filter was attached to, in words: a socket, a tun device, a process, an io_uring. */

#include "record.h"

struct event;

/* Sets attach.target, attach.ifindex and attach.namespace.net for a target of kind TARGET_SOCKET,
 * TARGET_TUN, TARGET_PROCESS or TARGET_RING (any bytes); nothing for others. */
void target_socket_describe(struct event *e, const struct record_target *t);
