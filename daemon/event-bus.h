/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An event as D-Bus has it: a{sv}, keys and types of common/fields.def. */

#include <stddef.h>

struct event;
struct field_set;
struct sd_bus_message;

/* Appends the event to a message as a{sv}, of its fields those in `only` (NULL: all). Returns its
 * marshalled size in bytes (an upper estimate), or a negative errno. */
int event_append(const struct event *e, const struct field_set *only, struct sd_bus_message *m);
