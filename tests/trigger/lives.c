/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lives of objects: who drops them, pins them, and touches what is not theirs. */

#include "trigger.h"

const struct action live_actions[] = {
        {},
};
