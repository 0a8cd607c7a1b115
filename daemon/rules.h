/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* All rules: read from files, and asked which of them an event is for. */

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct event;
struct rule;
struct rules;

enum {
        RULES_MAX = 256,
};

/* None at first. Returns 0 or -ENOMEM. */
int rules_new(struct rules **ret);
struct rules *rules_free(struct rules *r);

/* Reads the rules anew, from `directories` (NULL ends them, the first counts most; see
 * config_drop_ins_read()), in place of those that there were. */
void rules_read(struct rules *r, const char *const *directories, config_complain complain,
                void *userdata);

size_t rules_count(const struct rules *r);

/* The rules whose match the event passes, in the order of their files: fills `ret` (they live until
 * rules_read()) and returns how many. None where one of them says ignore. */
size_t rules_find(struct rules *r, const struct event *e, const struct rule *ret[static RULES_MAX]);

/* Whether a rule is for events that may look like `partial`. For events of class use and look it
 * must name `event`, `class`, `bpf.cmd` or `bpf.cmd_number`, as readers must (readers_want()). */
bool rules_want(const struct rules *r, const struct event *partial);
