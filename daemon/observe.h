/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Limits what is observed to one cgroup or one tree of processes; the kernel side decides by the
 * maps filled here. */

#include <stdint.h>
#include <sys/types.h>

struct probe_options;

/* Parses "cgroup:PATH" or "pid:N" into `options` (the path is borrowed from `text`). Returns
 * -EINVAL for anything else. */
int observe_parse(const char *text, struct probe_options *options);

/* Puts the cgroup v2 directory `path` into the cgroup array `map_fd`. Logs what is wrong; returns a
 * negative errno. */
int observe_cgroup(int map_fd, const char *path);

/* Puts process `pid` and its present descendants into the hash `map_fd` (key u32 tgid). Later ones
 * are added by the kernel side, which must follow forks by now. `own_tgid`: our own pid as the
 * kernel side sees it. Logs what is wrong; returns a negative errno. */
int observe_process_tree(int map_fd, pid_t pid, uint32_t own_tgid);
