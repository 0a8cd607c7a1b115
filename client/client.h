/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the verbs of bpfmonctl share: the options of the command line and the exit statuses. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "util.h"

/* EXIT_SUCCESS and EXIT_FAILURE besides. */
enum {
        EXIT_USAGE = 2,
        EXIT_NOT_AUTHORIZED = 77,
        EXIT_ENDED = 256, /* never left with: Ctrl-C came while somebody was asked (ending.h) */
};

enum json_mode { JSON_OFF, JSON_SHORT, JSON_PRETTY };

struct options {
        enum json_mode json;
        uint64_t lines;                /* UINT64_MAX: no limit */
        enum field fields[_FIELD_MAX]; /* in the order of --fields, no field twice */
        size_t n_fields;               /* 0: what the verb shows by itself */
        bool legend;
        bool pager;
        bool full;             /* no ellipsis */
        bool stream;           /* events through a pipe */
        bool batch;            /* rows, no screen */
        int sort;              /* a key of top-model.h */
        const char *exec;      /* command for each event, or NULL */
        uint64_t since, until; /* µs since 1970; 0 and UINT64_MAX: no limit */
        uint64_t interval;     /* µs; 0: chosen */
        const char *svg;       /* file for a picture, or NULL */
        bool reverse;          /* the newest first */
        bool follow;           /* go on with live events */
        const char *host;      /* [user@]host whose bpfmond is asked; NULL: this one's, */
        const char *machine;   /* or that of a local container */
        bool statistics;       /* have run times counted */
        bool watch;            /* connections: again and again */
        int by;                /* connections: enum connections_by */
        const char *service;   /* connections: of this one; NULL: of all */
        uint64_t every;        /* connections: how often, µs; 0: the default */
        const char *scope;     /* NULL: what the daemon gives by itself */
        bool ask_password;     /* polkit may ask for one */
        bool unattended;       /* nor does ssh, and nobody waits for long */
        bool colour;           /* decided: a terminal, or asked for */
};

/* Prints one line to stderr, prefixed with the name of the program (and of the place that was
 * asked, where it is not here) and made safe for a terminal. */
void complain(const char *format, ...) _printf_(1, 2);

/* The first letter of a sentence where it goes on behind a colon: small, unless its first word is a
 * name, which has other signs than small letters in it. */
char sentence_letter(const char *sentence);

/* Prints what goes on with the daemon to stderr, as a line that is no event. */
void remark(const char *text);

/* Before the next complaint, this is done once: a screen is left, on which it would go with the
 * rest. NULL: nothing is. */
void complain_after(void (*prepare)(void));

/* Says which place it is that is complained about from now on. Borrowed. */
void complain_about(const char *place);

/* That place, or NULL: it is here. */
const char *complains_about(void);

/* The verbs. `n` arguments (MATCH terms where the verb takes any). Each prints its own errors and
 * returns the exit status. */
int verb_subscribe(char **arguments, size_t n, const struct options *options);
int verb_query(char **arguments, size_t n, const struct options *options);
int verb_timeline(char **arguments, size_t n, const struct options *options);
int verb_explain(char **arguments, size_t n, const struct options *options);
int verb_status(char **arguments, size_t n, const struct options *options);
int verb_probes(char **arguments, size_t n, const struct options *options);
int verb_metrics(char **arguments, size_t n, const struct options *options);
int verb_top(char **arguments, size_t n, const struct options *options);
int verb_connections(char **arguments, size_t n, const struct options *options);
int verb_callers(char **arguments, size_t n, const struct options *options);
int verb_programs(char **arguments, size_t n, const struct options *options);
int verb_maps(char **arguments, size_t n, const struct options *options);
int verb_links(char **arguments, size_t n, const struct options *options);
int verb_btf(char **arguments, size_t n, const struct options *options);
int verb_diff(char **arguments, size_t n, const struct options *options);
int verb_show(char **arguments, size_t n, const struct options *options);

/* Prints the fields that --fields and MATCH terms may name. Returns the exit status. */
int list_fields(const struct options *options);
