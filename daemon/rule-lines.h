/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The rules in one file: sections [Rule], each with Match=, Severity= and what else there is
 * (bpfmon.rules(5)). A rule in which something is wrong is told with file and line, and left out as
 * a whole: half of it might say the opposite. */

#include <stddef.h>

#include "config.h"

struct rule;

struct rule_sink {
        /* Takes a rule (ownership moves). Returns NULL, or why it is refused (static). */
        const char *(*rule)(struct rule *r, void *userdata);
        config_complain complain;
        void *userdata;
};

/* Takes the `size` bytes at `text`. `file`: its name, printable; `name`: its last part, after which
 * the first rule is named if it has no name of its own. */
void rule_lines(const struct rule_sink *sink, const char *file, const char *name, const char *text,
                size_t size);
