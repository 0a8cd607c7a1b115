/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The options of bpfmon-notify: a row each, for getopt, the help, and the completion of shells. */

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct mutes;

enum {
        OPTION_TEST = 256, /* letters are below it */
        OPTION_SCOPE,
        OPTION_LIST_MUTES,
        OPTION_MUTE,
        OPTION_UNMUTE,
        OPTION_VERSION,
        OPTION_COMPLETE,
        NOTIFY_OPTIONS_MAX = 16, /* more than there are */
};

/* For getopt_long(): `ret_table` has NOTIFY_OPTIONS_MAX entries, and so has `ret_letters`. */
void options_for_getopt(struct option *ret_table, char *ret_letters);

/* The name of a scope as it is in the table (static), or NULL. */
const char *options_scope(const char *name);

void options_add_help(struct text *t);

/* Adds what may come in place of the last of `n` words, as bpfmonctl --complete does (complete.h).
 * `mutes` may be NULL. */
void options_complete(struct text *out, char **words, size_t n, struct mutes *mutes);
