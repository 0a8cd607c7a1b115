/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-share.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "history-append.h"
#include "history-schema.h"
#include "util.h"

enum {
        USERS_MAX = 16,     /* of a segment, those who have most */
        TOTAL_MAX = 256,    /* and of all segments, the first that are met */
        GOOD_PART = 8,      /* one part in so many */
        SEGMENTS_MAX = 2048 /* remembered */
};

struct user {
        uint32_t uid;
        uint64_t weight; /* bytes, about */
};

struct share {
        int64_t segment;
        uint64_t all, users; /* weight; of users other than root */
        struct user user[USERS_MAX];
        size_t n;
        bool stuck;
};

struct shares {
        struct share *items; /* by segment */
        size_t n;
};

int shares_new(struct shares **ret) {
        struct shares *s = calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

struct shares *shares_free(struct shares *s) {
        if (!s)
                return NULL;

        free(s->items);
        free(s);
        return NULL;
}

static struct share *find(const struct shares *s, int64_t segment) {
        for (size_t i = 0; i < s->n; i++)
                if (s->items[i].segment == segment)
                        return &s->items[i];

        return NULL;
}

static void drop(struct shares *s, struct share *share) {
        memmove(share, share + 1, (size_t) (s->items + s->n - share - 1) * sizeof(*share));
        s->n--;
}

void shares_forget(struct shares *s, int64_t segment, bool stuck) {
        struct share *share = find(s, segment);

        if (share && stuck)
                share->stuck = true;
        else if (share)
                drop(s, share);
}

/* What is nobody's, since the kernel does not tell who did it, and root's are as any other's. */
static int look(struct share *share, sqlite3 *db) {
        sqlite3_stmt *statement = NULL;
        int rc = schema_prepare(db, &statement,
                                "SELECT coalesce(p.uid, 0), sum(length(e.rest) + ?) "
                                "FROM event_%1$lld AS e LEFT JOIN process_%1$lld AS p "
                                "ON p.id = e.process GROUP BY 1 ORDER BY 2 DESC",
                                share->segment);

        if (rc != SQLITE_OK)
                return rc;
        sqlite3_bind_int(statement, 1, SEGMENT_ROW_BYTES);
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
                const uint32_t uid = (uint32_t) sqlite3_column_int64(statement, 0);
                const uint64_t weight = (uint64_t) MAX(sqlite3_column_int64(statement, 1),
                                                       (sqlite3_int64) 0);

                share->all += weight;
                if (uid == 0)
                        continue;
                share->users += weight;
                if (share->n < USERS_MAX)
                        share->user[share->n++] = (struct user){uid, weight};
        }
        sqlite3_finalize(statement);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add(struct shares *s, sqlite3 *db, int64_t segment) {
        struct share *items, share = {.segment = segment};
        int rc;

        if (s->n >= SEGMENTS_MAX)
                return SQLITE_OK;
        rc = look(&share, db);
        if (rc != SQLITE_OK)
                return rc;
        items = reallocarray(s->items, s->n + 1, sizeof(items[0]));
        if (!items)
                return SQLITE_NOMEM;
        s->items = items;

        size_t i = s->n++;
        for (; i > 0 && items[i - 1].segment > segment; i--)
                items[i] = items[i - 1];
        items[i] = share;
        return SQLITE_OK;
}

int shares_look(struct shares *s, sqlite3 *db, unsigned max, bool *ret_all) {
        sqlite3_stmt *statement = NULL;
        int rc = sqlite3_prepare_v2(db, "SELECT id FROM segment WHERE sealed ORDER BY id", -1,
                                    &statement, NULL);

        *ret_all = true;
        while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
                const int64_t segment = sqlite3_column_int64(statement, 0);

                rc = SQLITE_OK;
                if (find(s, segment))
                        continue;
                if (max == 0) {
                        *ret_all = false;
                        break;
                }
                max--;
                rc = add(s, db, segment);
        }
        sqlite3_finalize(statement);
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Adds all up; returns who has most. */
static const struct user *add_up(const struct shares *s, struct user total[static TOTAL_MAX],
                                 uint64_t *ret_all, uint64_t *ret_users) {
        const struct user *most = NULL;
        size_t n = 0;

        *ret_all = *ret_users = 0;
        for (size_t i = 0; i < s->n; i++) {
                const struct share *share = &s->items[i];

                *ret_all += share->all;
                *ret_users += share->users;
                for (size_t j = 0; j < share->n; j++) {
                        size_t k = 0;

                        while (k < n && total[k].uid != share->user[j].uid)
                                k++;
                        if (k == TOTAL_MAX)
                                continue;
                        if (k == n)
                                total[n++] = (struct user){.uid = share->user[j].uid};
                        total[k].weight += share->user[j].weight;
                }
        }
        for (size_t k = 0; k < n; k++)
                if (!most || total[k].weight > most->weight)
                        most = &total[k];
        return most;
}

bool shares_choose(const struct shares *s, unsigned percent, uint32_t *ret_uid,
                   int64_t *ret_segment) {
        struct user total[TOTAL_MAX];
        uint64_t all, users;
        const struct user *most = add_up(s, total, &all, &users);

        if (!most || percent >= 100 ||
            (most->weight <= all / 100 * percent && users <= all / 100 * percent * 2))
                return false;
        for (size_t i = 0; i < s->n; i++) {
                const struct share *share = &s->items[i];

                for (size_t j = 0; j < share->n && !share->stuck; j++)
                        if (share->user[j].uid == most->uid &&
                            share->user[j].weight >= share->all / GOOD_PART) {
                                *ret_uid = most->uid;
                                *ret_segment = share->segment;
                                return true;
                        }
        }
        return false;
}
