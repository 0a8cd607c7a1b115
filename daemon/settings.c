/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "level.h"
#include "number.h"
#include "util.h"

const struct setting setting_table[] = {
#define SETTING(section, key, type, member, value, least, most, restart, meaning)                \
        {#section, #key,    SETTING_##type, offsetof(struct settings, member), (value), (least), \
         (most),   restart, meaning},
#include "settings.def"
};

const size_t setting_count = ELEMENTSOF(setting_table);

void settings_init(struct settings *s) {
        memset(s, 0, sizeof(*s));
        for (size_t i = 0; i < setting_count; i++)
                if (setting_table[i].type != SETTING_SERVICE)
                        *setting_in(&setting_table[i], s) = setting_table[i].value;
}

struct service_rules *setting_services_in(const struct setting *setting, struct settings *s) {
        return (struct service_rules *) ((char *) s + setting->offset);
}

uint64_t *setting_in(const struct setting *setting, struct settings *s) {
        return (uint64_t *) ((char *) s + setting->offset);
}

/* Reading -------------------------------------------------------------------------------------- */

static int parse_number(const char *text, enum field_unit unit, uint64_t *ret) {
        struct number number;
        int k = number_parse(&number, text, unit);

        if (k < 0)
                return k;
        if (number.negative)
                return -ERANGE;
        *ret = number.magnitude;
        return 0;
}

static int parse_ring(const char *text, uint64_t *ret) {
        uint64_t size;
        int k = parse_number(text, UNIT_BYTES, &size);

        if (k < 0)
                return k;
        if (size & (size - 1))
                return -EINVAL;
        *ret = size;
        return 0;
}

/* systemd.time(7), whole numbers only: a number without a unit is of seconds. The first unit of a
 * size is what is written. */
static const struct unit {
        uint64_t usec;
        const char *names[5];
} units[] = {
        {UINT64_C(604800000000), {"w", "week", "weeks"}},
        {UINT64_C(86400000000), {"d", "day", "days"}},
        {UINT64_C(3600000000), {"h", "hr", "hour", "hours"}},
        {60000000, {"min", "minute", "minutes", "m"}},
        {1000000, {"s", "sec", "second", "seconds", ""}},
        {1000, {"ms", "msec"}},
        {1, {"us", "usec", "µs", "μs"}},
};

static uint64_t unit_usec(const char *name, size_t length) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                for (size_t j = 0; j < ELEMENTSOF(units[i].names) && units[i].names[j]; j++)
                        if (strlen(units[i].names[j]) == length &&
                            strncmp(units[i].names[j], name, length) == 0)
                                return units[i].usec;
        return 0;
}

int span_parse(const char *text, uint64_t *ret) {
        static const char blanks[] = " \t", digits[] = "0123456789";
        uint64_t sum = 0, part;

        text += strspn(text, blanks);
        do {
                size_t n = strspn(text, digits), length;
                char number[24];

                if (n == 0)
                        return -EINVAL;
                if (n >= sizeof(number))
                        return -ERANGE;
                memcpy(number, text, n);
                number[n] = 0;
                if (parse_number(number, UNIT_NONE, &part) < 0)
                        return -ERANGE;
                text += n;
                text += strspn(text, blanks);
                length = strcspn(text, " \t0123456789");
                n = unit_usec(text, length);
                if (n == 0)
                        return -EINVAL;
                if (__builtin_mul_overflow(part, n, &part) ||
                    __builtin_add_overflow(sum, part, &sum))
                        return -ERANGE;
                text += length;
                text += strspn(text, blanks);
        } while (*text);

        *ret = sum;
        return 0;
}

static int parse_boolean(const char *text, uint64_t *ret) {
        static const char *const words[2][6] = {
                {"no", "n", "false", "f", "off", "0"},
                {"yes", "y", "true", "t", "on", "1"},
        };

        for (size_t value = 0; value < ELEMENTSOF(words); value++)
                for (size_t i = 0; i < ELEMENTSOF(words[value]); i++)
                        if (strcasecmp(text, words[value][i]) == 0) {
                                *ret = value;
                                return 0;
                        }
        return -EINVAL;
}

static int parse_value(const struct setting *setting, const char *text, uint64_t *ret) {
        int level;

        switch (setting->type) {
        case SETTING_NUMBER:
                return parse_number(text, UNIT_NONE, ret);
        case SETTING_SIZE:
                return parse_number(text, UNIT_BYTES, ret);
        case SETTING_RING:
                return parse_ring(text, ret);
        case SETTING_SPAN:
                return span_parse(text, ret);
        case SETTING_BOOLEAN:
                return parse_boolean(text, ret);
        case SETTING_LEVEL:
                level = level_from_name(text);
                if (level < 0)
                        return level;
                *ret = (uint64_t) level;
                return 0;
        case SETTING_SERVICE:
                break;
        }
        return -EINVAL;
}

int setting_parse(const struct setting *setting, const char *text, uint64_t *ret) {
        uint64_t value;
        int k = parse_value(setting, text, &value);

        if (k < 0)
                return k;
        if (value < setting->least || value > setting->most)
                return -ERANGE;
        *ret = value;
        return 0;
}

/* Writing -------------------------------------------------------------------------------------- */

static void format_size(uint64_t value, char *ret) {
        static const char suffixes[] = {0, 'K', 'M', 'G', 0};
        size_t i = 0;

        for (; value && value % 1024 == 0 && suffixes[i + 1]; i++)
                value /= 1024;
        snprintf(ret, SETTING_VALUE_BYTES, "%" PRIu64 "%.1s", value, &suffixes[i]);
}

static void format_span(uint64_t value, char *ret) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (value && value % units[i].usec == 0) {
                        snprintf(ret, SETTING_VALUE_BYTES, "%" PRIu64 "%s", value / units[i].usec,
                                 units[i].names[0]);
                        return;
                }
        snprintf(ret, SETTING_VALUE_BYTES, "0");
}

void setting_format(const struct setting *setting, uint64_t value,
                    char ret[static SETTING_VALUE_BYTES]) {
        switch (setting->type) {
        case SETTING_NUMBER:
                snprintf(ret, SETTING_VALUE_BYTES, "%" PRIu64, value);
                return;
        case SETTING_SIZE:
        case SETTING_RING:
                format_size(value, ret);
                return;
        case SETTING_SPAN:
                format_span(value, ret);
                return;
        case SETTING_BOOLEAN:
                snprintf(ret, SETTING_VALUE_BYTES, "%s", value ? "yes" : "no");
                return;
        case SETTING_LEVEL:
                snprintf(ret, SETTING_VALUE_BYTES, "%s", level_name((int) value));
                return;
        case SETTING_SERVICE:
                ret[0] = 0;
                return;
        }
}

void setting_expect(const struct setting *setting, char ret[static SETTING_EXPECT_BYTES]) {
        static const char *const what[] = {
                [SETTING_NUMBER] = "a number",
                [SETTING_SIZE] = "a size in bytes, or with K, M or G,",
                [SETTING_RING] = "a power of two in bytes, or with K, M or G,",
                [SETTING_SPAN] = "a time span",
                [SETTING_BOOLEAN] = "yes or no",
                [SETTING_LEVEL] = "emerg, alert, crit, err, warning, notice, info or debug",
                [SETTING_SERVICE] = "a name, and ports or paths of sockets",
        };
        char least[SETTING_VALUE_BYTES], most[SETTING_VALUE_BYTES];
        bool range = setting->type < SETTING_BOOLEAN;

        setting_format(setting, setting->least, least);
        setting_format(setting, setting->most, most);
        snprintf(ret, SETTING_EXPECT_BYTES, "%s%s%s%s%s", what[setting->type],
                 range ? " from " : "", range ? least : "", range ? " to " : "", range ? most : "");
}
