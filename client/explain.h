/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An event in three sentences: what happened, what that does, and why it may matter. */

#include "text.h"

struct json_object;

struct explanation {
        struct text happened, does, matters;
};

/* Fills `ret` (zeroed), whose texts the caller clears; foreign strings in them are escaped. The
 * event gets entries of our own. Returns 0, or -ENOMEM. */
int explain_event(struct explanation *ret, struct json_object *event);

void explanation_clear(struct explanation *e);
