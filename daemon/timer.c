/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timer.h"

#include <time.h>

enum { TURN_USEC = 1000 };

int timer_set(sd_event_source **source, sd_event *loop, uint64_t usec, uint64_t accuracy,
              sd_event_time_handler_t handler, void *userdata) {
        int k;

        if (!*source)
                return sd_event_add_time_relative(loop, source, CLOCK_MONOTONIC, usec, accuracy,
                                                  handler, userdata);
        k = sd_event_source_set_time_relative(*source, usec);
        return k < 0 ? k : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}

void timer_stop(sd_event_source *source) {
        if (source)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

bool timer_runs(sd_event_source *source) {
        return source && sd_event_source_get_enabled(source, NULL) > 0;
}

int turn_wait(sd_event_source **source, sd_event *loop, sd_event_time_handler_t handler,
              void *userdata) {
        return timer_set(source, loop, TURN_USEC, TURN_USEC, handler, userdata);
}
