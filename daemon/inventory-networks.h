/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The network namespaces of the machine. For the scan of the inventory alone. */

#include <stdint.h>

struct scan;

/* Calls `look` in each of them, with its inode, our own first. The calling thread is in it
 * meanwhile. Returns the first negative result. */
int networks_visit(struct scan *s, int (*look)(struct scan *s, uint32_t inode, void *userdata),
                   void *userdata);
