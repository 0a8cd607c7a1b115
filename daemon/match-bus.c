/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "match-bus.h"

#include "access.h"
#include <string.h>

#include "errors.h"
#include "limit.h"
#include "match.h"
#include "util.h"

/* The terms stay in the message. */
static int read_terms(sd_bus_message *m, struct limits *limits,
                      const char *terms[static MATCH_TERMS_MAX], size_t *ret_n,
                      sd_bus_error *error) {
        size_t n = 0, bytes = 0;
        const char *term;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read_basic(m, 's', &term)) > 0) {
                bytes += strlen(term);
                if (n >= MATCH_TERMS_MAX || n >= limits->max[LIMIT_MATCH_TERMS])
                        return limits_refuse(limits, LIMIT_MATCH_TERMS, error);
                if (bytes > limits->max[LIMIT_MATCH_BYTES])
                        return limits_refuse(limits, LIMIT_MATCH_BYTES, error);
                terms[n++] = term;
        }
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret_n = n;
        return 0;
}

int match_read(sd_bus_message *m, struct limits *limits, struct match **ret, sd_bus_error *error) {
        const char *terms[MATCH_TERMS_MAX];
        struct match_error why;
        size_t n = 0;
        int r;

        r = read_terms(m, limits, terms, &n, error);
        if (r < 0)
                return r;

        r = match_new(ret, terms, n, &why);
        if (r == -EINVAL || r == -E2BIG) {
                limits->invalid++;
                return sd_bus_error_set(error, BPFMON_ERROR_INVALID_MATCH, why.message);
        }

        return r;
}

int match_check_fields(const struct viewer *v, const struct match *m, struct limits *limits,
                       sd_bus_error *error) {
        int f = viewer_forbidden_field(v, m);

        if (f < 0)
                return 0;
        limits->denied++;
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                 "A match may not name %s in the scope %s, which does not show it",
                                 field_info((enum field) f)->name, scope_name(v->scope));
}
