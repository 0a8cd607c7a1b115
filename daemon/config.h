/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Reads bpfmond.conf and its drop-ins as systemd reads its own (systemd.syntax(7),
 * systemd-system.conf(5)). What is wrong is told with file and line, and left out: the
 * default stands, or what another file says. */

#include <stddef.h>

struct settings;

/* Where it looks. */
struct config_places {
        const char *const *directories; /* the first counts most; NULL ends them */
        const char *name;               /* of the file; drop-ins are in NAME.d/ beside it */
};

/* The places of an installed daemon; and those of its rules. */
extern const struct config_places config_places_default;
extern const char *const config_rule_directories[];

/* Is told what is wrong: `line` counts from 1, 0 is the file itself. `file` and `message` are
 * printable. */
typedef void (*config_complain)(const char *file, unsigned line, const char *message,
                                void *userdata);

/* Reads all settings. Whatever the files hold, `ret` is complete and each value in its range. The
 * first directory that has the file counts, then the drop-ins *.conf of all of them in the order of
 * their names; of those with one name the first counts, and a link to /dev/null is none. */
void config_read(struct settings *ret, const struct config_places *places, config_complain complain,
                 void *userdata);
