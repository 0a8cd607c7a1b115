/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The system bus of another machine as an address for sd_bus_set_address(): ssh, and
 * systemd-stdio-bridge(1) there. */

#include <stdbool.h>

/* `host` is as systemd's tools have it: [USER@]HOST[:PORT][/CONTAINER], HOST in [ ] where it has
 * colons. ssh says no more than errors. `unattended`: it asks for nothing, and gives up after two
 * seconds. The caller frees `ret`. Returns 0, -EINVAL or -ENOMEM. */
int ssh_address(char **ret, const char *host, bool unattended);
