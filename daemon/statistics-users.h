/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who wants run times counted: connections to the bus, until they let go or leave. */

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

struct statistics;
struct statistics_users;

enum { STATISTICS_USERS_MAX = 32 /* connections */ };

/* Both are borrowed. Returns 0 or a negative errno. */
int statistics_users_new(struct statistics_users **ret, sd_bus *bus, struct statistics *statistics);

/* The kernel stops counting for them. NULL is fine; returns NULL. */
struct statistics_users *statistics_users_free(struct statistics_users *u);

/* Counts the sender of a message in, once however often it asks. Returns 0, or a negative errno
 * with `error` set. */
int statistics_users_add(struct statistics_users *u, sd_bus_message *m, sd_bus_error *error);

/* Lets it go. Returns whether it was one. */
bool statistics_users_remove(struct statistics_users *u, sd_bus_message *m);

size_t statistics_users_count(const struct statistics_users *u);
