/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MATCH terms, looked at before anybody is asked: their form, and values that nothing ever has. */

#include <string.h>

#include "bus.h"
#include "client.h"
#include "field-values.h"

static int check_value(const char *term) {
        enum field field;
        const char *value, *meant = field_value_meant(term, &field, &value);

        if (!meant)
                return EXIT_SUCCESS;

        complain(
                "nothing has the %s \"%s\"; did you mean \"%s\"? (\"%s*\" asks for it all the same)",
                field_info(field)->name, value, meant, value);
        return EXIT_USAGE;
}

int bus_check_matches(char **matches, size_t n) {
        _cleanup_(match_freep) struct match *match = NULL;
        struct match_error error;

        int r = match_new(&match, (const char *const *) matches, n, &error);
        if (r == -EINVAL || r == -E2BIG) {
                complain("%s", error.message);
                return EXIT_USAGE;
        }
        if (r < 0) {
                complain("%s", strerror(-r));
                return EXIT_FAILURE;
        }

        int status = EXIT_SUCCESS;
        for (size_t i = 0; i < n && status == EXIT_SUCCESS; i++)
                status = check_value(matches[i]);
        return status;
}
