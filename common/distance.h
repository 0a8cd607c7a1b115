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

/* The one of several words that is nearest to what somebody wrote, for "did you mean". */
struct nearest {
        const char *written;
        const char *word; /* NULL: none is near enough */
        unsigned distance;
};

/* Begins a search; one mistake in six letters, and one more, is still near. `written` is borrowed.
 */
struct nearest nearest_to(const char *written);

/* Takes `word` (borrowed) where it is nearer than all before it; case counts for nothing. */
void nearest_offer(struct nearest *n, const char *word);
