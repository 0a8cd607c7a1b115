/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An alert: what a desktop is told of an event, and by which program and cause it is folded and
 * muted. */

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

struct json_object;

/* As the notification specification numbers them (version 1.2, "Urgency Levels"). */
enum urgency { URGENCY_LOW, URGENCY_NORMAL, URGENCY_CRITICAL, _URGENCY_MAX };

struct alert {
        /* Who did it, printable: the path of the executable; USER:NAME where the path is not told;
         * with "container ID " before it where it is of one. NULL where no process did it. */
        char *program;
        char *cause; /* the rule's name, or the kind of event and how it ended */
        enum urgency urgency;
        uint64_t count;          /* for so many it stands */
        bool again;              /* it only tells that there were more of what was told before */
        uint64_t time;           /* µs since 1970-01-01 UTC */
        struct json_object *row; /* the event */
};

/* Takes a reference to `row`, an event as bus_json_read_row() reads it. Returns 0 and an alert for
 * the caller to free, or -ENOMEM. */
int alert_new(struct alert **ret, struct json_object *row);
struct alert *alert_free(struct alert *a);

DEFINE_CLEANUP(struct alert *, alert_free);
#define _cleanup_alert_ _cleanup_(alert_freep)
