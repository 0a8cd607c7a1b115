/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "distance.h"

#include <limits.h>
#include <string.h>

#include "util.h"

unsigned distance(const char *a, const char *b) {
        unsigned rows[3][DISTANCE_BYTES_MAX + 1];
        unsigned *before = rows[0], *previous = rows[1], *current = rows[2];
        size_t n = strlen(b);

        if (n > DISTANCE_BYTES_MAX)
                return UINT_MAX;
        for (size_t j = 0; j <= n; j++)
                current[j] = j;

        for (size_t i = 1; a[i - 1]; i++) {
                unsigned *oldest = before;
                before = previous;
                previous = current;
                current = oldest;

                current[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        unsigned changed = MIN(previous[j], current[j - 1]) + 1;
                        current[j] = MIN(changed, previous[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                current[j] = MIN(current[j], before[j - 2] + 1);
                }
        }

        return current[n];
}

struct nearest nearest_to(const char *written) {
        return (struct nearest){
                .written = written,
                .distance = 2 + (unsigned) strnlen(written, DISTANCE_BYTES_MAX) / 6,
        };
}

/* The case of a letter counts for nothing, so that PROG_LAOD is as near as prog_laod. */
static unsigned folded_distance(const char *a, const char *b) {
        char lower[2][DISTANCE_BYTES_MAX + 1];
        const char *words[] = {a, b};

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                size_t n = strlen(words[i]);
                if (n >= sizeof(lower[i]))
                        return UINT_MAX;
                for (size_t j = 0; j <= n; j++) {
                        char c = words[i][j];
                        lower[i][j] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
                }
        }

        return distance(lower[0], lower[1]);
}

void nearest_offer(struct nearest *n, const char *word) {
        unsigned d = folded_distance(n->written, word);

        if (d >= n->distance)
                return;
        n->distance = d;
        n->word = word;
}
