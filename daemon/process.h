/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who is calling: turns what the kernel side saw of a task into process.*, user.*, unit and
 * container fields, and remembers it for records that carry only the cheap half. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

struct event;
struct processes;

enum {
        PROCESSES_MAX = 4096, /* remembered; those unheard of for longest go first */
};

/* A bounded cache of processes, keyed by thread group and start time. */
int processes_new(struct processes **ret);
struct processes *processes_free(struct processes *p);

/* Remembers the context of a task (replaces an older one of the same process). */
void processes_learn(struct processes *p, const struct record_task *task,
                     const struct record_context *context);

/* Whether the process that has this id now is the one of the task. */
bool process_lives(const struct record_task *task);

/* Sets the fields of a task. `context` may be NULL: then the remembered one is used, where there is
 * one. What is given is remembered. */
void processes_describe(struct processes *p, struct event *e, const struct record_task *task,
                        const struct record_context *context);

/* The same where nothing is to be taken from what is remembered. */
void processes_describe_unknown(struct processes *p, struct event *e,
                                const struct record_task *task);

/* The same for events that come by the hundred thousand: who it is, from what is remembered,
 * without parent, start, capabilities, groups and namespaces. */
void processes_describe_briefly(struct processes *p, struct event *e,
                                const struct record_task *task);

/* What is remembered of a process: `ret_task` as its context was last learned, `ret_executable`
 * (borrowed until the next call of this module, NULL where it is not known). Returns 0 or
 * -ENOENT. */
int processes_find(struct processes *p, uint32_t tgid, uint64_t start_time,
                   struct record_task *ret_task, const char **ret_executable);

/* Joins the leaf-first components of a record into a path: "bpftool\0sbin\0usr\0" gives
 * "/usr/sbin/bpftool". `cut`: the root is missing ("…/sbin/bpftool"), as it also is where `n` is
 * too small. A "/" inside of a component (the name of a memfd may have one) becomes "?". Writes at
 * most `n` bytes with NUL, whatever `data` holds. Returns 0, or -EINVAL when `size` is out of
 * bounds or nothing is there. */
int path_from_components(const char *data, size_t size, size_t max, int cut, char *ret, size_t n);
