/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A command line as words, as a person quotes them; nothing in it is expanded. */

#include <stddef.h>

struct text;

/* Splits `s` at spaces outside of quotes: what is in '…' stands for itself, in "…" and outside a
 * backslash takes away the meaning of the next character. `ret` is an array that ends with NULL,
 * for words_free(). Returns how many there are; -EINVAL: a quote is not closed; -ENOMEM. */
int words_split(char ***ret, const char *s);
char **words_free(char **words);

/* Adds words, quoted where that is needed: words_split() makes the same of it. */
void words_join(struct text *t, char **words, size_t n);
