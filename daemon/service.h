/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which service is behind a port or a socket's path: a table of the usual ones, and what
 * bpfmond.conf adds (Service= in [Connections]). */

#include <stddef.h>
#include <stdint.h>

enum {
        SERVICE_NAME_BYTES = 32,  /* with NUL */
        SERVICE_PATH_BYTES = 109, /* a glob of a socket's path, with NUL */
        SERVICE_RULES_MAX = 64,   /* that are configured */
};

/* What is behind one port, or the paths that a glob matches. */
struct service_rule {
        char name[SERVICE_NAME_BYTES];
        char path[SERVICE_PATH_BYTES]; /* "": the port counts. An abstract name begins with @ */
        uint16_t port;
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
