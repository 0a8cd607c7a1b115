/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* --help, made of the tables of verbs and options. */

struct options;
struct verb;
struct verb_table;

/* Prints the summary of all verbs on a file descriptor; on standard output through a pager where
 * that is a terminal. Returns the exit status. */
int help_print(const struct verb_table *table, const struct options *options, int fd);

/* The same with the help of one verb, on standard output. */
int help_print_verb(const struct verb *verb, const struct options *options);
