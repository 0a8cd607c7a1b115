/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Perf events of each kind that programs can be attached to. */

#include <stdint.h>

struct perf_kind {
        const char *name;
        int (*open)(void);     /* an fd of a new event, or a negative errno */
        uint32_t program;      /* the type that it takes */
        int (*report)(int fd); /* member target: what the kernel says of an event with a program, in
                                  the words that are expected of bpfmon. Returns a negative errno */
};

/* The kind of that name, or NULL. */
const struct perf_kind *perf_kind(const char *name);

/* Takes away the events that were made by writing to a file, once they are closed. */
void perf_clean(void);
