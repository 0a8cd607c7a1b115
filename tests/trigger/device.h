/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The network device that an action has to itself. */

#include "trigger.h"

extern const char device[]; /* its name */

/* Makes it anew, and takes it away. Return 0 or a negative errno. */
int device_make(void);
int device_make_kind(const char *kind);
int device_remove(void);

/* Makes it in a network namespace that only this process is in. Returns as above. */
int device_make_apart(void);

/* The report of what came or went by a message that returned `ret`; `program` is an fd, or -1 for
 * none. Returns as above. */
int report_network(const char *action, int ret, int program);

/* Runs it in a child, since there is no way back, and waits for its end. Returns as above. */
int as_child(int (*run)(const struct arguments *a), const struct arguments *a);

/* Gives up all privileges. Returns as above. */
int become_nobody(void);
