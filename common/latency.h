/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Histograms of latencies, as events have them (connection.latency.histogram): the first bucket
 * holds what took less than 1024 ns, each further one what took less than twice as much, the last
 * all the rest. */

#include <stddef.h>
#include <stdint.h>

enum { LATENCY_BUCKETS = 32, LATENCY_SHIFT = 10 };

/* The least latency that falls into a bucket, ns; for LATENCY_BUCKETS, where the last one would
 * end. */
uint64_t latency_from(size_t bucket);

/* What part of the `n` buckets' requests took less than it returns, ns: they are taken as evenly
 * spread within a bucket, and at most `max`. */
uint64_t latency_quantile(const uint32_t *histogram, size_t n, double part, uint64_t max);
