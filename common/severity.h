/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How much an event matters: the words of the field `severity`, in their order. */

#include <stdbool.h>

enum severity {
        SEVERITY_INFO,
        SEVERITY_NOTICE,
        SEVERITY_WARNING, /* from here on it is an alert */
        SEVERITY_CRITICAL,
        _SEVERITY_MAX
};

/* Name of a severity (static). */
const char *severity_name(enum severity severity);

struct event;

/* Whether the event is one that people are to be told of: of severity warning or above. */
bool severity_alerts(const struct event *e);

/* Finds a severity by its name. Returns it, or -ENOENT. */
int severity_from_name(const char *name);
