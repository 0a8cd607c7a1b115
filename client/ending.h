/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Verbs that go on until Ctrl-C: how they hear of it, and what they say at their end. */

#include <stdbool.h>
#include <stdint.h>

/* From now on the first SIGINT or SIGTERM is the verb's to take, which goes on meanwhile; a second
 * one kills, as ever. Returns a descriptor (of this module) that is readable from then on, or a
 * negative errno. */
int ending_watch(void);

/* Whether one has come. */
bool ending_came(void);

/* Says on standard error what was counted ("3 events, 0 lost") since `began` (CLOCK_MONOTONIC, ns).
 */
void ending_tell(uint64_t began, const char *counted);
