/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the path of a control group says: unit, login session, container. By systemd's rules (as
 * sd_pid_get_unit() has them) and the naming habits of the container engines. */

enum {
        UNIT_NAME_MAX = 256, /* with NUL, as in systemd */
};

struct cgroup_names {
        char unit[UNIT_NAME_MAX];      /* "": none */
        char session[UNIT_NAME_MAX];   /* "": none */
        char container[UNIT_NAME_MAX]; /* "": none; of nested containers the innermost */
};

/* Reads `path` ("/system.slice/cron.service"), which may be anything. Never fails. */
void cgroup_parse(const char *path, struct cgroup_names *ret);

/* Forgets what depends on the beginning of a path whose beginning is missing: a unit inside another
 * would pass for the outer one. */
void cgroup_parse_cut(const char *path, struct cgroup_names *ret);
