/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-terminal.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool terminal_is_known(void) {
        int why; /* with it, setupterm() neither prints nor exits */

        if (setupterm(NULL, STDOUT_FILENO, &why) != OK)
                return false;
        del_curterm(cur_term);
        return true;
}
