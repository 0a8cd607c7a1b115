/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Bytes that are kept once, however many hold them: thousands of objects have few names, types and
 * loaders. */

#include <stddef.h>

struct intern;

int intern_new(struct intern **ret);

/* NULL is fine; returns NULL. What is still held goes with it. */
struct intern *intern_free(struct intern *in);

/* A copy of `n` bytes, aligned to 8, that is held until intern_release(). The same bytes give the
 * same pointer. NULL without memory. */
const void *intern_hold(struct intern *in, const void *data, size_t n);

/* The same for a string; NULL gives NULL. */
const char *intern_string(struct intern *in, const char *s);

/* Lets go of what the above returned. NULL is fine. */
void intern_release(struct intern *in, const void *data);

/* How many different ones are held. */
size_t intern_count(const struct intern *in);
