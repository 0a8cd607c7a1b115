/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What kind of terminal this is. By itself, since <term.h> makes macros of words such as
 * "columns". */

#include <stdbool.h>

/* Whether the type of the terminal ($TERM) is known, so that newterm() will not fail: that leaks
 * what it has by then. */
bool terminal_is_known(void);
