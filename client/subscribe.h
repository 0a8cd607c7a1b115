/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One run of bpfmonctl subscribe, which three files share: verb-subscribe.c asks the daemon and
 * lives through its restarts, subscribe-show.c tells the events or runs commands for them,
 * subscribe-stream.c reads them from a pipe. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "columns.h"
#include "line.h"
#include "lines.h"
#include "output.h"
#include "runner.h"

struct json_object;
struct json_tokener;

struct subscribe {
        const struct options *options;
        char **matches;
        size_t n_matches;
        sd_bus *bus;
        sd_event *loop;
        int signal_fd;
        sd_bus_slot *call; /* Subscribe() or OpenStream(), while it is on its way */
        bool interactive;  /* it may ask for a password, */
        pid_t agent;       /* and that asks on the terminal */
        char *owner;       /* the daemon's unique name; NULL while it is away */
        char *path;        /* of the subscription; NULL until the daemon has answered */
        int stream_fd;     /* -1: there is none */
        sd_event_source *stream;
        struct lines lines;
        struct json_tokener *tokener;
        bool back;              /* the daemon went away at least once */
        sd_bus_slot *numbering; /* the question for what follows */
        uint64_t since;         /* when it began, 0: not known; a daemon may take over another's */
        bool goes_on;           /* as it was before the daemon went away */
        uint64_t last;          /* number of the last event that came */
        sd_event_source *patience;
        struct field_set wanted;
        bool all_fields;
        struct columns columns;
        struct output output;
        struct line_format format;
        uint64_t events, lost;
        struct runner *runner; /* NULL: events are printed */
        bool finished;         /* the loop ends; */
        bool ending;           /* once its commands have ended, */
        int status;            /* with this */
        uint64_t skips_told;   /* events without a command, */
        bool behind;           /* and whether that was said */
        uint64_t started;      /* CLOCK_MONOTONIC, ns */
};

/* Ends the loop with an exit status, or the one that it had been given before. Commands that still
 * run are waited for; a second call is not so patient. Returns 1 or a negative errno. */
int subscribe_finish(struct subscribe *s, int status);

/* Whether an event came before: a daemon that takes over sends again what may not have reached us.
 * What has no number (0) is always news. */
bool subscribe_seen(struct subscribe *s, uint64_t seq);

/* Tell an event that was not seen before, or that so many were lost (`where` may be NULL), as the
 * options want it: as text, as JSON, as a command. */
void subscribe_show(struct subscribe *s, struct json_object *event);
void subscribe_show_lost(struct subscribe *s, uint64_t count, const char *where);

/* Writes what was told. Returns 0; or ends the loop and returns what subscribe_finish() does. */
int subscribe_flush(struct subscribe *s);

/* Prepares for --exec. Returns EXIT_SUCCESS, or complains and returns another exit status. */
int subscribe_make_runner(struct subscribe *s);

/* Takes the pipe from the reply to OpenStream(). Returns 0 or a negative errno. */
int subscribe_take_stream(struct subscribe *s, sd_bus_message *reply);

/* Takes what a daemon that is gone had still written, and closes the pipe. Returns 0 or a negative
 * errno. */
int subscribe_drain_stream(struct subscribe *s);

/* Ends what the stream was read with. */
void subscribe_close_stream(struct subscribe *s);
