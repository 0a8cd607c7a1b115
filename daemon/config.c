/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

#include "util.h"

static const struct setting {
        size_t offset;
        uint64_t value; /* by default */
} table[] = {
#define SETTING(section, key, type, member, value, least, most, restart, meaning) \
        {offsetof(struct settings, member), value},
#include "settings.def"
};

void settings_init(struct settings *s) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                *(uint64_t *) ((char *) s + table[i].offset) = table[i].value;
}
