/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One line on standard error that says that something takes its time: after a second, on a terminal
 * alone, and gone when it is over, also by Ctrl-C. There is one at a time. */

#include <stdbool.h>
#include <stdint.h>

/* Begins it: `what` ("Reading the history") is static. Does nothing where standard error is no
 * terminal, or where one has begun. Returns whether it has. */
bool progress_begin(const char *what);

/* How much is done, of whatever `unit` ("events", static) says. */
void progress_count(uint64_t n, const char *unit);

/* Ends it and removes the line. Does nothing where none has begun. Must come before anything else
 * is written to the terminal. */
void progress_end(void);
