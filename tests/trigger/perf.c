/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs attached to perf events by ioctl(). */

#include "trigger.h"

const struct action perf_actions[] = {
        {},
};
