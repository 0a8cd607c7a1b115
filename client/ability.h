/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a program may do, in words: by the helpers and kernel functions that it calls, and by its
 * type. */

#include <stdbool.h>
#include <stddef.h>

struct json_object;

struct ability {
        bool grave;        /* it changes what others do or are told */
        const char *words; /* after "It may": "write into the memory of processes" */
        const char *calls; /* names of helpers and kernel functions, with spaces between; *: any */
};

enum {
        ABILITIES_MAX = 64, /* more than there are */
};

/* All that there are, the grave ones first. Static. */
const struct ability *ability_all(size_t *ret_n);

/* The ability that a helper ("probe_write_user"; with "bpf_" before it, too) or a kernel function
 * stands for, or NULL: it is told nowhere that it would matter. Static. */
const struct ability *ability_of(const char *call);

/* Fills `ret` (room for ABILITIES_MAX) with what the calls in two arrays of strings let a program
 * do, the grave ones first, each once. NULL is an empty array. Returns how many. */
size_t ability_find(struct json_object *helpers, struct json_object *kfuncs,
                    const struct ability **ret);

/* What programs of a type are run for, after "It": "sees each packet that a network interface
 * receives, before the rest of the kernel does". NULL: the type is not known here. Static. */
const char *ability_of_type(const char *prog_type);
