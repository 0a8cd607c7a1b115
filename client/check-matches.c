/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MATCH terms, looked at before anybody is asked: their form, and values that nothing ever has. */

#include <string.h>

#include "bus.h"
#include "client.h"
#include "field-values.h"
#include "text.h"

enum {
        TOLD_MAX = 8, /* values, in one line */
};

/* What people write who do not know the form: a value alone, or another language's operator. */
static int check_form(const char *term) {
        const char *doubled = field_equal_doubled(term);
        const int before = doubled ? (int) (doubled - term) : 0;

        if (doubled) {
                complain("\"%s\": did you mean \"%.*s%s\"? (\"%.*s\\%s\" asks for a value that "
                         "begins with =)",
                         term, before, term, doubled + 1, before, term, doubled);
                return EXIT_USAGE;
        }
        if (term[strcspn(term, "=<>")])
                return EXIT_SUCCESS;
        for (int f = 0; f < _FIELD_MAX; f++) {
                const struct field_values known = field_values((enum field) f);

                for (size_t i = 0; i < known.n; i++)
                        if (known.values[i] && strcmp(known.values[i], term) == 0) {
                                complain("\"%s\" is no term: did you mean \"%s=%s\"?", term,
                                         field_info((enum field) f)->name, term);
                                return EXIT_USAGE;
                        }
        }

        return EXIT_SUCCESS;
}

/* Of a few values that bpfmond gives itself, all are told: "ok, rejected, denied or failed". */
static int check_chosen(const char *term) {
        enum field field;
        const char *value = field_value_unknown(term, &field);
        const struct field_values known = value ? field_values(field) : (struct field_values){};
        _cleanup_text_ struct text all = {};

        if (value && field == FIELD_EVENT) {
                complain("nothing has the event \"%s\": bpfmon-event(7) lists all (\"%s*\" asks "
                         "for it all the same)",
                         value, value);
                return EXIT_USAGE;
        }
        if (!known.ours || known.n > TOLD_MAX)
                return EXIT_SUCCESS;
        for (size_t i = 0; i < known.n; i++)
                text_printf(&all, "%s%s",
                            i == 0             ? ""
                            : i + 1 == known.n ? " or "
                                               : ", ",
                            known.values[i]);
        complain("nothing has the %s \"%s\": it is %s (\"%s*\" asks for it all the same)",
                 field_info(field)->name, value, text_string(&all), value);
        return EXIT_USAGE;
}

static int check_value(const char *term) {
        enum field field;
        const char *value, *meant = field_value_meant(term, &field, &value);

        if (!meant)
                return check_chosen(term);

        complain(
                "nothing has the %s \"%s\"; did you mean \"%s\"? (\"%s*\" asks for it all the same)",
                field_info(field)->name, value, meant, value);
        return EXIT_USAGE;
}

int bus_check_matches(char **matches, size_t n) {
        _cleanup_(match_freep) struct match *match = NULL;
        struct match_error error;
        int status = EXIT_SUCCESS;

        for (size_t i = 0; i < n && status == EXIT_SUCCESS; i++)
                status = check_form(matches[i]);
        if (status != EXIT_SUCCESS)
                return status;

        int r = match_new(&match, (const char *const *) matches, n, &error);
        if (r == -EINVAL || r == -E2BIG) {
                complain("%c%s", sentence_letter(error.message), error.message + 1);
                return EXIT_USAGE;
        }
        if (r < 0) {
                complain("cannot read the matches: %s", strerror(-r));
                return EXIT_FAILURE;
        }

        for (size_t i = 0; i < n && status == EXIT_SUCCESS; i++)
                status = check_value(matches[i]);
        return status;
}
