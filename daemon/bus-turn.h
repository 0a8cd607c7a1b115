/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Turns for messages that sd-bus has read already. It asks for its turn by a timer that it sets
 * anew whenever the loop turns: that is always the newest of what is due, and comes after
 * everything else, over and over, where two others are always due, such as lists that take long. */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* Has one such message handled after each other thing that the loop does. `bus` is attached to
 * `loop`; both are borrowed while the source lives, which is for the caller to unref. Returns 0 or
 * a negative errno. */
int bus_turn_new(sd_event_source **ret, sd_event *loop, sd_bus *bus);
