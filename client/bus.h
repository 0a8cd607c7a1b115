/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The system bus and the daemon on it; errors become one line that says what to do. */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "match.h"
#include "util.h"

struct field_set;
struct options;

/* How long a call may take while somebody types a password: the daemon gives up after 5 minutes. */
#define BUS_PASSWORD_USEC UINT64_C(330000000)

DEFINE_CLEANUP(struct match *, match_free);

/* Connects to the system bus of this machine, of --host or of --machine, and waits until it has
 * given us a name. Complaints name the place from then on. Returns EXIT_SUCCESS, or complains and
 * returns another exit status. The caller unrefs `ret`. (connect.c) */
int bus_connect(sd_bus **ret, const struct options *options);

/* Finds the unique name of the daemon, starting it where the bus knows how. The caller frees `ret`.
 * Returns EXIT_SUCCESS, or complains and returns another exit status. */
int bus_find_daemon(sd_bus *bus, char **ret);

/* Calls a method of the manager that takes nothing, or with `matches` MATCH terms and no options.
 * `ret` is the reply, for the caller to unref. Returns EXIT_SUCCESS, or complains and returns
 * another exit status. */
int bus_call(sd_bus *bus, const char *method, const struct options *options, sd_bus_message **ret);
int bus_call_matches(sd_bus *bus, const char *method, char **matches, size_t n,
                     const struct options *options, sd_bus_message **ret);

/* Calls a method with MATCH terms (`matches` NULL: it takes nothing) for an answer that can be done
 * without: no password is asked for, and nothing complained of. `scope` may be NULL. Returns what
 * sd_bus_call() does, with `error` set. */
int bus_ask(sd_bus *bus, const char *method, char **matches, size_t n, const char *scope,
            sd_bus_error *error, sd_bus_message **ret);

/* The same as bus_call_matches() for a method with other arguments, which `append` adds. */
int bus_call_arguments(sd_bus *bus, const char *method,
                       int (*append)(sd_bus_message *m, const void *userdata), const void *userdata,
                       const struct options *options, sd_bus_message **ret);

/* Options of a call beside fields and scope: `append` adds its {sv}. */
struct bus_options {
        const struct field_set *only;                           /* NULL: all fields */
        int (*append)(sd_bus_message *m, const void *userdata); /* may be NULL */
        const void *userdata;
        /* Where not NULL, it is set in place of a complaint when the answer would be too large. */
        bool *limited;
        /* Likewise when there is nothing of a list that was not read to its end. */
        bool *unread;
        /* Likewise when the daemon went away before it answered. */
        bool *gone;
};

/* As bus_call_matches(), with more options. */
int bus_call_options(sd_bus *bus, const char *method, char **matches, size_t n,
                     const struct options *options, const struct bus_options *more,
                     sd_bus_message **ret);

/* Makes the message of such a call, for who does not wait for the reply. Returns 0 or a negative
 * errno. */
int bus_new_call(sd_bus *bus, sd_bus_message **ret, const char *method, char **matches, size_t n,
                 const struct options *options, const struct bus_options *more);

/* Whether a call should be made again so that polkit may ask for a password (agent_start()). */
bool bus_error_wants_password(const sd_bus_error *error, const struct options *options);

/* Appends `as` (the matches) and a{sv} (the options) of a subscription: the fields in `only` and
 * the scope, where they are not NULL, and how often it is told of connections (µs), where that is
 * not 0. Returns 0 or a negative errno. */
int bus_append_matches(sd_bus_message *m, char **matches, size_t n, const struct field_set *only,
                       const char *scope, uint64_t every);

/* Complains about a failed call: `error` (may be unset), or the negative errno `r`. Returns the
 * exit status for it; EXIT_ENDED, and without a word, where it was Ctrl-C that ended the call. */
int bus_complain(const sd_bus_error *error, int r);

/* Whether the error means that nobody has the daemon's name (any more). */
bool bus_error_no_daemon(const sd_bus_error *error);

/* Whether the failure of a call, `r` and perhaps `error`, means that nobody answers: then another
 * call is in vain. */
bool bus_error_no_answer(const sd_bus_error *error, int r);

/* Whether the message is the D-Bus error reply, or the sd-bus signal, that says that the connection
 * to the bus is gone. */
bool bus_message_disconnected(sd_bus_message *m);

/* Parses MATCH terms as the daemon will, so that a mistake is told before anybody is asked; a value
 * that looks like a misspelt one is a mistake, too. Returns EXIT_SUCCESS, or complains and returns
 * EXIT_USAGE (EXIT_FAILURE when out of memory). (check-matches.c) */
int bus_check_matches(char **matches, size_t n);
