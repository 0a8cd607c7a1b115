/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Loads the kernel side. */

#include <stdbool.h>

struct bpfmon_bpf;
struct probe_options;

/* Loads the programs and maps, for `cpus` possible processors, and tells them who we are. A program
 * that this kernel refuses is left out, and said in the log: its probe takes another hook, or
 * fails. Without `kprobes` those of kprobes are left out. Returns 0 or a negative errno, after
 * logging one line that says what to do. */
int kernel_side_load(struct bpfmon_bpf **ret, const struct probe_options *options, bool kprobes,
                     unsigned cpus);

/* Lets the kernel side remember the maps that are there already. */
void kernel_side_seed_maps(struct bpfmon_bpf *skel);
