/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "severity.h"

#include <errno.h>
#include <string.h>

#include "event.h"

static const char *const names[] = {
        [SEVERITY_INFO] = "info",
        [SEVERITY_NOTICE] = "notice",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_CRITICAL] = "critical",
};

const char *severity_name(enum severity severity) {
        return names[severity];
}

bool severity_alerts(const struct event *e) {
        const char *name = event_string(e, FIELD_SEVERITY);

        return name && severity_from_name(name) >= SEVERITY_WARNING;
}

int severity_from_name(const char *name) {
        for (int i = 0; i < _SEVERITY_MAX; i++)
                if (strcmp(names[i], name) == 0)
                        return i;

        return -ENOENT;
}
