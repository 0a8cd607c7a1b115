/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What GetStatus answers: one table of what the daemon counts. */

#include <systemd/sd-bus.h>

struct manager_context;

/* Appends an `a{sv}`. Returns 0 or a negative errno. */
int status_append(sd_bus_message *reply, const struct manager_context *c);
