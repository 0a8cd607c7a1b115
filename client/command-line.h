/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The options of the command line: a row each. */

#include <stdbool.h>
#include <stddef.h>

#include "client.h"

enum {
        OPTION_VERSION = 256, /* letters are below it */
        OPTION_JSON,
        OPTION_FIELDS,
        OPTION_NO_LEGEND,
        OPTION_NO_PAGER,
        OPTION_COLOR,
        OPTION_STREAM,
        OPTION_EXEC,
        OPTION_SCOPE,
        OPTION_SINCE,
        OPTION_UNTIL,
        OPTION_STATISTICS,
        OPTION_INTERVAL,
        OPTION_SVG,
        OPTION_BATCH,
        OPTION_SORT,
        OPTION_WATCH,
        OPTION_BY,
        OPTION_SERVICE,
        OPTION_EVERY,
        OPTION_NO_ASK_PASSWORD,
        OPTION_COMPLETE,
};

/* What the argument of an option is, for completion and "did you mean". */
enum option_takes {
        ARGUMENT_NONE,
        ARGUMENT_WORD, /* one of the words in `words` */
        ARGUMENT_FIELDS,
        ARGUMENT_TIME,
        ARGUMENT_FILE,
        ARGUMENT_COMMAND,
        ARGUMENT_HOST,
        ARGUMENT_MACHINE,
        ARGUMENT_SERVICE,
        ARGUMENT_OTHER,
};

struct option_row {
        int value;            /* a letter where there is a short one */
        const char *name;     /* "": the letter alone */
        const char *argument; /* NULL: takes none */
        enum option_takes takes;
        const char *words; /* of ARGUMENT_WORD, with spaces between, in the order of the values */
        unsigned verbs;    /* one of enum verb_options; 0: every verb */
        const char *help;  /* NULL: not shown */
};

/* In the order of the help. */
extern const struct option_row option_rows[];
extern const size_t n_option_rows;

struct command_line {
        struct options options;
        bool help, version, list_fields, complete;
        uint64_t used; /* the options that were, by their place in the table */
        int first;     /* index of the first argument that is no option */
};

/* Reads the options; arguments between them go behind them. Complains by itself. Returns 0, or a
 * negative errno. */
int command_line_parse(struct command_line *ret, int argc, char **argv);

/* The name of an option that was used and that no bit of `verbs` allows, or NULL. */
const char *command_line_misplaced(const struct command_line *c, unsigned verbs);
