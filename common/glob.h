/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Patterns with * (any text) and ? (any character), compiled so that a test only walks bytes. */

#include <stdbool.h>

enum {
        /* Bytes of a pattern that may follow a *, up to the next one or the end: a test takes at
         * most so many steps for each byte of the text. */
        GLOB_PART_MAX = 128,
};

/* Compiles `pattern` (valid UTF-8) into `ret`, which has room for as many bytes. \*, \?, \= and
 * \\ stand for *, ?, = and \; a backslash before anything else is just that. Returns 0, or -E2BIG
 * when a part is longer than GLOB_PART_MAX (`ret` is undefined then). */
int glob_compile(char *ret, const char *pattern);

/* Whether the compiled pattern matches the whole of `s`. `fold`: without regard to the case of
 * ASCII letters. */
bool glob_test(const char *glob, const char *s, bool fold);
