/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A call of QueryEvents, from its question to its reply. */

#include <systemd/sd-bus.h>

struct limits;
struct match;
struct options;
struct queries;
struct viewer;

/* Asks the history what the call asks for, and replies when the answer is there; if its sender
 * leaves before, nobody is told. `match` moves here on success; the rest is borrowed, `limits`
 * until the reply. Returns 1, or a negative errno with `error` set. */
int query_call(struct queries *queries, const struct limits *limits, sd_bus_message *call,
               struct match *match, const struct options *options, const struct viewer *viewer,
               sd_bus_error *error);
