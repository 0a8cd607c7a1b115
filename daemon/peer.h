/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Tells when a connection leaves the bus, waiting for nothing: unlike sd_bus_track_new(3), which
 * asks the bus and waits, and with which sd-bus gives up our own connection when this process
 * stands still for longer than a call may take. */

#include <systemd/sd-bus.h>

struct peer;

/* Called once, with 0 when it has left, or with a negative errno when the bus does not tell us. The
 * peer may be freed in it. */
typedef void (*peer_left_t)(int error, void *userdata);

/* Watches the connection with that unique name (copied), also one that has left already. Returns 0,
 * -EINVAL if it is no unique name, -ENOMEM, or what sd-bus says when nothing can be sent. */
int peer_new(struct peer **ret, sd_bus *bus, const char *name, peer_left_t left, void *userdata);

/* Nothing is told any more. NULL is fine; returns NULL. */
struct peer *peer_free(struct peer *p);

/* Its unique name. */
const char *peer_name(const struct peer *p);
