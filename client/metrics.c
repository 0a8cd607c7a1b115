/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include <inttypes.h>
#include <string.h>

static const struct {
        const char *type, *suffix;
} suffixes[] = {{"counter", "_total"}, {"gauge", ""}};

void metrics_family(struct text *t, const char *name, const char *type, const char *unit,
                    const char *help) {
        text_printf(t, "# TYPE %s %s\n", name, type);
        if (unit)
                text_printf(t, "# UNIT %s %s\n", name, unit);
        text_printf(t, "# HELP %s %s\n", name, help);
}

/* Names come from other processes. */
static void add_value(struct text *t, const char *value) {
        for (; *value; value++)
                if (*value == '\n')
                        text_add(t, "\\n");
                else if (*value == '"' || *value == '\\')
                        text_printf(t, "\\%c", *value);
                else
                        text_add_char(t, *value, 1);
}

static void add_name(struct text *t, const char *name, const char *type,
                     const struct label *labels) {
        const char *before = "{";

        text_add(t, name);
        for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
                if (strcmp(suffixes[i].type, type) == 0)
                        text_add(t, suffixes[i].suffix);
        for (; labels && labels->name; labels++) {
                if (!labels->value)
                        continue;
                text_printf(t, "%s%s=\"", before, labels->name);
                add_value(t, labels->value);
                text_add(t, "\"");
                before = ",";
        }
        text_add(t, before[0] == ',' ? "} " : " ");
}

void metrics_number(struct text *t, const char *name, const char *type, const struct label *labels,
                    uint64_t value) {
        add_name(t, name, type, labels);
        text_printf(t, "%" PRIu64 "\n", value);
}

void metrics_seconds(struct text *t, const char *name, const char *type, const struct label *labels,
                     uint64_t nsec) {
        add_name(t, name, type, labels);
        text_printf(t, "%" PRIu64 ".%09" PRIu64 "\n", nsec / 1000000000, nsec % 1000000000);
}

void metrics_end(struct text *t) {
        text_add(t, "# EOF\n");
}
