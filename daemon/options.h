/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The options of a call, an `a{sv}`: one table of all that there are; each method says which of
 * them it takes. An unknown option is an error: it would change what the caller gets. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "access.h"
#include "event.h"

enum option {
        OPTION_FIELDS,   /* as: the fields of events */
        OPTION_SCOPE,    /* s: whose events */
        OPTION_SINCE,    /* t: not before that, µs since 1970 */
        OPTION_UNTIL,    /* t: not after that */
        OPTION_LIMIT,    /* u: so many rows */
        OPTION_REVERSE,  /* b: the newest first */
        OPTION_CURSOR,   /* s: go on where an earlier answer ended */
        OPTION_AFTER,    /* u: objects with ids greater than that */
        OPTION_INTERVAL, /* t: how often connections are told of, µs */
        _OPTION_MAX
};

#define OPTION_BIT(option) (1U << (option))

struct options {
        unsigned given; /* OPTION_BIT() of those that were there */
        struct field_set fields;
        enum scope scope;
        uint64_t since, until;
        uint32_t limit;
        uint32_t after;
        int reverse;
        const char *cursor; /* in the message */
        uint64_t interval;
};

/* Reads an `a{sv}` from the message into `ret` (zeroed first). `allowed` has the OPTION_BIT() of
 * what `method` (its name, for errors) takes. On failure sets `error`, to
 * BPFMON_ERROR_INVALID_OPTION where the caller is at fault. Returns 0 or a negative errno. */
int options_read(sd_bus_message *m, const char *method, unsigned allowed, struct options *ret,
                 sd_bus_error *error);
