/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Links that are about to be. */

#include <linux/bpf.h>
#include <stdint.h>

enum { TEXT_SIZE = 512 };

/* Fills in the attributes of LINK_CREATE but the program, and says in words to what the link
 * attaches, in `target` of TEXT_SIZE bytes. Returns an fd of the program, or a negative errno:
 * -EINVAL and -ENOENT where the kernel has no such thing. */
int plan_link(const char *name, union bpf_attr *attr, char *target);

/* A perf event of this process, on all processors. Returns an fd or a negative errno. */
int open_perf(uint32_t type, uint64_t config);
