/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters of sockets, seccomp, tun devices and io_uring. */

#include "trigger.h"

const struct action socket_actions[] = {
        {},
};
