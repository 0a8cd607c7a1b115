/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The kernel side as the daemon holds it: loaded, or taken over from the daemon before. */

#include <stdbool.h>
#include <stddef.h>

#include "record.h"

struct bpfmon_bpf;
struct bpfmon_bpf__bss;
struct handover;
struct probe_options;

/* The maps that the daemon works with; the programs hold the others. */
enum kernel_map {
        MAP_RING,
        MAP_STATS,
        MAP_CALLERS,
        MAP_OWN_OBJECTS,
        MAP_OBSERVED_CGROUP,
        MAP_OBSERVED_TGIDS,
        MAP_CONNECTION_SPACE,
        MAP_CONNECTION_COUNTS,
        MAP_CONNECTION_PROCESSES,
        MAP_BSS,
        _KERNEL_MAP_MAX
};

/* Programs that go over all sockets. */
enum kernel_iterator { ITERATE_TCP, ITERATE_UNIX, _KERNEL_ITERATOR_MAX };

struct kernel_side {
        int maps[_KERNEL_MAP_MAX];           /* fds */
        int programs[_HOOK_MAX];             /* fds; -1: none, or this kernel refuses it */
        int iterators[_KERNEL_ITERATOR_MAX]; /* the same */
        struct bpfmon_bpf__bss *bss;
        size_t bss_size;
        struct bpfmon_bpf *skel; /* NULL: taken over, or kernel_side_loaded() */
};

enum { KERNEL_VERSION_MAX = 65 };

/* Names what the kernel side is made of: its bytes and the settings that shape it. */
void kernel_side_version(char ret[static KERNEL_VERSION_MAX], const struct probe_options *options,
                         bool kprobes);

/* Nothing is there yet. */
void kernel_side_init(struct kernel_side *s);

/* Loads the programs and maps, for `cpus` possible processors, and tells them who we are; has them
 * kept by `h`. A program that this kernel refuses is left out, and said in the log: its probe takes
 * another hook, or fails. Without `kprobes` those of kprobes are left out. Returns 0 or a negative
 * errno, after logging one line that says what to do. */
int kernel_side_load(struct kernel_side *ret, const struct probe_options *options, bool kprobes,
                     unsigned cpus, struct handover *h);

/* Takes over those that `h` has, and tells them who we are. Returns 0 or a negative errno; then
 * there is nothing in `ret`. */
int kernel_side_adopt(struct kernel_side *ret, struct handover *h);

/* Lets the kernel side, just loaded, remember the maps that are there already. */
void kernel_side_seed_maps(struct kernel_side *s);

/* Whether a program, by its name, stays when kernel_side_loaded() is done. */
bool kernel_side_holds(const struct kernel_side *s, const struct handover *h, const char *program);

/* How often the kernel has left out the program of a hook, since it was loaded: it was in another
 * program on that CPU, or in a call of bpf() at a map. 0 before Linux 5.12, and for kprobes and
 * tracepoints before 6.7: not counted there. */
uint64_t kernel_side_misses(const struct kernel_side *s, enum hook hook);

/* Frees what only loading took. */
void kernel_side_loaded(struct kernel_side *s);

/* Frees everything; of kernel_side_init() there is nothing. */
void kernel_side_done(struct kernel_side *s);
