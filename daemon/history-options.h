/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Where the history is, and how much of it. */

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-id128.h>

struct history_options {
        const char *path;      /* of the file; its directory exists */
        uint64_t max_size;     /* bytes */
        uint64_t max_age;      /* µs; 0: no limit */
        size_t queue_bytes;    /* memory for what waits to be written */
        uint32_t segment_rows; /* events that are dropped together */
        sd_id128_t boot;       /* this boot of the kernel */
};
