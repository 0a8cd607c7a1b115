/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Who may see what of an event. Decides alone, from the event: no bus, no clock. */

#include <stdbool.h>
#include <sys/types.h>

#include "event.h"

struct match;

/* What a call asks for. */
enum scope {
        SCOPE_OWN,    /* what happens in the caller's name */
        SCOPE_ALERTS, /* alerts about everyone, without what could tell a secret */
        SCOPE_ALL,    /* everything of everyone */
        _SCOPE_MAX
};

/* Name of a scope, as the option `scope` has it (static). */
const char *scope_name(enum scope scope);

/* The polkit action that gives it (static), such as "org.bpfmon1.watch-own". */
const char *scope_action(enum scope scope);

/* Finds a scope by its name. Returns it, or -ENOENT. */
int scope_from_name(const char *name);

/* Somebody who looks at events. */
struct viewer {
        uid_t uid;
        enum scope scope;
};

/* The scope of who asks for none: all for root, own for others. */
enum scope scope_default(uid_t uid);

/* Whether the event is for the viewer. If so, hides from it the fields that are not, until
 * event_show() gets what came in `ret_hidden`. Cheap where nothing is to be hidden.
 *
 * own: what a process of the viewer's user did, connections with an end of the user's (of the other
 * end's process nothing is told), and what becomes of objects that one of them
 * brought where nobody did it; and the daemon's own losses and states. Who brought an object is
 * told where that was the user, too.
 * alerts: what is of severity warning or critical: of other users only an allow-list of fields. */
bool viewer_looks(const struct viewer *v, struct event *e, struct field_set *ret_hidden);
void event_show(struct event *e, const struct field_set *hidden);

/* A field that terms of `m` name and that the viewer may not ask about, or -ENOENT: events that
 * come or don't come would tell its value. At own a match sees what the viewer sees, so that it may
 * name every field. */
int viewer_forbidden_field(const struct viewer *v, const struct match *m);
