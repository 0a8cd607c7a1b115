/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-turn.h"

#include "util.h"

/* Something else had its turn. What fails here fails in the bus's own turn as well, which says so.
 */
static int on_post(_unused_ sd_event_source *source, void *userdata) {
        sd_bus *bus = userdata;
        uint64_t n = 0;

        if (sd_bus_get_n_queued_read(bus, &n) >= 0 && n > 0)
                (void) sd_bus_process(bus, NULL);
        return 0;
}

int bus_turn_new(sd_event_source **ret, sd_event *loop, sd_bus *bus) {
        int k = sd_event_add_post(loop, ret, on_post, bus);

        /* Right after it, not after all that is due: that may be many lists. */
        return k < 0 ? k : sd_event_source_set_priority(*ret, SD_EVENT_PRIORITY_NORMAL - 1);
}
