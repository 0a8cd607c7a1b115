/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Events of the past, asked for page by page. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct field_set;
struct json_object;
struct options;

struct pages {
        sd_bus *bus;
        const struct options *options; /* scope, password */
        char **matches;
        size_t n_matches;
        const struct field_set *only; /* NULL: all fields */
        uint64_t since, until;        /* µs since 1970; 0 and UINT64_MAX: no limit */
        uint64_t limit;               /* events; UINT64_MAX: no limit */
        bool reverse;                 /* the newest first */
};

/* Calls `on_event` with each (borrowed), until it returns a negative errno. Returns EXIT_SUCCESS,
 * or complains and returns another exit status. */
int pages_read(const struct pages *p, int (*on_event)(struct json_object *event, void *userdata),
               void *userdata);
