/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Rows that came as JSON become events again, for a match to be tested here. */

#include "event.h"

struct json_object;

/* Resets `ret` and fills it with those keys of the object that are fields, and whose values are of
 * their type. Bytes and dictionaries are left out. */
void json_event(struct event *ret, struct json_object *object);
