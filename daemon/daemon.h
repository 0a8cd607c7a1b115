/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The daemon: wires the stages together, from the ring to the bus, and runs them until it is told
 * to stop. */

#include "configuration.h"
#include "probe.h"

/* What the command line says. */
struct daemon_options {
        struct probe_options probes; /* what is observed */
        struct overrides overrides;
};

/* Runs until SIGTERM, SIGINT or the end of the bus. Returns 0 when it was told to stop, a negative
 * errno otherwise; what went wrong is logged. */
int daemon_run(const struct daemon_options *options);
