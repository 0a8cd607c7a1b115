/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The values that fields are known to have, for completion and "did you mean". */

#include <stdbool.h>
#include <stddef.h>

#include "event.h"

/* The values of a field, an array of `n` static strings; some places may be NULL. */
struct field_values {
        const char *const *values;
        size_t n;
        bool ours; /* bpfmond names them; else the kernel does, and a newer one may have more */
};

/* The values that the field is known to have; none where it may have any. */
struct field_values field_values(enum field f);

/* The value that was meant by one that is not among them, where it is near enough, else NULL.
 * Static. */
const char *field_value_nearest(enum field f, const char *value);

/* Whether the value is known, or the field may have any. Case counts as it does in a match. */
bool field_value_known(enum field f, const char *value);

/* Of a term FIELD==VALUE or FIELD!==VALUE, which in other languages mean FIELD=VALUE and
 * FIELD!=VALUE, the second =; NULL of any other. Here it would begin the value: who means that
 * writes it as \=. */
const char *field_equal_doubled(const char *term);

/* Of a term FIELD=VALUE or FIELD!=VALUE whose value is not known: the value, a part of the term;
 * else NULL. */
const char *field_value_unknown(const char *term, enum field *ret_field);

/* Of a term FIELD=VALUE or FIELD!=VALUE whose value nothing has, as far as is known: the value that
 * was meant (static), and the term's own parts; NULL where the value may be right. The kernel may
 * have names that are not known here: what is like nothing that is known passes. */
const char *field_value_meant(const char *term, enum field *ret_field, const char **ret_value);
