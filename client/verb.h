/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a verb of the command line is. The table of them is in main.c; the help, the completion and
 * the check of options walk it. */

#include <stddef.h>

struct options;

enum {
        MATCHES_MAX = 1 << 16, /* more arguments than any verb takes */
};

/* Options that not every verb takes: the rows of command-line.c that have one of these. */
enum verb_options {
        VERB_LINES = 1 << 0,       /* --lines */
        VERB_TABLE = 1 << 1,       /* --fields */
        VERB_SCOPE = 1 << 2,       /* --scope */
        VERB_SINCE = 1 << 3,       /* --since */
        VERB_UNTIL = 1 << 4,       /* --until */
        VERB_PAST = 1 << 5,        /* --follow */
        VERB_STREAM = 1 << 6,      /* --stream, --exec */
        VERB_PICTURE = 1 << 7,     /* --svg */
        VERB_STATISTICS = 1 << 8,  /* --statistics */
        VERB_REVERSE = 1 << 20,    /* --reverse */
        VERB_INTERVAL = 1 << 21,   /* --interval */
        VERB_TOP = 1 << 22,        /* --batch, --sort */
        VERB_CONNECTIONS = 1 << 9, /* --watch, --by, --service */
        VERB_EVERY = 1 << 10,      /* --every */
};

/* Under which heading of the help it stands; the headings come in this order. */
enum verb_group { GROUP_EVENTS, GROUP_OBJECTS, GROUP_TRAFFIC, GROUP_DAEMON, _GROUP_MAX };

/* What its arguments are, for completion. */
enum verb_takes {
        TAKES_NOTHING,
        TAKES_MATCHES,
        TAKES_EVENT,  /* the number of an event */
        TAKES_OBJECT, /* prog, map or link, then its id */
        TAKES_PROBE,  /* enable or disable, then the name of a probe */
        TAKES_OTHER,  /* what nobody can complete */
};

struct verb {
        enum verb_group group;
        const char *name;
        const char *arguments;
        size_t least, most; /* arguments */
        enum verb_takes takes;
        unsigned options; /* enum verb_options */
        int (*run)(char **arguments, size_t n, const struct options *options);
        const char *summary;
        const char *help;
};

struct verb_table {
        const struct verb *verbs;
        size_t n;
};

/* The verb of that name, or NULL. */
const struct verb *verb_find(const struct verb_table *table, const char *name);

/* The one that somebody who wrote `name` may have meant, or NULL. */
const struct verb *verb_nearest(const struct verb_table *table, const char *name);
