/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the shells offer after Tab: bpfmonctl --complete -- WORD…, made of the tables of verbs,
 * options, fields and their values, and of what the daemon has.
 *
 * A line for each candidate, which stands for the whole of the last word: the candidate, a tab, and
 * what it is. Candidates that end with = go on. ":files PREFIX" and ":commands PREFIX" ask the
 * shell for its own, behind PREFIX. Nothing that comes from the daemon has characters that mean
 * something to a shell or to a terminal. */

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct verb_table;

/* Where the daemon's part comes from. */
struct complete_source {
        /* Calls `add` with the value of each object that has the field ("prog.id", "prog.name",
         * "probe.name", "seq"…), and words for it. Both are foreign. */
        void (*list)(const char *field, const char *host, const char *machine,
                     void (*add)(const char *value, const char *words, void *userdata),
                     void *userdata);
};

/* Adds the lines for the last of `n` words, those of the command line after "bpfmonctl". */
void complete_words(struct text *out, const struct verb_table *table, char **words, size_t n,
                    const struct complete_source *source);

/* Adds a candidate where it is what `word` begins with: its first `n` bytes, which stay, and then
 * `value`. */
void complete_offer(struct text *out, const char *word, size_t n, const char *value,
                    const char *words);

/* Whether what others named may go into a command line: no shell and no terminal takes it for more
 * than a word. */
bool complete_harmless(const char *s);

/* The running daemon. (complete-source.c) */
extern const struct complete_source complete_daemon;
