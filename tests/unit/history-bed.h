/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the tests of the history share: a directory, events, questions. */

#include <ftw.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "access.h"
#include "event.h"
#include "history-flat.h"
#include "history-reader.h"
#include "history.h"
#include "match.h"
#include "tap-main.h"

static char bed_directory[64], bed_path[80];
static struct event bed_event;
static struct history_options bed_options;

static inline void bed_setup(void) {
        strcpy(bed_directory, "/tmp/bpfmon-history-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(bed_directory));
        snprintf(bed_path, sizeof(bed_path), "%s/history.db", bed_directory);
        bed_options = (struct history_options){
                .path = bed_path,
                .boot = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
        };
}

static inline int bed_remove(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

static inline void bed_teardown(void) {
        nftw(bed_directory, bed_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct history *bed_open(void) {
        struct history *h = NULL;

        ck_assert_int_eq(history_new(&h, &bed_options), 0);
        history_last_seq(h); /* waits */
        return h;
}

static inline void bed_flush(struct history *h) {
        history_wait(h, history_mark(h), 60000000);
}

/* A map-create, numbered. */
static inline struct event *bed_make(uint64_t seq) {
        struct event *e = &bed_event;

        event_reset(e);
        event_set_u64(e, FIELD_SEQ, seq);
        event_set_u64(e, FIELD_TIME, UINT64_C(1700000000000000) + seq * 1000);
        event_set_static(e, FIELD_EVENT, "map-create");
        event_set_static(e, FIELD_CLASS, "install");
        event_set_static(e, FIELD_RESULT, "ok");
        event_set_u32(e, FIELD_PROCESS_PID, 100 + (uint32_t) seq % 10);
        event_set_static(e, FIELD_PROCESS_NAME, "loader");
        event_set_u32(e, FIELD_USER_ID, 0);
        event_set_u32(e, FIELD_MAP_ID, (uint32_t) seq);
        event_set_printf(e, FIELD_MAP_NAME, "map_%u", (unsigned) seq % 5);
        return e;
}

static inline void bed_fill(struct history *h, uint64_t first, uint64_t last) {
        for (uint64_t seq = first; seq <= last; seq++)
                history_offer(h, bed_make(seq));
        bed_flush(h);
}

/* Asks with terms (NULL ends them). */
static inline int bed_ask(struct history_question q, const char *const *terms,
                          struct history_answer *ret) {
        struct match *match = NULL;
        size_t n = 0;

        while (terms && terms[n])
                n++;
        ck_assert_int_eq(match_new(&match, terms, n, NULL), 0);
        q.match = match;
        if (q.viewer.scope == SCOPE_OWN && q.viewer.uid == 0)
                q.viewer.scope = SCOPE_ALL;
        int r = history_read(bed_path, &q, ret);
        match_free(match);
        return r;
}

#define ASK(answer, question, ...)                                                          \
        bed_ask((struct history_question){.until = UINT64_MAX, .limit = 1000000, question}, \
                (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL}, answer)

static inline size_t bed_count(const char *term) {
        struct history_answer answer;
        const char *const terms[] = {term, NULL};

        ck_assert_int_eq(bed_ask((struct history_question){.until = UINT64_MAX, .limit = 1000000},
                                 terms, &answer),
                         0);
        ck_assert_uint_eq(answer.unread, 0);
        history_answer_done(&answer);
        return answer.n;
}

static inline void bed_sql(const char *sql) {
        sqlite3 *db;

        ck_assert_int_eq(sqlite3_open(bed_path, &db), SQLITE_OK);
        int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
        ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
        sqlite3_close(db);
}
