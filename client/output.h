/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Where output goes: standard output, or a pager in front of it. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "client.h"
#include "text.h"

struct json_object;

/* Add to `text`, then flush. */
struct output {
        struct text text;
        int fd;           /* standard output or the pager's input */
        int interrupt_fd; /* when it becomes readable, writing ends; -1: none */
        pid_t pager;      /* 0: none */
};

#define OUTPUT_INIT \
        { .fd = STDOUT_FILENO, .interrupt_fd = -1 }

/* Writes what was added. Returns 0; -EINTR when it was interrupted; -EPIPE when the reader has
 * gone; -ENOMEM when something of the text is missing; another negative errno. */
int output_flush(struct output *o);

/* Flushes, and waits for the pager if there is one. Returns the exit status; complains about what
 * went wrong, but for a reader that has seen enough. */
int output_finish(struct output *o);

/* Whether nobody reads standard output any more. */
bool output_closed(void);

/* Puts a pager in front of standard output if the options allow one, it is a terminal and there is
 * one (pager.h). */
void output_start_pager(struct output *o, const struct options *options);

/* Columns of the terminal that output goes to; 0 when it is none: no limit. */
size_t output_columns(void);

/* Whether standard output goes to a file, or nowhere: nobody looks at it while it is written. */
bool output_is_file(void);

/* Lines of the terminal that output goes to; 0 when it is none. */
size_t output_lines(void);

/* Adds an object as the options want JSON: one line, or several. Characters that could harm a
 * terminal are escaped as JSON escapes characters. */
void output_json(struct output *o, struct json_object *object, const struct options *options);

/* The same, with the fields of --fields alone and in that order where there are any. */
void output_row(struct output *o, struct json_object *row, const struct options *options);
