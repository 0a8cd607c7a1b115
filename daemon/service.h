/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which service is behind a port or a socket's path: a table of the usual ones, and what
 * bpfmond.conf adds (Service= in [Connections]). */

#include <stddef.h>
#include <stdint.h>

#include "usual-services.h"

enum {
        SERVICE_RULES_MAX = 64,  /* that are configured */
        SERVICE_NAMES_MAX = 128, /* more than those and the usual ones */
};

struct service_rules {
        struct service_rule rules[SERVICE_RULES_MAX];
        size_t n;
};

/* Adds what a line of configuration says: NAME PORT|PATH…, separated by blanks. Returns 0, -EINVAL
 * for what is none, -E2BIG where there are too many; nothing is added then. */
int service_rules_add(struct service_rules *rules, const char *text);

/* The service behind a port, or a path; those that are configured count more. NULL: none is known.
 * The result lives as long as `rules`. */
const char *service_of_port(const struct service_rules *rules, uint16_t port);
const char *service_of_path(const struct service_rules *rules, const char *path);

/* Fills `ret` with the names that there are, each once, in the order of the alphabet, and returns
 * how many; SERVICE_NAMES_MAX are room enough. They live as long as `rules`. */
size_t service_names(const struct service_rules *rules, const char **ret, size_t max);
