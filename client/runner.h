/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Runs a command for each event, its fields in the environment.
 *
 * The field "prog.name" is BPFMON_PROG_NAME: capitals, and _ for what is no letter or digit. Items
 * of lists stand on lines of their own, bytes are hexadecimal digits, dictionaries JSON. No shell
 * sees any of it. BPFMON_SKIPPED is how many events before it no command was run for, where there
 * are any. What is in our own environment under such names is not passed on. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct json_object;
struct runner;

enum {
        RUNNER_CHILDREN_MAX = 8, /* commands at a time */
        RUNNER_QUEUE_MAX = 256,  /* events that wait for one */
};

struct runner_counts {
        uint64_t run, failed; /* commands; those that did not end with 0 */
        uint64_t skipped;     /* events for which none was run: too many waited */
        uint64_t own;         /* events of the commands themselves: none was run for them */
};

/* `command` is split into words as words.h has it. `local`: the events are of this machine, so that
 * those of the commands themselves can be told. `on_idle` is called whenever the last command
 * has ended and nothing waits. SIGCHLD must be blocked. Returns 0; -EINVAL: no command or no end of
 * a quote; -ENOENT, -EACCES: there is no such program, or it cannot be run; another negative errno.
 */
int runner_new(struct runner **ret, sd_event *loop, const char *command, bool local,
               void (*on_idle)(void *userdata), void *userdata);

/* Waits for nothing; commands that still run go on. */
struct runner *runner_free(struct runner *r);

/* Runs the command for an event (referenced), now or when others have ended. Events that the
 * commands themselves caused are left out. Returns 0, or a negative errno: the command cannot be
 * started. */
int runner_offer(struct runner *r, struct json_object *event);

/* Gives up what waits. */
void runner_stop(struct runner *r);

bool runner_busy(const struct runner *r);
struct runner_counts runner_counts(const struct runner *r);

/* The variable of a key of an event, such as "prog.name". The caller frees it; NULL: out of memory.
 */
char *runner_variable(const char *key);
