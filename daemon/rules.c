/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config-files.h"
#include "event.h"
#include "hash.h"
#include "match.h"
#include "rule-lines.h"
#include "rule.h"
#include "util.h"

enum {
        SORTS = 64, /* of events that are remembered; a power of two */
        SORT_TEXT = 32,
        WORDS = RULES_MAX / 64,
};

/* What most rules ask for first. */
static const enum field sort_fields[] = {FIELD_EVENT, FIELD_RESULT, FIELD_PROG_TYPE};

/* Events that have these fields alike, and the rules that may be for them: most are for few. */
struct sort {
        bool used;
        char texts[ELEMENTSOF(sort_fields)][SORT_TEXT]; /* "": absent */
        uint64_t rules[WORDS];
};

struct rules {
        struct rule *items[RULES_MAX];
        size_t n;
        struct sort sorts[SORTS];
        /* The last one, by where its texts are: events that come in masses are alike. */
        const char *last_texts[ELEMENTSOF(sort_fields)];
        const struct sort *last;
        struct event *partial;
        /* Who is told what is wrong with a file; only while they are read. */
        config_complain complain;
        void *userdata;
};

DEFINE_CLEANUP(struct rules *, rules_free);

int rules_new(struct rules **ret) {
        _cleanup_(rules_freep) struct rules *r = calloc(1, sizeof(*r));

        if (!r)
                return -ENOMEM;
        r->partial = malloc(sizeof(*r->partial));
        if (!r->partial)
                return -ENOMEM;
        event_reset(r->partial);
        *ret = TAKE_PTR(r);
        return 0;
}

static void clear(struct rules *r) {
        while (r->n > 0)
                rule_free(r->items[--r->n]);
        memset(r->sorts, 0, sizeof(r->sorts));
        r->last = NULL;
}

struct rules *rules_free(struct rules *r) {
        if (!r)
                return NULL;

        clear(r);
        free(r->partial);
        free(r);
        return NULL;
}

/* Reading -------------------------------------------------------------------------------------- */

static const char *on_rule(struct rule *rule, void *userdata) {
        struct rules *r = userdata;
        const char *refused = r->n == RULES_MAX ? "there are 256 already" : NULL;

        for (size_t i = 0; i < r->n; i++)
                if (strcmp(r->items[i]->name, rule->name) == 0)
                        refused = "another one has its name";
        if (refused)
                rule_free(rule);
        else
                r->items[r->n++] = rule;
        return refused;
}

static void on_complaint(const char *file, unsigned line, const char *message, void *userdata) {
        const struct rules *r = userdata;

        r->complain(file, line, message, r->userdata);
}

static void on_file(const char *file, const char *name, const char *text, size_t size,
                    void *userdata) {
        struct rules *r = userdata;
        const struct rule_sink sink = {on_rule, on_complaint, r};

        rule_lines(&sink, file, name, text, size);
}

void rules_read(struct rules *r, const char *const *directories, config_complain complain,
                void *userdata) {
        const struct config_file_sink files = {on_file, on_complaint, r};

        clear(r);
        r->complain = complain;
        r->userdata = userdata;
        config_drop_ins_read(&files, directories, NULL);
}

size_t rules_count(const struct rules *r) {
        return r->n;
}

/* Finding -------------------------------------------------------------------------------------- */

static bool is_sort(const struct sort *s, const char *const texts[]) {
        for (size_t i = 0; i < ELEMENTSOF(sort_fields); i++)
                if (strcmp(s->texts[i], texts[i]) != 0)
                        return false;

        return s->used;
}

static void make_sort(struct rules *r, struct sort *s, const char *const texts[]) {
        *s = (struct sort){.used = true};
        event_reset(r->partial);
        for (size_t i = 0; i < ELEMENTSOF(sort_fields); i++) {
                strcpy(s->texts[i], texts[i]);
                if (texts[i][0])
                        event_set_static(r->partial, sort_fields[i], s->texts[i]);
        }
        for (size_t i = 0; i < r->n; i++)
                if (rule_may(r->items[i], r->partial))
                        s->rules[i / 64] |= UINT64_C(1) << i % 64;
}

/* Whether a text stays as it is: what an event has of its own may be another one the next time. */
static bool stays(const struct event *e, const char *text) {
        return text < e->arena || text >= e->arena + sizeof(e->arena);
}

/* The rules that may be for an event; NULL: all. */
static const uint64_t *candidates(struct rules *r, const struct event *e) {
        static const char none[] = "";
        const char *texts[ELEMENTSOF(sort_fields)];
        uint64_t h = HASH_BEGIN;
        bool same = r->last, all_stay = true;

        for (size_t i = 0; i < ELEMENTSOF(sort_fields); i++) {
                texts[i] = event_string(e, sort_fields[i]) ?: none;
                same = same && texts[i] == r->last_texts[i];
                all_stay = all_stay && stays(e, texts[i]);
        }
        if (same && all_stay)
                return r->last->rules;

        for (size_t i = 0; i < ELEMENTSOF(sort_fields); i++) {
                if (strnlen(texts[i], SORT_TEXT) == SORT_TEXT)
                        return NULL;
                h = hash_string(h, texts[i]) * 31;
        }
        struct sort *s = &r->sorts[h % SORTS];
        if (!is_sort(s, texts))
                make_sort(r, s, texts);
        r->last = all_stay ? s : NULL;
        memcpy(r->last_texts, texts, sizeof(texts));
        return s->rules;
}

size_t rules_find(struct rules *r, const struct event *e,
                  const struct rule *ret[static RULES_MAX]) {
        const uint64_t *may = r->n > 0 ? candidates(r, e) : NULL;
        size_t n = 0;

        for (size_t word = 0; word * 64 < r->n; word++) {
                uint64_t bits = may ? may[word] : UINT64_MAX;

                for (; bits; bits &= bits - 1) {
                        size_t i = word * 64 + (size_t) __builtin_ctzll(bits);

                        if (i >= r->n)
                                break;
                        if (!rule_test(r->items[i], e))
                                continue;
                        if (r->items[i]->severity == RULE_IGNORE)
                                return 0;
                        ret[n++] = r->items[i];
                }
        }
        return n;
}

bool rules_want(const struct rules *r, const struct event *partial) {
        for (size_t i = 0; i < r->n; i++)
                for (size_t j = 0; j < r->items[i]->n_matches; j++)
                        if (match_names_kind(r->items[i]->matches[j]) &&
                            match_may(r->items[i]->matches[j], partial))
                                return true;

        return false;
}
