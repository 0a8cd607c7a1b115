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
