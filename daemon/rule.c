/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule.h"

#include <stdlib.h>

#include "match.h"
#include "rule-message.h"

#define MINUTE UINT64_C(60000000)

struct rule *rule_new(void) {
        struct rule *r = calloc(1, sizeof(*r));

        if (!r)
                return NULL;
        r->severity = SEVERITY_WARNING;
        r->count = 1;
        r->within = MINUTE;
        r->fold = 10 * MINUTE;
        return r;
}

struct rule *rule_free(struct rule *r) {
        if (!r)
                return NULL;

        for (size_t i = 0; i < r->n_matches; i++)
                match_free(r->matches[i]);
        rule_message_free(r->message);
        free(r);
        return NULL;
}

bool rule_test(const struct rule *r, const struct event *e) {
        for (size_t i = 0; i < r->n_matches; i++)
                if (match_test(r->matches[i], e))
                        return true;

        return false;
}

bool rule_may(const struct rule *r, const struct event *partial) {
        for (size_t i = 0; i < r->n_matches; i++)
                if (match_may(r->matches[i], partial))
                        return true;

        return false;
}
