/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A match as D-Bus has it: an array of strings that a client sent. */

#include <systemd/sd-bus.h>

struct match;

/* Reads an `as` from the message and parses it (the caller frees `ret`). Never reads more than
 * MATCH_TERMS_MAX terms. On failure sets `error`: to BPFMON_ERROR_INVALID_MATCH where the terms are
 * at fault. Returns 0 or a negative errno. */
int match_read(sd_bus_message *m, struct match **ret, sd_bus_error *error);
