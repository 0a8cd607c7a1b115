/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bubbles.h"

#include <string.h>

#include "limit.h"

struct bubbles {
        struct bubble *bubbles[BUBBLES_MAX];
        size_t n;
        struct bubble more;
        struct limit ordinary, critical;
};

int bubbles_new(struct bubbles **ret) {
        struct bubbles *b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;

        b->ordinary = b->critical = (struct limit){BUBBLES_BURST, BUBBLES_INTERVAL_USEC};
        b->more.more = true;
        *ret = b;
        return 0;
}

static void clear_others(struct bubble *bubble) {
        for (size_t i = 0; i < bubble->n_others; i++)
                alert_free(bubble->others[i]);
        bubble->n_others = 0;
}

static void clear(struct bubble *bubble) {
        clear_others(bubble);
        alert_free(bubble->alert);
}

struct bubbles *bubbles_free(struct bubbles *b) {
        if (!b)
                return NULL;

        for (size_t i = 0; i < b->n; i++) {
                clear(b->bubbles[i]);
                free(b->bubbles[i]);
        }
        clear(&b->more);
        free(b);
        return NULL;
}

static bool same(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct bubble *find(struct bubbles *b, const struct alert *a) {
        for (size_t i = 0; i < b->n; i++)
                if (same(b->bubbles[i]->alert->program, a->program) &&
                    same(b->bubbles[i]->alert->cause, a->cause))
                        return b->bubbles[i];

        return NULL;
}

static struct limit *limit_for(struct bubbles *b, enum urgency urgency) {
        return urgency == URGENCY_CRITICAL ? &b->critical : &b->ordinary;
}

/* Room for one more: that of the bubble that was quiet the longest, of those that have nothing to
 * tell. NULL where there is none. */
static struct bubble *make_room(struct bubbles *b) {
        struct bubble *quiet = NULL;

        if (b->n < BUBBLES_MAX) {
                struct bubble *fresh = calloc(1, sizeof(*fresh));
                if (fresh)
                        b->bubbles[b->n++] = fresh;
                return fresh;
        }

        for (size_t i = 0; i < b->n; i++) {
                struct bubble *c = b->bubbles[i];
                if (!c->dirty && !c->sending && (!quiet || c->last < quiet->last))
                        quiet = c;
        }
        if (quiet) {
                clear(quiet);
                *quiet = (struct bubble){};
        }
        return quiet;
}

/* A bubble that is new is shown at once, or not by itself. */
static struct bubble *make(struct bubbles *b, const struct alert *a, uint64_t now) {
        struct limit *limit = limit_for(b, a->urgency);
        struct bubble *bubble;

        if (limit_next(limit, now) > now)
                return NULL;
        bubble = make_room(b);
        if (bubble)
                limit_take(limit, now);
        return bubble;
}

static void begin_anew(struct bubble *bubble) {
        bubble->count = bubble->told = 0;
        bubble->urgency = URGENCY_LOW;
        clear_others(bubble);
}

static void keep_other(struct bubble *bubble, struct alert *a) {
        if (bubble->n_others == BUBBLES_MORE) {
                alert_free(bubble->others[0]);
                memmove(bubble->others, bubble->others + 1,
                        (BUBBLES_MORE - 1) * sizeof(bubble->others[0]));
                bubble->n_others--;
        }
        bubble->others[bubble->n_others++] = a;
}

struct bubble *bubbles_add(struct bubbles *b, struct alert *a, uint64_t now) {
        struct bubble *bubble = find(b, a);

        if (!bubble)
                bubble = make(b, a, now) ?: &b->more;
        if (bubble->alert && now - bubble->last > BUBBLE_FORGOTTEN_USEC) {
                begin_anew(bubble);
                bubble->shown = bubble->appeared = 0;
        }

        if (bubble->count == 0)
                bubble->first = a->time;
        bubble->count += a->count;
        if (a->urgency > bubble->urgency)
                bubble->urgency = a->urgency;
        bubble->last = now;
        bubble->dirty = true;
        if (!bubble->more && bubble->alert && a->again) { /* that one says more */
                alert_free(a);
                return bubble;
        }
        if (bubble->more && bubble->alert)
                keep_other(bubble, bubble->alert);
        else
                alert_free(bubble->alert);
        bubble->alert = a;
        return bubble;
}

static uint64_t doubled(uint64_t usec, unsigned times, uint64_t most) {
        return MIN(usec << MIN(times, 20U), most);
}

/* When it may be sent. */
static uint64_t due(struct bubbles *b, const struct bubble *bubble, uint64_t now) {
        uint64_t when = bubble->not_before;

        if (bubble->id)
                return MAX(when, bubble->last_sent + doubled(BUBBLE_UPDATE_USEC, bubble->shown - 1,
                                                             BUBBLE_UPDATE_MAX_USEC));
        if (bubble->appeared == 0)
                return when; /* what it takes of the limit is taken */

        uint64_t most = bubble->more || bubble->urgency == URGENCY_CRITICAL ? BUBBLE_URGENT_MAX_USEC
                                                                            : BUBBLE_AGAIN_MAX_USEC;
        when = MAX(when,
                   bubble->last_sent + doubled(BUBBLE_AGAIN_USEC, bubble->appeared - 1, most));
        return bubble->more ? when : MAX(when, limit_next(limit_for(b, bubble->urgency), now));
}

static bool waits(const struct bubble *bubble) {
        return bubble->dirty && !bubble->sending;
}

static struct bubble *at(struct bubbles *b, size_t i) {
        return i < b->n ? b->bubbles[i] : &b->more;
}

uint64_t bubbles_next(struct bubbles *b, uint64_t now) {
        uint64_t next = UINT64_MAX;

        for (size_t i = 0; i <= b->n; i++)
                if (waits(at(b, i)))
                        next = MIN(next, due(b, at(b, i), now));

        return next;
}

static struct bubble *most_urgent(struct bubbles *b, uint64_t now) {
        struct bubble *best = NULL;

        for (size_t i = 0; i <= b->n; i++) {
                struct bubble *c = at(b, i);
                if (waits(c) && due(b, c, now) <= now && (!best || c->urgency > best->urgency))
                        best = c;
        }

        return best;
}

struct bubble *bubbles_take(struct bubbles *b, uint64_t now) {
        struct bubble *bubble = most_urgent(b, now);
        if (!bubble)
                return NULL;

        if (!bubble->id) {
                if (bubble->appeared > 0 && !bubble->more)
                        limit_take(limit_for(b, bubble->urgency), now);
                bubble->appeared++;
        }
        bubble->shown++;
        bubble->last_sent = now;
        bubble->told = bubble->count;
        bubble->dirty = false;
        bubble->sending = true;
        return bubble;
}

void bubble_shown(struct bubble *bubble, uint32_t id) {
        bubble->sending = false;
        bubble->id = id;
}

void bubble_failed(struct bubble *bubble, uint64_t now) {
        bubble->sending = false;
        bubble->dirty = true;
        bubble->id = 0;
        bubble->not_before = now + BUBBLE_RETRY_USEC;
        if (bubble->appeared == 1) /* it never did */
                bubble->appeared = 0;
}

struct bubble *bubbles_find(struct bubbles *b, uint32_t id) {
        for (size_t i = 0; i <= b->n && id != 0; i++)
                if (at(b, i)->id == id)
                        return at(b, i);

        return NULL;
}

void bubble_closed(struct bubble *bubble, bool seen) {
        uint64_t news = bubble->count - bubble->told;

        bubble->id = 0;
        if (!seen)
                return;
        begin_anew(bubble);
        if (news > 0) { /* came after what somebody has seen */
                bubble->count = news;
                bubble->first = bubble->alert->time;
                bubble->urgency = bubble->alert->urgency;
        }
}

void bubbles_closed(struct bubbles *b) {
        for (size_t i = 0; i <= b->n; i++) {
                struct bubble *bubble = at(b, i);

                if (bubble->id || bubble->sending) { /* what was there is to be there again */
                        bubble->dirty = true;
                        bubble->appeared = bubble->shown = 0;
                }
                bubble->not_before = 0;
                bubble->id = 0;
                bubble->sending = false;
        }
}

bool bubbles_any(struct bubbles *b) {
        for (size_t i = 0; i <= b->n; i++)
                if (at(b, i)->id || at(b, i)->sending || at(b, i)->dirty)
                        return true;

        return false;
}

void bubbles_mute(struct bubbles *b, const char *program,
                  void (*close)(uint32_t id, void *userdata), void *userdata) {
        for (size_t i = 0; i < b->n; i++) {
                struct bubble *bubble = b->bubbles[i];

                if (!same(bubble->alert->program, program))
                        continue;
                if (bubble->id)
                        close(bubble->id, userdata);
                bubble->dirty = false;
                bubble_closed(bubble, true);
                begin_anew(bubble);
                bubble->shown = bubble->appeared = 0;
        }
}
