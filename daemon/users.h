/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names of user ids, from /etc/passwd alone: the name service may ask a network and block, which an
 * event loop must not. Users of a directory (LDAP and the like) keep their number. */

#include <stddef.h>
#include <stdint.h>

struct users;

/* `path` (copied) is read at the first question, and again when it has changed. */
int users_new(struct users **ret, const char *path);
struct users *users_free(struct users *u);

/* The name of a user, or NULL. Valid until the next call. Looks at the file once a second at most.
 */
const char *users_name(struct users *u, uint32_t uid);
