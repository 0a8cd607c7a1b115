/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Whether a call may do what it asks for. A call for which polkit has to be asked is kept, and
 * dispatched once more when the answer is there, so that everything about it is looked up anew. */

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "access.h"
#include "grant.h"

enum {
        /* Calls that may wait for polkit; of one user: LIMIT_PENDING_AUTHORIZATIONS, however many
         * connections it has. dbus-daemon lets us wait for 128 replies
         * (max_replies_per_connection), and the pings of subscriptions are most of them. */
        AUTHORITY_PENDING = 24,
};

struct authority;
struct limits;

/* `limits` is borrowed, `bus` too; it is attached to an event loop before calls are checked.
 * Returns 0 or a negative errno. */
int authority_new(struct authority **ret, sd_bus *bus, struct limits *limits);
struct authority *authority_free(struct authority *a);

/* Where permissions that it gave are watched (borrowed). */
struct grants *authority_grants(const struct authority *a);

/* Who sent the message: the bus says so, not the sender; it is asked once for each call. Returns 0,
 * or sets `error` (AccessDenied: a sender of whom nothing is known may do nothing) and returns a
 * negative errno. */
int authority_sender(struct authority *a, sd_bus_message *m, uid_t *ret, sd_bus_error *error);

/* Whether the sender of a method call may see `scope`. To be asked after the call's arguments were
 * read, before anything is done. Returns
 * 1: yes, and `ret` (may be NULL) says for whom;
 * 0: polkit is asked. The handler returns 1 at once; it will be called again for the same message;
 * negative errno, with `error` set: no, which is counted, or too many calls wait
 * (BPFMON_ERROR_LIMIT_EXCEEDED).
 * Root may do everything, and polkit is not asked. */
int authority_check(struct authority *a, sd_bus_message *m, enum scope scope,
                    struct permission *ret, sd_bus_error *error);

/* Likewise, whether the sender may change how the daemon works (org.bpfmon1.manage). */
int authority_check_manage(struct authority *a, sd_bus_message *m, sd_bus_error *error);

size_t authority_pending(const struct authority *a);
