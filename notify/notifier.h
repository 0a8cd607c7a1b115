/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* bpfmon-notify at work: alerts come from the system bus, and notifications go to the session bus.
 */

#include <stdbool.h>

#include "util.h"

struct mutes;

struct notifier_options {
        const char *scope; /* of the subscription (static) */
        bool test;         /* show a sample, and end when it is gone */
};

/* Runs until it is told to end (SIGTERM, SIGINT), the session is over, another one has the session,
 * or the sample is gone. `mutes` is borrowed. Returns the exit status. */
int notifier_run(const struct notifier_options *options, struct mutes *mutes);
