/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A string in few bytes: as the number of a word, as hexadecimal digits, or as a pattern that came
 * before (a word) and the numbers and quotations in it. */

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "history-code.h"

/* Appends the string. `sentence`: it is made of others, and of small numbers too. */
void string_put(struct bytes *b, const char *s, bool sentence, code_word_fn word, void *userdata);

/* The same for one of few, which is a word from the start. */
void string_put_label(struct bytes *b, const char *s, code_word_fn word, void *userdata);

/* Reads it: a word's text, or a copy in `room` (`size` bytes), of which `ret_used` are used then.
 * Always valid UTF-8. NULL where it doesn't fit; `r->bad` where it makes no sense. */
const char *string_take(struct bytes_reader *r, char *room, size_t size, size_t *ret_used,
                        code_text_fn text, void *userdata);

/* Passes over it. */
void string_skip(struct bytes_reader *r, code_text_fn text, void *userdata);
