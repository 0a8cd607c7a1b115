/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trim.h"

#include <malloc.h>

#include "timer.h"
#include "util.h"

enum {
        LARGE_BYTES = 256 * 1024, /* some 500 objects, or connections */
        TRIM_USEC = 1000000,      /* sd-bus has written it by then */
};

static int on_trim(_unused_ sd_event_source *s, _unused_ uint64_t usec, _unused_ void *userdata) {
        malloc_trim(0);
        return 0;
}

void trim_later(sd_event_source **source, sd_event *loop, uint64_t bytes) {
        if (bytes >= LARGE_BYTES && !timer_runs(*source))
                (void) timer_set(source, loop, TRIM_USEC, TRIM_USEC, on_trim, NULL);
}
