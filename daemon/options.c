/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "connection-samples.h"
#include "errors.h"
#include "escape.h"
#include "util.h"

enum {
        SHOWN_OPTION_BYTES = 64, /* of an option's name in an error */
};

#define INTERVAL_MAX_USEC UINT64_C(86400000000) /* a day */

typedef int (*read_option)(sd_bus_message *m, struct options *options, sd_bus_error *error);

/* Adds a field by its name. */
static int add_field(struct field_set *set, const char *name, sd_bus_error *error) {
        char shown[3 * SHOWN_OPTION_BYTES + 1];
        const char *nearest;
        int f = field_from_name(name);

        if (f >= 0) {
                field_set_add(set, (enum field) f);
                return 0;
        }
        utf8_sanitize(name, SHOWN_OPTION_BYTES, shown, sizeof(shown));
        nearest = field_nearest(name);
        return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                 "Unknown field \"%s\" in the option fields%s%s%s", shown,
                                 nearest ? "; did you mean \"" : "", nearest ?: "",
                                 nearest ? "\"?" : "");
}

static int read_fields(sd_bus_message *m, struct options *options, sd_bus_error *error) {
        const char *name;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &name)) > 0) {
                if (++n > _FIELD_MAX)
                        return sd_bus_error_set(error, BPFMON_ERROR_INVALID_OPTION,
                                                "The option fields has more names than there are "
                                                "fields");
                r = add_field(&options->fields, name, error);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_scope(sd_bus_message *m, struct options *options, sd_bus_error *error) {
        char shown[3 * SHOWN_OPTION_BYTES + 1];
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        r = scope_from_name(name);
        if (r >= 0) {
                options->scope = (enum scope) r;
                return 0;
        }
        utf8_sanitize(name, SHOWN_OPTION_BYTES, shown, sizeof(shown));
        return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                 "Unknown scope \"%s\"; valid ones are own, alerts and all", shown);
}

static int read_since(sd_bus_message *m, struct options *options, _unused_ sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 't', &options->since);
}

static int read_until(sd_bus_message *m, struct options *options, _unused_ sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 't', &options->until);
}

static int read_limit(sd_bus_message *m, struct options *options, _unused_ sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 'u', &options->limit);
}

static int read_after(sd_bus_message *m, struct options *options, _unused_ sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 'u', &options->after);
}

static int read_reverse(sd_bus_message *m, struct options *options, _unused_ sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 'b', &options->reverse);
}

static int read_cursor(sd_bus_message *m, struct options *options, _unused_ sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 's', &options->cursor);
}

static int read_interval(sd_bus_message *m, struct options *options, sd_bus_error *error) {
        int r = sd_bus_message_read_basic(m, 't', &options->interval);

        if (r >= 0 && (options->interval < SAMPLES_INTERVAL_MIN_USEC ||
                       options->interval > INTERVAL_MAX_USEC))
                return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                         "The option interval is from %d to %llu microseconds",
                                         SAMPLES_INTERVAL_MIN_USEC,
                                         (unsigned long long) INTERVAL_MAX_USEC);
        return r;
}

static const struct option_info {
        const char *name, *type, *type_words;
        read_option read;
} table[] = {
        [OPTION_FIELDS] = {"fields", "as", "an array of strings (as)", read_fields},
        [OPTION_SCOPE] = {"scope", "s", "a string (s)", read_scope},
        [OPTION_SINCE] = {"since", "t", "a number of 64 bits (t)", read_since},
        [OPTION_UNTIL] = {"until", "t", "a number of 64 bits (t)", read_until},
        [OPTION_LIMIT] = {"limit", "u", "a number of 32 bits (u)", read_limit},
        [OPTION_REVERSE] = {"reverse", "b", "a boolean (b)", read_reverse},
        [OPTION_CURSOR] = {"cursor", "s", "a string (s)", read_cursor},
        [OPTION_AFTER] = {"after", "u", "a number of 32 bits (u)", read_after},
        [OPTION_INTERVAL] = {"interval", "t", "a number of 64 bits (t)", read_interval},
};

static int find_option(const char *name, unsigned allowed) {
        for (int i = 0; i < _OPTION_MAX; i++)
                if ((allowed & OPTION_BIT(i)) && strcmp(table[i].name, name) == 0)
                        return i;
        return -ENOENT;
}

static int refuse_option(const char *name, const char *method, unsigned allowed,
                         sd_bus_error *error) {
        char shown[3 * SHOWN_OPTION_BYTES + 1], valid[256] = "none";
        size_t used = 0;

        utf8_sanitize(name, SHOWN_OPTION_BYTES, shown, sizeof(shown));
        for (int i = 0; i < _OPTION_MAX; i++)
                if ((allowed & OPTION_BIT(i)) && used < sizeof(valid))
                        used += (size_t) snprintf(valid + used, sizeof(valid) - used, "%s%s",
                                                  used ? ", " : "", table[i].name);
        return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                 "Unknown option \"%s\"; valid options of %s: %s", shown, method,
                                 valid);
}

/* Reads one entry, from its name to the end of its value. */
static int read_one(sd_bus_message *m, const char *method, unsigned allowed,
                    struct options *options, sd_bus_error *error) {
        const char *name, *contents;
        int r, i;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        i = find_option(name, allowed);
        if (i < 0)
                return refuse_option(name, method, allowed, error);
        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        if (strcmp(contents, table[i].type) != 0)
                return sd_bus_error_setf(error, BPFMON_ERROR_INVALID_OPTION,
                                         "The option %s is %s, not %.16s", table[i].name,
                                         table[i].type_words, contents);
        r = sd_bus_message_enter_container(m, 'v', table[i].type);
        if (r >= 0)
                r = table[i].read(m, options, error);
        if (r < 0)
                return r;
        options->given |= OPTION_BIT(i);
        return sd_bus_message_exit_container(m);
}

int options_read(sd_bus_message *m, const char *method, unsigned allowed, struct options *ret,
                 sd_bus_error *error) {
        struct options options = {};
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_one(m, method, allowed, &options, error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = options;
        return 0;
}
