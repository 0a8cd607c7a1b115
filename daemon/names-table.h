/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The sets of names: where the kernel's BTF has them, and ours. For names.c only. */

#include <stdbool.h>
#include <stddef.h>

#include "names.h"

struct name_table {
        const char *type;   /* the kernel's enum; NULL: it has no name there, and only ours count */
        const char *prefix; /* of its values, which we leave out */
        bool lower;
        const char *const *ours;
        size_t n_ours;
};

extern const struct name_table name_tables[_NAMES_MAX];
