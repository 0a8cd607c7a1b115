/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How far apart two words are: for "did you mean". */

enum {
        DISTANCE_BYTES_MAX = 47, /* more than any name, and than any misspelling worth a suggestion
                                  */
};

/* Damerau-Levenshtein distance (optimal string alignment): characters to insert, remove, replace or
 * swap with their neighbour. UINT_MAX where `b` is longer than DISTANCE_BYTES_MAX. */
unsigned distance(const char *a, const char *b);
