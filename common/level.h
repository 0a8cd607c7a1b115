/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Levels of syslog by their names. */

/* The level named "emerg", … "debug", or by its number "0" to "7"; -EINVAL for anything else. */
int level_from_name(const char *name);

/* Name of a level from 0 to 7 (static). */
const char *level_name(int level);
