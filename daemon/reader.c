/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include <string.h>

#include "match.h"
#include "severity.h"
#include "util.h"

/* What maps hold is for those who ask for it. */
static const enum field content_fields[] = {FIELD_MAP_KEY, FIELD_MAP_VALUE};

static struct field_set ordinary_fields(void) {
        struct field_set set = {};

        for (enum field f = 0; f < _FIELD_MAX; f++)
                field_set_add(&set, f);
        for (size_t i = 0; i < ELEMENTSOF(content_fields); i++)
                field_set_remove(&set, content_fields[i]);
        return set;
}

static bool asks_for_content(const struct reader *r) {
        for (size_t i = 0; i < ELEMENTSOF(content_fields); i++)
                if (field_set_has(&r->only, content_fields[i]))
                        return true;
        return false;
}

/* Whether events like this one go only to those who ask for them by name. Alerts are for all. */
static bool needs_asking(const struct event *event) {
        const char *class = event_string(event, FIELD_CLASS);

        return class &&
               (strcmp(class, "use") == 0 || strcmp(class, "look") == 0 ||
                strcmp(class, "traffic") == 0) &&
               !severity_alerts(event);
}

bool reader_wants(const struct reader *r, const struct event *partial) {
        return (r->by_name || !needs_asking(partial)) && match_may(r->match, partial);
}

static void tell_changed(const struct readers *all) {
        if (all && all->changed)
                all->changed(all->userdata);
}

void reader_init(struct reader *r, const struct reader_kind *kind,
                 const struct permission *permission, const struct field_set *only) {
        *r = (struct reader){
                .kind = kind,
                .grant.permission = *permission,
                .only = only ? *only : ordinary_fields(),
        };
}

static void on_revoked(const char *reason, void *userdata) {
        struct reader *r = userdata;

        r->kind->revoked(r, reason);
}

void reader_set_match(struct reader *r, struct match *match) {
        match_free(r->match);
        r->match = match;
        r->by_name = match_names_kind(match);
        tell_changed(r->readers);
}

void readers_add(struct readers *all, struct reader *r) {
        r->readers = all;
        r->next = all->first;
        all->first = r;
        all->n++;
        grant_watch(&r->grant, all->grants, &r->grant.permission, on_revoked, r);
        tell_changed(all);
}

void reader_remove(struct reader *r) {
        struct readers *all = TAKE_PTR(r->readers);

        for (struct reader **i = all ? &all->first : NULL; i && *i; i = &(*i)->next)
                if (*i == r) {
                        *i = r->next;
                        all->n--;
                        break;
                }
        grant_done(&r->grant);
        match_free(TAKE_PTR(r->match));
        tell_changed(all);
}

size_t readers_count(const struct readers *all, const struct reader_kind *kind) {
        size_t n = 0;

        for (const struct reader *r = all->first; r; r = r->next)
                n += r->kind == kind;
        return n;
}

size_t readers_count_of(const struct readers *all, const struct reader_kind *kind, uid_t uid) {
        size_t n = 0;

        for (const struct reader *r = all->first; r; r = r->next)
                n += r->kind == kind && r->grant.permission.viewer.uid == uid;
        return n;
}

void reader_offer(struct reader *r, struct event *event) {
        struct field_set hidden;

        if (!viewer_looks(&r->grant.permission.viewer, event, &hidden))
                return;
        if (match_test(r->match, event))
                r->kind->event(r, event);
        event_show(event, &hidden);
}

void readers_offer(const struct readers *all, struct event *event) {
        bool quiet;

        if (!all->first)
                return;

        quiet = needs_asking(event);
        for (struct reader *r = all->first; r; r = r->next)
                if (!quiet || r->by_name)
                        reader_offer(r, event);
}

/* What was lost without a class was an action: all that is known is that it was of one of these. */
static bool may_miss(const struct reader *r, struct event *partial) {
        static const char *const classes[] = {"install", "remove"};
        bool may = false;

        if (event_has(partial, FIELD_CLASS))
                return reader_wants(r, partial);

        for (size_t i = 0; i < ELEMENTSOF(classes) && !may; i++) {
                event_set_static(partial, FIELD_CLASS, classes[i]);
                may = reader_wants(r, partial);
        }
        event_clear(partial, FIELD_CLASS);
        return may;
}

void readers_lost(const struct readers *all, struct event *partial, uint64_t count) {
        for (struct reader *r = all->first; r; r = r->next)
                if (may_miss(r, partial))
                        r->kind->lost(r, partial, count);
}

void readers_tell(const struct readers *all, const struct event *event) {
        for (struct reader *r = all->first; r; r = r->next)
                r->kind->event(r, event);
}

bool readers_hold(const struct readers *all) {
        for (const struct reader *r = all->first; r; r = r->next)
                if (r->kind->holds(r))
                        return true;

        return false;
}

void readers_flush(const struct readers *all) {
        for (struct reader *r = all->first; r; r = r->next)
                r->kind->flush(r);
}

bool readers_want(const struct readers *all, const struct event *partial) {
        for (const struct reader *r = all->first; r; r = r->next)
                if (reader_wants(r, partial))
                        return true;

        return false;
}

bool readers_want_content(const struct readers *all) {
        for (const struct reader *r = all->first; r; r = r->next)
                if (asks_for_content(r))
                        return true;

        return false;
}
