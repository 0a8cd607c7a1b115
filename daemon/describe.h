/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the kernel side says of an object, as fields: prog.*, map.*, link.* and btf.*. */

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "names.h"
#include "record.h"

/* Sets the fields of an object (any bytes) but prog.load_time, which takes a clock. Returns false
 * where there is none. */
bool describe_object(struct event *e, const struct names *names, const struct record_object *o);

/* Sets a STRING field to the name of a type, or to its number where nobody knows its name. */
void describe_type(struct event *e, enum field f, const struct names *names, enum name_set set,
                   uint32_t type);
