/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which names services may have: the usual ones, and those that bpfmond.conf adds. */

#include <stddef.h>
#include <systemd/sd-bus.h>

#include "text.h"

struct options;

/* Reads them from the daemon: an array with NULL at its end, for the caller to strv-free
 * (services_free()). Returns 0 or a negative errno, with `error` set where there is more to say. */
int services_read(sd_bus *bus, char ***ret, sd_bus_error *error);
void services_free(char **names);
static inline void services_freep(char ***names) {
        services_free(*names);
}

/* Adds what is wrong with a service that somebody asks for by `name`: 'no service is called …', and
 * what may be meant. Adds nothing where one of `names` is called so, or the name is a pattern. */
void services_add_complaint(struct text *t, char **names, const char *name);

/* Complains about --service, and about terms service.name=, that name none which the daemon knows;
 * where it does not tell them, all are taken. Returns EXIT_SUCCESS, EXIT_USAGE, or another exit
 * status where nobody answers. */
int services_check(sd_bus *bus, char **matches, size_t n, const struct options *options);

/* Lists them. Returns the exit status. */
int services_list(const struct options *options);
