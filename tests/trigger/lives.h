/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the actions about objects' lives share. */

#include <sys/types.h>

#include "trigger.h"

struct life_kind {
        const char *name;
        int (*make)(const char *name); /* an fd, or a negative errno */
        int (*report)(int fd);
};

enum { LIFE_PROGRAM, LIFE_MAP };

/* Programs, maps, links and BTF; ends with a row without a name. */
extern const struct life_kind life_kinds[];

/* The kind that the first argument names, or NULL. */
const struct life_kind *life_kind(const struct arguments *a);

/* The whole report of an object that goes, or is pinned or unpinned, by this process. `path` may be
 * NULL. Returns a negative errno. */
int report_life(const char *action, const struct life_kind *kind, int fd, pid_t loader,
                const char *path);

/* Pins what is behind an fd. Returns a negative errno. */
int life_pin(int fd, const char *path);
