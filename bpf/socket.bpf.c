/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Filters of sockets, seccomp, tun devices and io_uring. */

#include "action.h"
