/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Events that are none of the daemon's: the sample that --test shows, and what a subscription tells
 * as lost. */

#include <stdint.h>

struct json_object;

#define SAMPLE_PROGRAM "/usr/bin/example"

/* NULL where memory is short. The caller puts it. */
struct json_object *sample_alert(void);
struct json_object *sample_lost(uint64_t count);
