/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that come by netlink: traffic control and XDP. */

#include "action.h"
