/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "hash.h"
#include "util.h"

static bool is(const struct count *c, const char *event, const char *result) {
        return strncmp(c->event, event, COUNTS_TEXT - 1) == 0 &&
               strncmp(c->result, result, COUNTS_TEXT - 1) == 0;
}

void counts_add(struct counts *c, const struct event *e) {
        const char *event = event_string(e, FIELD_EVENT) ?: "";
        const char *result = event_string(e, FIELD_RESULT) ?: "";
        const size_t places = COUNTS_MAX - 1;
        size_t i = hash_string(hash_string(HASH_BEGIN, event), result) % places, n = 0;
        struct count *count;

        while (n++ < places && c->items[i].calls > 0 && !is(&c->items[i], event, result))
                i = (i + 1) % places;
        count = &c->items[n > places ? places : i];
        if (count->calls++ > 0)
                return;
        snprintf(count->event, sizeof(count->event), "%s", n > places ? "other" : event);
        snprintf(count->class, sizeof(count->class), "%s", event_string(e, FIELD_CLASS) ?: "");
        snprintf(count->result, sizeof(count->result), "%s", n > places ? "" : result);
}

static void set(struct event *e, enum field f, const char *text) {
        if (text[0])
                event_set_static(e, f, text);
}

int counts_list(const struct counts *c, int (*row)(const struct event *e, void *userdata),
                void *userdata) {
        _cleanup_free_ struct event *e = malloc(sizeof(*e));
        int k = e ? 0 : -ENOMEM;

        for (size_t i = 0; k >= 0 && i < COUNTS_MAX; i++) {
                if (c->items[i].calls == 0)
                        continue;
                event_reset(e);
                set(e, FIELD_EVENT, c->items[i].event);
                set(e, FIELD_CLASS, c->items[i].class);
                set(e, FIELD_RESULT, c->items[i].result);
                event_set_u64(e, FIELD_CALLS, c->items[i].calls);
                k = row(e, userdata);
        }
        return MIN(k, 0);
}
