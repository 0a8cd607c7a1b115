/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names of what is a number for the kernel: where its BTF has them, and ours. The daemon takes the
 * kernel's where it can (names.h). */

#include <stdbool.h>
#include <stddef.h>

enum name_set {
        NAMES_COMMAND,          /* enum bpf_cmd: PROG_LOAD */
        NAMES_PROG_TYPE,        /* enum bpf_prog_type: kprobe */
        NAMES_MAP_TYPE,         /* enum bpf_map_type: hash */
        NAMES_LINK_TYPE,        /* enum bpf_link_type: tracing */
        NAMES_ATTACH_TYPE,      /* enum bpf_attach_type: cgroup_inet_ingress */
        NAMES_HELPER,           /* enum bpf_func_id: map_lookup_elem */
        NAMES_STATS_TYPE,       /* enum bpf_stats_type: run_time */
        NAMES_TASK_FD_TYPE,     /* enum bpf_task_fd_type: kprobe */
        NAMES_STREAM,           /* of a program: stdout */
        NAMES_NETFILTER_FAMILY, /* NFPROTO_*: ipv4 */
        NAMES_NETFILTER_HOOK,   /* enum nf_inet_hooks: local_in */
        _NAMES_MAX
};

struct name_table {
        const char *type;   /* the kernel's enum; NULL: it has no name there, and only ours count */
        const char *prefix; /* of its values, which we leave out */
        bool lower;
        const char *const *ours;
        size_t n_ours;
};

extern const struct name_table name_tables[_NAMES_MAX];
