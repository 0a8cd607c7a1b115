/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* polkit's text agent, which asks for a password on the terminal. */

#include <sys/types.h>

/* Starts it for this process, where stdin is a terminal, and waits until polkit knows of it (of a
 * desktop's own agent there already: then it stays out of the way). Returns its process id for
 * agent_stop(), or 0: there is no terminal or no such program, and polkit may know another agent.
 */
pid_t agent_start(void);

/* Ends it, and gives the terminal back as it was. 0 is fine. */
void agent_stop(pid_t pid);
