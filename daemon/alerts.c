/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alerts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "alert-fold.h"
#include "alert-journal.h"
#include "clock.h"
#include "event.h"
#include "history.h"
#include "log.h"
#include "message-ids.h"
#include "rule-message.h"
#include "rule.h"
#include "rules.h"
#include "seen.h"
#include "util.h"

enum {
        ACCURACY_USEC = 1000000, /* of what is folded */
        NAMES_MAX = 16,          /* of rules, in one event */
};

struct alerts {
        struct rules *rules;
        struct folds *folds;
        struct seen *seen;
        struct history *history;
        sd_event *loop;
        sd_event_source *timer;
        uint64_t armed; /* the timer is, for this time; UINT64_MAX: it is not */
        struct event *event;
        const struct alerts_handlers *handlers;
        void *userdata;
        bool alert; /* what was judged last is one */
        uint64_t alerts, folded;
};

/* What was seen ------------------------------------------------------------------------------- */

static void keep(const struct seen_pair *pair, void *userdata) {
        history_keep_seen(userdata, pair);
}

static void add(const struct seen_pair *pair, void *userdata) {
        seen_add(userdata, pair);
}

void alerts_take_seen(struct alerts *a) {
        if (a->history && history_seen(a->history, add, a->seen) > 0)
                seen_each(a->seen, keep, a->history);
}

static void look(struct alerts *a, struct event *e) {
        struct seen_pair pair;
        enum seen_news news = seen_event(a->seen, e, &pair);

        if (news == SEEN_FIRST)
                event_set_bool(e, FIELD_FIRST_SEEN, true);
        if (news != SEEN_KNOWN && a->history)
                history_keep_seen(a->history, &pair);
}

/* Rules ---------------------------------------------------------------------------------------- */

static void on_complaint(const char *file, unsigned line, const char *message,
                         _unused_ void *userdata) {
        char number[16];

        snprintf(number, sizeof(number), "%u", line);
        if (line == 0)
                log_message(LOG_WARNING, MESSAGE_RULE, LOG_FIELDS({"CONFIG_FILE", file}), "%s: %s",
                            file, message);
        else
                log_message(LOG_WARNING, MESSAGE_RULE,
                            LOG_FIELDS({"CONFIG_FILE", file}, {"CONFIG_LINE", number}), "%s:%u: %s",
                            file, line, message);
}

void alerts_read_rules(struct alerts *a, const char *const *directories) {
        rules_read(a->rules, directories, on_complaint, NULL);
        log_debug("%zu rules", rules_count(a->rules));
}

bool alerts_want(const struct alerts *a, const struct event *partial) {
        return rules_want(a->rules, partial);
}

/* What the rules say of one event. */
struct verdict {
        const struct rule *news; /* the most severe of those that have something to tell */
        uint64_t news_count;
        const struct rule *more; /* the same of those that only count it */
        uint64_t more_count;
        const struct rule *passed[NAMES_MAX];
        size_t n;
        struct {
                const struct rule *rule;
                uint64_t count;
        } folded[RULES_MAX]; /* all that only count it */
        size_t n_folded;
};

static void take(const struct rule **best, uint64_t *best_count, const struct rule *rule,
                 uint64_t count) {
        if (*best && (*best)->severity >= rule->severity)
                return;
        *best = rule;
        *best_count = count;
}

static void ask(struct alerts *a, const struct event *e, struct verdict *ret) {
        const struct rule *passed[RULES_MAX];
        size_t n = rules_find(a->rules, e, passed);
        uint64_t now, count;

        ret->news = ret->more = NULL;
        ret->n = ret->n_folded = 0;
        if (n == 0)
                return;
        now = clock_usec(CLOCK_MONOTONIC);
        for (size_t i = 0; i < n; i++) {
                enum fold fold = folds_take(a->folds, passed[i], e, now, &count);

                if (fold == FOLD_WAITS)
                        continue;
                if (fold == FOLD_NEWS) {
                        take(&ret->news, &ret->news_count, passed[i], count);
                } else {
                        take(&ret->more, &ret->more_count, passed[i], count);
                        ret->folded[ret->n_folded].rule = passed[i];
                        ret->folded[ret->n_folded++].count = count;
                        a->folded++;
                }
                if (ret->n < NAMES_MAX)
                        ret->passed[ret->n++] = passed[i];
        }
}

static void set_words(struct event *e, const struct rule *rule) {
        char message[RULE_MESSAGE_MAX];

        event_set_static(e, FIELD_SEVERITY, severity_name((enum severity) rule->severity));
        if (!rule->message)
                return;
        rule_message_write(rule->message, e, message);
        event_set_string(e, FIELD_MESSAGE, message);
}

/* The rule whose words they are comes first. */
static void set_names(struct event *e, const struct verdict *v, const struct rule *first) {
        const char *names[NAMES_MAX + 1] = {first->name};
        size_t n = 1;

        for (size_t i = 0; i < v->n; i++)
                if (v->passed[i] != first)
                        names[n++] = v->passed[i]->name;
        event_set_strings(e, FIELD_RULE_NAME, names, n);
        if (first->description[0])
                event_set_string(e, FIELD_RULE_DESCRIPTION, first->description);
}

/* What is only counted keeps its own words; those of each rule are for later. */
static void keep_folded(struct alerts *a, struct event *e, const struct verdict *v) {
        const struct value severity = e->values[FIELD_SEVERITY], message = e->values[FIELD_MESSAGE];
        bool has_severity = event_has(e, FIELD_SEVERITY), has_message = event_has(e, FIELD_MESSAGE);
        const size_t used = e->arena_used;
        const size_t truncated = e->truncated;

        for (size_t i = 0; i < v->n_folded; i++) {
                const struct rule *rule = v->folded[i].rule;

                set_names(e, v, rule);
                event_set_u64(e, FIELD_ALERT_COUNT, v->folded[i].count);
                set_words(e, rule);
                folds_keep(a->folds, rule, e);
                event_clear(e, FIELD_ALERT_COUNT);
                event_clear(e, FIELD_RULE_NAME);
                event_clear(e, FIELD_RULE_DESCRIPTION);
                event_clear(e, FIELD_SEVERITY);
                event_clear(e, FIELD_MESSAGE);
                /* It has room for the words of one rule. */
                e->arena_used = used;
                e->truncated = truncated;
                if (has_severity)
                        event_set_static(e, FIELD_SEVERITY, severity.string);
                if (has_message)
                        event_set_static(e, FIELD_MESSAGE, message.string);
        }
}

/* What is folded ------------------------------------------------------------------------------- */

static int arm(struct alerts *a);

static void tell_folded(struct alerts *a, uint64_t count, uint64_t interval) {
        struct event *e = a->event;
        const char *message = event_string(e, FIELD_MESSAGE) ?: "";
        char text[RULE_MESSAGE_MAX + 96];
        uint64_t minutes = (interval + 30000000) / 60000000;

        if (minutes > 0)
                snprintf(text, sizeof(text), "%" PRIu64 " more in %" PRIu64 " minute%s: %s", count,
                         minutes, minutes == 1 ? "" : "s", message);
        else
                snprintf(text, sizeof(text), "%" PRIu64 " more in %" PRIu64 " seconds: %s", count,
                         (interval + 500000) / 1000000, message);
        event_set_string(e, FIELD_MESSAGE, text);
        event_set_u64(e, FIELD_TIME, clock_usec(CLOCK_REALTIME));
        event_set_static(e, FIELD_EVENT, "alert");
        event_set_static(e, FIELD_CLASS, "self");
        event_set_u64(e, FIELD_ALERT_COUNT, count);
        a->alert = true;
        a->handlers->tell(e, a->userdata);
        alerts_told(a, e);
}

/* One at a time: others have their turn in between. */
static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        struct alerts *a = userdata;
        uint64_t count, interval;

        a->armed = UINT64_MAX;
        if (folds_due(a->folds, clock_usec(CLOCK_MONOTONIC), a->event, &count, &interval))
                tell_folded(a, count, interval);
        return arm(a);
}

/* Wakes up for what is folded, and for nothing else. */
static int arm(struct alerts *a) {
        uint64_t next = folds_next(a->folds);
        int k;

        if (next >= a->armed)
                return 0;
        if (!a->timer) {
                k = sd_event_add_time(a->loop, &a->timer, CLOCK_MONOTONIC, next, ACCURACY_USEC,
                                      on_timer, a);
        } else {
                k = sd_event_source_set_time(a->timer, next);
                if (k >= 0)
                        k = sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
        }
        if (k >= 0)
                a->armed = next;
        return MIN(k, 0);
}

/* Events --------------------------------------------------------------------------------------- */

void alerts_judge(struct alerts *a, struct event *e) {
        struct verdict v;

        a->alert = false;
        look(a, e);
        ask(a, e, &v);
        if (!v.news && !v.more)
                return;

        if (v.more) {
                (void) arm(a);
                keep_folded(a, e, &v);
        }
        set_names(e, &v, v.news ?: v.more);
        if (!v.news) {
                event_set_u64(e, FIELD_ALERT_COUNT, v.more_count);
                return;
        }
        a->alert = v.news->severity >= SEVERITY_WARNING;
        if (a->alert || v.news_count > 1)
                event_set_u64(e, FIELD_ALERT_COUNT, v.news_count);
        set_words(e, v.news);
}

void alerts_forget(struct event *e) {
        static const enum field fields[] = {FIELD_FIRST_SEEN, FIELD_RULE_NAME,
                                            FIELD_RULE_DESCRIPTION, FIELD_ALERT_COUNT};

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                event_clear(e, fields[i]);
}

void alerts_told(struct alerts *a, const struct event *e) {
        if (!a->alert)
                return;
        a->alert = false;
        a->alerts++;
        alert_log(e);
}

void alerts_status(const struct alerts *a, struct alerts_status *ret) {
        *ret = (struct alerts_status){rules_count(a->rules), a->alerts, a->folded};
}

DEFINE_CLEANUP(struct alerts *, alerts_free);

int alerts_new(struct alerts **ret, sd_event *loop, struct history *history,
               const struct alerts_handlers *handlers, void *userdata) {
        _cleanup_(alerts_freep) struct alerts *a = calloc(1, sizeof(*a));
        int k;

        if (!a)
                return -ENOMEM;
        a->loop = sd_event_ref(loop);
        a->history = history;
        a->handlers = handlers;
        a->userdata = userdata;
        a->armed = UINT64_MAX;
        a->event = malloc(sizeof(*a->event));
        k = a->event ? rules_new(&a->rules) : -ENOMEM;
        if (k >= 0)
                k = folds_new(&a->folds);
        if (k >= 0)
                k = seen_new(&a->seen);
        if (k < 0)
                return k;
        event_reset(a->event);
        *ret = TAKE_PTR(a);
        return 0;
}

struct alerts *alerts_free(struct alerts *a) {
        if (!a)
                return NULL;

        sd_event_source_disable_unref(a->timer);
        sd_event_unref(a->loop);
        seen_free(a->seen);
        folds_free(a->folds);
        rules_free(a->rules);
        free(a->event);
        free(a);
        return NULL;
}
