/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bpf() calls do besides the ordinary: every command, several targets, programs that say much.
 */

#include "trigger.h"

const struct action call_actions[] = {
        {},
};
