/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "limit.h"

#include "util.h"

static void give_back(struct limit *l, uint64_t now) {
        uint64_t n = (now - l->since) / l->interval;

        if (n >= l->used) {
                l->used = 0;
                l->since = now;
        } else {
                l->used -= n;
                l->since += n * l->interval;
        }
}

bool limit_take(struct limit *l, uint64_t now) {
        give_back(l, now);
        if (l->used >= l->burst)
                return false;
        l->used++;
        return true;
}

uint64_t limit_next(struct limit *l, uint64_t now) {
        give_back(l, now);
        return l->used < l->burst ? now : l->since + l->interval;
}
