/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What people read: an alert in plain words, in a bubble and on the page of its details. Whatever
 * comes from other processes is made harmless for the place that it is shown in. */

#include <stdbool.h>

#include "text.h"

struct alert;
struct bubble;

/* What the notification server can show. */
struct abilities {
        bool body;    /* more than a title, */
        bool markup;  /* in which < and & mean something */
        bool actions; /* buttons */
};

/* A title (never markup, as the specification has it) and a body ("" without the ability). Freed by
 * wording_clear(). */
struct wording {
        struct text title, body;
};

void wording_clear(struct wording *w);
#define _cleanup_wording_ _cleanup_(wording_clear)

/* What a bubble says. Returns 0 or -ENOMEM, as the others do. */
int wording_of_bubble(struct wording *ret, const struct bubble *bubble,
                      const struct abilities *can);

/* That a program is muted now (`undone`: not any more), and where that is kept. */
int wording_of_mute(struct wording *ret, const char *program, bool undone, const char *file,
                    const struct abilities *can);

/* A title of our own and what there is to say (both printable). */
int wording_of_note(struct wording *ret, const char *title, const char *body,
                    const struct abilities *can);

/* The page of details: everything that is known of the last alerts of a bubble, and how to learn
 * more. `file`: where mutes are kept. */
int wording_of_details(struct text *ret, const struct bubble *bubble, const char *file);
