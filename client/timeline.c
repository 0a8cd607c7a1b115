/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline.h"

#include <json.h>
#include <string.h>
#include <time.h>

#include "escape.h"
#include "value.h"

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const uint64_t intervals[] = {
        SECOND,  2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
        MINUTE,  2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
        HOUR,    2 * HOUR,   3 * HOUR,   6 * HOUR,    12 * HOUR,   DAY,
        2 * DAY, 7 * DAY,    14 * DAY,   30 * DAY,    90 * DAY,    365 * DAY,
};

static const char *const class_order[] = {"install", "change",  "remove", "use",
                                          "look",    "traffic", "self"};

uint64_t timeline_interval(uint64_t since, uint64_t until, size_t most) {
        const uint64_t span = until - since;
        size_t i = 0;

        while (i + 1 < ELEMENTSOF(intervals) && span / intervals[i] + 2 > most)
                i++;

        return intervals[i];
}

/* How far the clocks here are ahead of UTC, µs. */
static int64_t offset(uint64_t time) {
        time_t seconds = (time_t) (time / SECOND);
        struct tm tm;

        return localtime_r(&seconds, &tm) ? tm.tm_gmtoff * (int64_t) SECOND : 0;
}

int timeline_init(struct timeline *t, uint64_t since, uint64_t until, uint64_t interval) {
        const uint64_t shift = (uint64_t) (offset(since) + (int64_t) DAY); /* never negative */
        const uint64_t into = (since + shift) % interval;
        const uint64_t start = since - MIN(into, since);

        if ((until - start) / interval >= TIMELINE_INTERVALS_MAX)
                return -E2BIG;

        *t = (struct timeline){
                .start = start,
                .interval = interval,
                .shift = shift,
                .n_intervals = (size_t) ((until - start) / interval) + 1,
        };
        return 0;
}

void timeline_clear(struct timeline *t) {
        for (size_t i = 0; i < t->n_kinds; i++)
                free(t->kinds[i].counts);
        t->n_kinds = 0;
}

static void copy_escaped(char *ret, size_t size, const char *s) {
        _cleanup_free_ char *escaped = escape_terminal(s);

        snprintf(ret, size, "%s", escaped ? escaped : "?");
}

static struct timeline_kind *find_kind(struct timeline *t, const char *name, const char *class) {
        char shown[sizeof(t->kinds[0].name)];

        copy_escaped(shown, sizeof(shown), name);
        for (size_t i = 0; i < t->n_kinds; i++)
                if (strcmp(t->kinds[i].name, shown) == 0)
                        return &t->kinds[i];
        if (t->n_kinds > TIMELINE_KINDS_MAX)
                return &t->kinds[TIMELINE_KINDS_MAX];

        struct timeline_kind *kind = &t->kinds[t->n_kinds];
        kind->counts = calloc(t->n_intervals, sizeof(*kind->counts));
        if (!kind->counts)
                return NULL;
        bool other = t->n_kinds == TIMELINE_KINDS_MAX;
        snprintf(kind->name, sizeof(kind->name), "%s", other ? "other" : shown);
        copy_escaped(kind->class, sizeof(kind->class), other ? "" : class);
        t->n_kinds++;
        return kind;
}

static uint64_t weight(struct json_object *event) {
        uint64_t calls = row_number(event, FIELD_CALLS);

        return MAX(calls, UINT64_C(1));
}

static void note_host(struct timeline *t, struct json_object *event) {
        const char *host = row_string(event, FIELD_HOST);
        char shown[sizeof(t->host)];

        if (!host)
                return;
        copy_escaped(shown, sizeof(shown), host);
        if (t->total == 0)
                memcpy(t->host, shown, sizeof(shown));
        else if (strcmp(t->host, shown) != 0)
                t->host[0] = '\0';
}

int timeline_add(struct timeline *t, struct json_object *event) {
        const char *name = row_string(event, FIELD_EVENT), *class = row_string(event, FIELD_CLASS);
        const char *result = row_string(event, FIELD_RESULT);
        const uint64_t time = row_number(event, FIELD_TIME), n = weight(event);

        if (!name || time < t->start || (time - t->start) / t->interval >= t->n_intervals)
                return 0;
        struct timeline_kind *kind = find_kind(t, name, class ? class : "");
        if (!kind)
                return -ENOMEM;

        note_host(t, event);
        size_t interval = (size_t) ((time - t->start) / t->interval);
        kind->counts[interval] += n;
        kind->most = MAX(kind->most, kind->counts[interval]);
        kind->total += n;
        t->total += n;
        if (result && strcmp(result, "ok") != 0) {
                kind->refused += n;
                t->refused += n;
        }
        if (strcmp(name, "lost") == 0)
                t->lost += row_number(event, FIELD_LOST_COUNT);
        return 0;
}

size_t timeline_class_order(const char *class) {
        size_t i = 0;

        while (i < ELEMENTSOF(class_order) && strcmp(class_order[i], class) != 0)
                i++;

        return i;
}

static int compare(const void *a, const void *b) {
        const struct timeline_kind *x = a, *y = b;
        size_t p = timeline_class_order(x->class), q = timeline_class_order(y->class);

        if (p != q)
                return p < q ? -1 : 1;
        if (x->total != y->total)
                return x->total > y->total ? -1 : 1;
        return strcmp(x->name, y->name);
}

void timeline_sort(struct timeline *t) {
        qsort(t->kinds, t->n_kinds, sizeof(t->kinds[0]), compare);
}

uint64_t timeline_sum(const struct timeline *t, size_t interval) {
        uint64_t sum = 0;

        for (size_t i = 0; i < t->n_kinds; i++)
                sum += t->kinds[i].counts[interval];

        return sum;
}

uint64_t timeline_scale(uint64_t most) {
        static const uint64_t steps[] = {1, 2, 5};
        uint64_t power = 1;

        for (;; power *= 10)
                for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                        if (steps[i] * power >= most || power > UINT64_MAX / 100)
                                return steps[i] * power;
}

uint64_t timeline_mark_step(const struct timeline *t, size_t most) {
        const uint64_t until = t->start + (t->n_intervals - 1) * t->interval;
        size_t i = 0;

        while (i + 1 < ELEMENTSOF(intervals) &&
               ((until - t->start) / intervals[i] + 1 > most || intervals[i] < t->interval))
                i++;

        return intervals[i];
}

bool timeline_is_mark(const struct timeline *t, size_t interval, uint64_t step) {
        const uint64_t shown = t->start + interval * t->interval + t->shift;

        return shown / step != (shown - t->interval) / step;
}

void timeline_add_mark(struct text *t, uint64_t time, uint64_t step) {
        time_t seconds = (time_t) (time / SECOND);
        char mark[32];
        struct tm tm;

        if (!localtime_r(&seconds, &tm))
                return;
        bool midnight = tm.tm_hour == 0 && tm.tm_min == 0 && tm.tm_sec == 0;
        const char *format = step >= DAY || midnight ? "%b %d"
                             : step < MINUTE         ? "%H:%M:%S"
                                                     : "%H:%M";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (strftime(mark, sizeof(mark), format, &tm) > 0)
                text_add(t, mark);
#pragma GCC diagnostic pop
}
