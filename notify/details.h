/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Pages of text, opened in what the user reads text with: xdg-open knows. Files below
 * $XDG_RUNTIME_DIR, which ends with the session; the oldest is replaced. */

#include <systemd/sd-event.h>

#include "util.h"

enum {
        DETAILS_MAX = 16,
};

struct details;

/* `failed` is called with why, in words, where a page could not be opened; `file` is the page. The
 * loop watches children: SIGCHLD has to be blocked. Returns 0 or -ENOMEM. */
int details_new(struct details **ret, sd_event *loop,
                void (*failed)(const char *file, const char *why, void *userdata), void *userdata);
struct details *details_free(struct details *p);

/* Opens a page. `token` (may be NULL) lets its window come to the front. Returns 0 where it is on
 * its way, or a negative errno where it could not even be written or nothing can open it. */
int details_open(struct details *p, const char *text, size_t n, const char *token);

DEFINE_CLEANUP(struct details *, details_free);
