/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* bpfmond.conf: what an administrator may set, each with a default (see settings.def). */

#include <stdint.h>

#include "limits.h"

/* Every setting is a number, whatever it looks like in the file. */
struct settings {
        uint64_t limits[_LIMIT_MAX];
        uint64_t ring_size;    /* bytes */
        uint64_t kprobes;      /* 0 or 1 */
        uint64_t log_level;    /* of syslog */
        uint64_t log_interval; /* µs */
        uint64_t log_burst;
};

/* Every setting has its default. */
void settings_init(struct settings *s);
