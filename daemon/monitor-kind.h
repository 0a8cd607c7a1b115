/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the kinds of monitors share. */

#include <stdbool.h>

#include "monitor.h"

struct monitor {
        const struct monitor_kind *kind;
        enum hook hook;
        struct sd_event *loop;
        struct monitor_handlers handlers;
        void *userdata;
        uint64_t hits;
        uint64_t parts; /* numbers those that go before a record */
        void *state;    /* of the kind */
};

struct monitor_kind {
        /* Makes `state`. */
        int (*prepare)(struct monitor *m);
        /* Begins to listen, in the event loop. What it leaves behind on failure stop() takes away.
         */
        int (*listen)(struct monitor *m, const struct probe_options *options);
        /* Frees `state`. */
        void (*stop)(struct monitor *m);
        /* See monitor_hold(). */
        void (*hold)(struct monitor *m, bool hold);
        /* Takes what the kernel has sent: a struct nlmsghdr, or a struct perf_event_header, with
         * as many bytes behind it as it says. */
        void (*message)(struct monitor *m, const void *data);
};

extern const struct monitor_kind monitor_rtnl_link;
extern const struct monitor_kind monitor_rtnl_tc;
extern const struct monitor_kind monitor_perf;

/* Fills in the header of a record and what every one of a monitor says, and hands it out. `time`:
 * CLOCK_MONOTONIC ns, 0: now. */
void monitor_tell(struct monitor *m, struct record_action *r, uint64_t time);

/* Hands out the instructions of a classic filter, `count` of eight bytes at `code` (copied), for
 * the record that is told next. More than the kernel takes are left out. */
void monitor_tell_filter(struct monitor *m, const void *code, size_t count);

/* For struct rtnl_handlers, with the monitor as `userdata`. */
bool monitor_settle(void *userdata);
void monitor_idle(void *userdata);

/* What the kernel says of a program, by its id; nothing but the id where it is gone already. */
void monitor_fill_program(struct record_object *o, uint32_t id);
