/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How connections do, told to each reader at the interval that it sets. */

struct connection_samples;
struct connections;
struct readers;
struct sd_event;

enum {
        SAMPLES_INTERVAL_USEC = 1000000, /* where a reader sets none */
        SAMPLES_INTERVAL_MIN_USEC = 100000,
};

/* All are borrowed but the loop, which is referenced. */
int connection_samples_new(struct connection_samples **ret, struct sd_event *loop,
                           const struct readers *readers, struct connections *connections);

/* NULL is fine; returns NULL. */
struct connection_samples *connection_samples_free(struct connection_samples *s);

/* What readers ask for may have changed. */
void connection_samples_update(struct connection_samples *s);
