/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "latency.h"

#include "util.h"

uint64_t latency_from(size_t bucket) {
        return bucket == 0 ? 0 : UINT64_C(1) << (LATENCY_SHIFT + bucket - 1);
}

uint64_t latency_quantile(const uint32_t *histogram, size_t n, double part, uint64_t max) {
        uint64_t all = 0, low, high;
        double rest;

        for (size_t i = 0; i < n; i++)
                all += histogram[i];
        rest = part * (double) all;
        for (size_t i = 0; i < n; i++) {
                if (histogram[i] == 0 || (double) histogram[i] < rest) {
                        rest -= histogram[i];
                        continue;
                }
                low = latency_from(i);
                high = MIN(latency_from(i + 1), max);
                if (high < low)
                        return max;
                return low + (uint64_t) ((double) (high - low) * rest / (double) histogram[i]);
        }
        return max;
}
