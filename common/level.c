/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "level.h"

#include <string.h>
#include <syslog.h>

#include "util.h"

static const char *const names[] = {
        [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",     [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",     [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

int level_from_name(const char *name) {
        if (name[0] >= '0' && name[0] < '0' + (int) ELEMENTSOF(names) && !name[1])
                return name[0] - '0';
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(names[i], name) == 0)
                        return (int) i;
        return -EINVAL;
}

const char *level_name(int level) {
        return names[level];
}
