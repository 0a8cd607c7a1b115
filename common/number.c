/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "number.h"
#include "util.h"

struct suffix {
        enum field_unit unit;
        const char *text;
        uint64_t multiplier;
        uint64_t divisor; /* 0: 1 */
};

static const struct suffix suffixes[] = {
        {UNIT_NANOSECONDS, "ns", 1},
        {UNIT_NANOSECONDS, "us", 1000},
        {UNIT_NANOSECONDS, "µs", 1000},
        {UNIT_NANOSECONDS, "ms", 1000 * 1000},
        {UNIT_NANOSECONDS, "s", 1000 * 1000 * 1000},
        {UNIT_NANOSECONDS, "min", UINT64_C(60) * 1000 * 1000 * 1000},
        {UNIT_MICROSECONDS, "ns", 1, 1000},
        {UNIT_MICROSECONDS, "us", 1},
        {UNIT_MICROSECONDS, "µs", 1},
        {UNIT_MICROSECONDS, "ms", 1000},
        {UNIT_MICROSECONDS, "s", 1000 * 1000},
        {UNIT_MICROSECONDS, "min", 60 * 1000 * 1000},
        {UNIT_BYTES, "K", UINT64_C(1) << 10},
        {UNIT_BYTES, "M", UINT64_C(1) << 20},
        {UNIT_BYTES, "G", UINT64_C(1) << 30},
};

static int apply_suffix(uint64_t *magnitude, const char *text, enum field_unit unit) {
        if (!*text)
                return 0;

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                const struct suffix *suffix = &suffixes[i];
                uint64_t divisor = suffix->divisor ?: 1;

                if (suffix->unit != unit || strcmp(suffix->text, text) != 0)
                        continue;
                if (__builtin_mul_overflow(*magnitude, suffix->multiplier, magnitude) ||
                    *magnitude % divisor != 0)
                        return -ERANGE;
                *magnitude /= divisor;
                return 0;
        }

        return -EINVAL;
}

/* The value of a digit, or a number beyond every base. */
static unsigned digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 16;
}

int number_parse(struct number *ret, const char *s, enum field_unit unit) {
        struct number number = {};
        unsigned base = 10;
        bool overflow = false;

        if (*s == '-') {
                number.negative = true;
                s++;
        }
        if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
                base = 16;
                s += 2;
        }
        if (digit(*s) >= base)
                return -EINVAL;

        for (; digit(*s) < base; s++)
                overflow |= __builtin_mul_overflow(number.magnitude, base, &number.magnitude) ||
                            __builtin_add_overflow(number.magnitude, digit(*s), &number.magnitude);

        int r = apply_suffix(&number.magnitude, s, unit);
        if (r < 0)
                return r;
        if (overflow)
                return -ERANGE;

        number.negative = number.negative && number.magnitude > 0;
        *ret = number;
        return 0;
}

int number_compare(struct number a, struct number b) {
        if (a.negative != b.negative)
                return a.negative ? -1 : 1;

        int c = (a.magnitude > b.magnitude) - (a.magnitude < b.magnitude);
        return a.negative ? -c : c;
}
