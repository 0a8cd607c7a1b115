/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How much of the history is whose, and who has more than a share: of users other than root, who
 * may do what they like, one must not push out what the others did. */

#include <stdbool.h>
#include <stdint.h>

struct shares;
struct sqlite3;

int shares_new(struct shares **ret);

/* NULL is fine; returns NULL. */
struct shares *shares_free(struct shares *s);

/* Looks at full segments that it does not know yet, `max` of them. `ret_all`: it knows all of them
 * now. Returns a result code of SQLite. */
int shares_look(struct shares *s, struct sqlite3 *db, unsigned max, bool *ret_all);

/* Finds the user who has most, where that is more than `percent` of all, or all users other than
 * root have more than twice as much; and the oldest segment that is to a good part theirs. */
bool shares_choose(const struct shares *s, unsigned percent, uint32_t *ret_uid,
                   int64_t *ret_segment);

/* A segment is another one now, or none; or (`stuck`) cannot be made smaller. */
void shares_forget(struct shares *s, int64_t segment, bool stuck);
