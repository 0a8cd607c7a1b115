/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The two forms of `top`. */

#include <stddef.h>
#include <systemd/sd-bus.h>

struct field_set;
struct options;

/* The fields of a program that are looked at each time. */
void top_fields(struct field_set *ret, char **matches, size_t n);

/* Prints rows, look for look, as text or JSON (top-batch.c). Returns the exit status. */
int top_batch(sd_bus *bus, char **matches, size_t n, const struct options *options);
