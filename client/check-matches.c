/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MATCH terms, looked at before anybody is asked: their form, and values that nothing ever has. */

#include <string.h>

#include "bus.h"
#include "client.h"
#include "field-values.h"

enum {
        VALUE_MAX = 64, /* more than any value that is known */
};

/* What comes before the value of FIELD=VALUE and FIELD!=VALUE. Returns the field, or -1 for what
 * cannot be told to be wrong: other comparisons, patterns, fields of other values. */
static int find_value(const char *term, const char **ret_value) {
        const char *equal = strchr(term, '=');
        char name[VALUE_MAX];

        if (!equal || equal == term || strpbrk(equal + 1, "*?\\"))
                return -1;
        size_t n = (size_t) (equal - term) - (equal[-1] == '!');
        if (n >= sizeof(name) || strlen(equal + 1) >= VALUE_MAX)
                return -1;
        memcpy(name, term, n);
        name[n] = '\0';

        *ret_value = equal + 1;
        return field_from_name(name);
}

/* The kernel may have names that are not known here, and another bpfmond, too: what is like nothing
 * that is known passes. */
static int check_value(const char *term) {
        const char *value, *nearest;
        int f = find_value(term, &value);

        if (f < 0 || field_value_known((enum field) f, value))
                return EXIT_SUCCESS;
        nearest = field_value_nearest((enum field) f, value);
        if (!nearest)
                return EXIT_SUCCESS;

        complain(
                "nothing has the %s \"%s\"; did you mean \"%s\"? (\"%s*\" asks for it all the same)",
                field_info((enum field) f)->name, value, nearest, value);
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
