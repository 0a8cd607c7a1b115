/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* org.freedesktop.LogControl1 (org.freedesktop.LogControl1(5)): what is logged, and where to, while
 * the daemon runs: `systemctl log-level bpfmond`. */

#include <systemd/sd-bus.h>

/* Registers the object on the bus; the slot is the caller's. Returns 0 or a negative errno. */
int log_control_new(sd_bus_slot **ret, sd_bus *bus);
