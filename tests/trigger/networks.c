/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that come by netlink: traffic control and XDP. */

#include "trigger.h"

const struct action network_actions[] = {
        {},
};
