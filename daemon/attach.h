/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Attaches a program of the kernel side to its hook. What holds it there is one fd, that can be
 * handed to the next daemon: libbpf's links cannot. */

#include <stdbool.h>

#include "record.h"

/* Whether there is a file, for who has capabilities but is not root: access() leaves them out. */
bool attach_exists(const char *path);

/* The directory of the kernel's tracepoints; NULL: tracefs is not there. */
const char *attach_events_dir(void);

/* Attaches the program `prog_fd` to a hook. Returns an fd (of a link, or before Linux 5.15 of a
 * perf event) for the caller: the program stays attached while a copy of it is open. Otherwise a
 * negative errno. */
int attach_program(enum hook hook, int prog_fd);
