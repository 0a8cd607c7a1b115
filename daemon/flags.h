/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names of flags, as the kernel's headers spell them: BPF_F_NO_PREALLOC is "no_prealloc". */

#include <stddef.h>
#include <stdint.h>

enum flag_set {
        FLAGS_NONE,         /* none is defined */
        FLAGS_MAP,          /* of a map */
        FLAGS_ELEMENT,      /* of an operation on elements */
        FLAGS_PROG,         /* of loading a program */
        FLAGS_ATTACH,       /* of attaching one, and of replacing it */
        FLAGS_XDP,          /* of attaching one to an interface */
        FLAGS_QUERY,        /* of asking what is attached */
        FLAGS_FILE,         /* of opening: for reading, for writing, by which fd */
        FLAGS_TEST_RUN,     /* of running a program once */
        FLAGS_KPROBE_MULTI, /* of links to many functions */
        FLAGS_UPROBE_MULTI,
        FLAGS_NETFILTER,
        /* Of roads besides bpf(). */
        FLAGS_SECCOMP,
        FLAGS_TC,
        FLAGS_TUN,
        FLAGS_IO_URING,
        _FLAGS_MAX
};

enum {
        FLAGS_NAMES_MAX = 33,
        FLAGS_REST_SIZE = 24,
};

/* The name of the flag 1 << `bit`: static; NULL where the set has none. */
const char *flag_name(enum flag_set set, unsigned bit);

/* Puts the names of the bits of `flags` into `ret` (static strings), and last what has no name as
 * "0x…", written into `rest`. Returns how many. */
size_t flags_names(enum flag_set set, uint64_t flags, const char *ret[static FLAGS_NAMES_MAX],
                   char rest[static FLAGS_REST_SIZE]);
