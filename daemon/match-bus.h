/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A match as D-Bus has it: an array of strings that a client sent. */

#include <systemd/sd-bus.h>

struct limits;
struct match;
struct viewer;

/* Reads an `as` from the message and parses it (the caller frees `ret`). Never reads more terms or
 * bytes than `limits` allow, which count what is refused. On failure sets `error`: to
 * BPFMON_ERROR_INVALID_MATCH where a term is at fault, to BPFMON_ERROR_LIMIT_EXCEEDED where there
 * is too much. Returns 0 or a negative errno. */
int match_read(sd_bus_message *m, struct limits *limits, struct match **ret, sd_bus_error *error);

/* Whether a match asks only about what the viewer may see. Returns 0, or counts it as denied and
 * returns a negative errno with `error` set to AccessDenied and the field's name. */
int match_check_fields(const struct viewer *v, const struct match *m, struct limits *limits,
                       sd_bus_error *error);
