/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/, version 1.0), which
 * Prometheus and node_exporter's textfile collector read, too. */

#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct label {
        const char *name, *value; /* value NULL: left out */
};

enum {
        LABELS_MAX = 4,
};

/* Begins a family: `type` is counter or gauge (node_exporter takes no other one that they have in
 * common); `unit` NULL: none. */
void metrics_family(struct text *t, const char *name, const char *type, const char *unit,
                    const char *help);

/* Adds a sample of the family of this name and type, with up to LABELS_MAX labels, ended by one
 * without a name (NULL: none). */
void metrics_number(struct text *t, const char *name, const char *type, const struct label *labels,
                    uint64_t value);

/* The same for a time of nanoseconds, in seconds. */
void metrics_seconds(struct text *t, const char *name, const char *type, const struct label *labels,
                     uint64_t nsec);

/* Ends it all. */
void metrics_end(struct text *t);
