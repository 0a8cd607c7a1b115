/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What is configured: bpfmond.conf, and what the command line puts above it. */

#include <stdbool.h>
#include <stddef.h>

#include "settings.h"

/* What the command line says; zeroes say nothing. */
struct overrides {
        const char *config; /* absolute path of the one file to read (and its drop-ins), in place of
                               all */
        const char *rules;  /* absolute path of the one directory of rules to read */
        size_t ring_size;
        bool no_kprobes;
        bool debug;
};

struct configuration {
        struct overrides overrides;
        struct settings now;
};

/* Reads the configuration for the first time, and sets up logging by it. What is wrong is logged;
 * defaults stand in for it. */
void configuration_init(struct configuration *c, const struct overrides *overrides);

/* Reads it again. What needs a restart keeps its value, and is logged. */
void configuration_reload(struct configuration *c);
