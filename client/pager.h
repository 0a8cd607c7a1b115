/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The pager, as systemd's tools have it.
 *
 * It is the first of $BPFMON_PAGER, $SYSTEMD_PAGER and $PAGER that is set (empty or "cat": none),
 * else less, else more. less gets the options FRSXMK, or those of $SYSTEMD_LESS. Who has got
 * privileges by sudo or the like might start a shell from a pager: unless $SYSTEMD_PAGERSECURE says
 * that it may be trusted (1: to be secure by LESSSECURE; 0: it may do everything), only less is
 * run, with LESSSECURE. */

#include <sys/types.h>

/* Starts it. Returns its process id and in `ret_fd` what it reads from; 0: there is none. */
pid_t pager_start(int *ret_fd);
