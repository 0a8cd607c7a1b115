/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "when.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "escape.h"
#include "util.h"

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum {
        TEXT_MAX = 128, /* bytes of an expression */
};

/* The last second of the year 9999. */
static const uint64_t USEC_MAX = UINT64_C(253402300799) * SECOND;

/* Longest names first where one begins another. */
static const struct unit {
        const char *name;
        uint64_t usec;
} units[] = {
        {"seconds", SECOND},
        {"second", SECOND},
        {"sec", SECOND},
        {"s", SECOND},
        {"minutes", MINUTE},
        {"minute", MINUTE},
        {"min", MINUTE},
        {"months", 2629800 * SECOND},
        {"month", 2629800 * SECOND},
        {"M", 2629800 * SECOND},
        {"msec", 1000},
        {"ms", 1000},
        {"m", MINUTE},
        {"hours", HOUR},
        {"hour", HOUR},
        {"hr", HOUR},
        {"h", HOUR},
        {"days", DAY},
        {"day", DAY},
        {"d", DAY},
        {"weeks", 7 * DAY},
        {"week", 7 * DAY},
        {"w", 7 * DAY},
        {"years", 31557600 * SECOND},
        {"year", 31557600 * SECOND},
        {"y", 31557600 * SECOND},
        {"usec", 1},
        {"us", 1},
        {"µs", 1},
};

static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};

/* What is being read, and where to complain. */
struct source {
        const char *text; /* as it was written */
        const char *at;
        uint64_t now;
        char *error;
        size_t size;
};

static int _printf_(2, 3) refuse(const struct source *s, const char *format, ...) {
        char shown[96], why[160];
        va_list arguments;

        escape_shortened(s->text, shown, sizeof(shown));
        va_start(arguments, format);
        vsnprintf(why, sizeof(why), format, arguments);
        va_end(arguments);
        if (s->size > 0)
                snprintf(s->error, s->size, "\"%s\" is not a time: %s", shown, why);
        return -EINVAL;
}

static void skip_spaces(struct source *s) {
        while (*s->at == ' ' || *s->at == '\t')
                s->at++;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* Reads up to `most` digits; false where there is none or one more. */
static bool take_digits(struct source *s, unsigned most, uint64_t *ret) {
        unsigned n = 0;

        for (*ret = 0; is_digit(*s->at) && n < most; n++)
                *ret = *ret * 10 + (uint64_t) (*s->at++ - '0');
        return n > 0 && !is_digit(*s->at);
}

/* The digits after a point, as millionths. */
static bool take_fraction(struct source *s, uint64_t *ret) {
        uint64_t scale = SECOND / 10;

        *ret = 0;
        if (*s->at != '.')
                return true;
        if (!is_digit(*++s->at))
                return false;
        for (; is_digit(*s->at); s->at++, scale /= 10)
                *ret += (uint64_t) (*s->at - '0') * scale;
        return true;
}

static const struct unit *take_unit(struct source *s) {
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                size_t n = strlen(units[i].name);
                char after = s->at[n];

                if (strncmp(s->at, units[i].name, n) != 0 ||
                    (after && after != ' ' && after != '\t' && !is_digit(after)))
                        continue;
                s->at += n;
                return &units[i];
        }

        return NULL;
}

/* One or more numbers with units: "1h 30min", "2 days". */
static int take_span(struct source *s, uint64_t *ret) {
        uint64_t total = 0;

        do {
                uint64_t number, fraction;
                const struct unit *unit = &units[0]; /* seconds */

                if (!take_digits(s, 15, &number) || !take_fraction(s, &fraction))
                        return refuse(s, "a number is missing or too large");
                skip_spaces(s);
                if (*s->at && !is_digit(*s->at) && strcmp(s->at, "ago") != 0 &&
                    strcmp(s->at, "left") != 0) {
                        unit = take_unit(s);
                        if (!unit)
                                return refuse(s, "write units as s, min, h, d, w, month or y");
                }
                if (number > USEC_MAX / unit->usec)
                        return refuse(s, "that is too long");
                total += number * unit->usec +
                         (uint64_t) ((__uint128_t) fraction * unit->usec / SECOND);
                if (total > USEC_MAX)
                        return refuse(s, "that is too long");
                skip_spaces(s);
        } while (is_digit(*s->at));

        *ret = total;
        return 0;
}

static int relative(struct source *s, bool back, uint64_t span, uint64_t *ret) {
        if (back ? span > s->now : span > USEC_MAX - MIN(s->now, USEC_MAX))
                return refuse(s, back ? "that is before 1970" : "that is after the year 9999");

        *ret = back ? s->now - span : s->now + span;
        return 0;
}

/* "-1h", "+1h", "1h ago", "1h left". */
static int take_relative(struct source *s, uint64_t *ret) {
        bool sign = *s->at == '-' || *s->at == '+', back = *s->at == '-';
        uint64_t span = 0;

        if (sign)
                s->at++;
        skip_spaces(s);
        int r = take_span(s, &span);
        if (r < 0)
                return r;
        if (!sign && strcmp(s->at, "ago") == 0)
                back = true;
        else if (sign ? *s->at : strcmp(s->at, "left") != 0)
                return refuse(s, "\"ago\" is missing, or something follows the time span");

        return relative(s, back, span, ret);
}

static int take_epoch(struct source *s, uint64_t *ret) {
        uint64_t seconds, fraction;

        s->at++;
        if (!take_digits(s, 12, &seconds) || !take_fraction(s, &fraction) || *s->at)
                return refuse(s, "write @ and seconds since 1970");
        if (seconds > USEC_MAX / SECOND)
                return refuse(s, "that is after the year 9999");

        *ret = seconds * SECOND + fraction;
        return 0;
}

/* A date with a time of day, in UTC or local time. */
struct date {
        struct tm tm;
        uint64_t fraction;
        bool utc, has_date, has_time;
        int weekday; /* -1: none said */
};

static void set_today(struct date *d, uint64_t now, int days) {
        time_t seconds = (time_t) (now / SECOND);
        struct tm tm;

        if (d->utc)
                gmtime_r(&seconds, &tm);
        else
                localtime_r(&seconds, &tm);
        d->tm.tm_year = tm.tm_year;
        d->tm.tm_mon = tm.tm_mon;
        d->tm.tm_mday = tm.tm_mday + days;
}

/* What local time or UTC has there. False where it never was, as in the hour that summer time
 * leaves out, or the 30th of February. */
static bool resolve(const struct date *d, bool exact, uint64_t *ret) {
        struct tm tm = d->tm;

        tm.tm_isdst = -1;
        time_t seconds = d->utc ? timegm(&tm) : mktime(&tm);
        if (seconds < 0 || (uint64_t) seconds > USEC_MAX / SECOND)
                return false;
        if (exact && (tm.tm_mday != d->tm.tm_mday || tm.tm_mon != d->tm.tm_mon ||
                      tm.tm_hour != d->tm.tm_hour || tm.tm_min != d->tm.tm_min))
                return false;
        if (d->weekday >= 0 && tm.tm_wday != d->weekday)
                return false;

        *ret = (uint64_t) seconds * SECOND + d->fraction;
        return true;
}

static bool take_weekday(struct source *s, struct date *d) {
        for (int i = 0; i < (int) ELEMENTSOF(weekdays); i++)
                for (size_t n = strlen(weekdays[i]);; n = 3) {
                        if (strncasecmp(s->at, weekdays[i], n) == 0 && s->at[n] == ' ') {
                                s->at += n;
                                skip_spaces(s);
                                d->weekday = i;
                                return true;
                        }
                        if (n == 3)
                                break;
                }

        return false;
}

static int take_date(struct source *s, struct date *d) {
        uint64_t year, month, day;
        const char *start = s->at;

        if (!take_digits(s, 4, &year) || *s->at != '-') {
                s->at = start;
                return 0;
        }
        size_t digits = (size_t) (s->at - start);
        s->at++;
        if (!take_digits(s, 2, &month) || *s->at++ != '-' || !take_digits(s, 2, &day) ||
            (digits != 2 && digits != 4))
                return refuse(s, "write dates as 2026-11-22");
        if (month < 1 || month > 12 || day < 1 || day > 31)
                return refuse(s, "there is no such date");

        if (digits == 2)
                year += year < 69 ? 2000 : 1900;
        d->tm.tm_year = (int) year - 1900;
        d->tm.tm_mon = (int) month - 1;
        d->tm.tm_mday = (int) day;
        d->has_date = true;
        if (*s->at == 'T' && is_digit(s->at[1]))
                s->at++;
        skip_spaces(s);
        return 0;
}

static int take_clock(struct source *s, struct date *d) {
        uint64_t hour, minute, second = 0;

        if (!is_digit(*s->at))
                return 0;
        if (!take_digits(s, 2, &hour) || *s->at++ != ':' || !take_digits(s, 2, &minute))
                return refuse(s, "write times of day as 10:00 or 10:00:00");
        if (*s->at == ':') {
                s->at++;
                if (!take_digits(s, 2, &second) || !take_fraction(s, &d->fraction))
                        return refuse(s, "write times of day as 10:00 or 10:00:00");
        }
        if (hour > 23 || minute > 59 || second > 59)
                return refuse(s, "there is no such time of day");

        d->tm.tm_hour = (int) hour;
        d->tm.tm_min = (int) minute;
        d->tm.tm_sec = (int) second;
        d->has_time = true;
        return 0;
}

static int take_calendar(struct source *s, struct date *d, uint64_t *ret) {
        take_weekday(s, d);
        int r = take_date(s, d);
        if (r >= 0)
                r = take_clock(s, d);
        if (r < 0)
                return r;
        if (*s->at || !(d->has_date || d->has_time))
                return refuse(s, "write 2026-11-22 10:00:00, 10:00, yesterday, 1 hour ago, -1h or "
                                 "@1700000000");
        if (!d->has_date)
                set_today(d, s->now, 0);
        if (!resolve(d, d->has_date, ret))
                return refuse(s, "there was no such date and time");
        return 0;
}

/* Takes " UTC" from the end, and spaces. */
static void trim(char *text, bool *ret_utc) {
        size_t n = strlen(text);

        while (n > 0 && text[n - 1] == ' ')
                n--;
        text[n] = '\0';
        if (n > 4 && strcmp(text + n - 4, " UTC") == 0 && !*ret_utc) {
                *ret_utc = true;
                text[n - 4] = '\0';
                for (n -= 4; n > 0 && text[n - 1] == ' '; n--)
                        text[n - 1] = '\0';
        }
}

int when_parse(uint64_t *ret, const char *s, uint64_t now, char *error, size_t size) {
        static const struct {
                const char *name;
                int days;
        } days[] = {{"today", 0}, {"yesterday", -1}, {"tomorrow", 1}};
        char text[TEXT_MAX];
        struct source source = {.text = s, .now = now, .error = error, .size = size};
        struct date date = {.weekday = -1};

        if (strlen(s) >= sizeof(text))
                return refuse(&source, "it is too long");
        while (*s == ' ')
                s++;
        strcpy(text, s);
        trim(text, &date.utc);
        source.at = text;

        if (!*text)
                return refuse(&source, "there is nothing");
        if (strcmp(text, "now") == 0) {
                *ret = now;
                return 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(days); i++)
                if (strcmp(text, days[i].name) == 0) {
                        set_today(&date, now, days[i].days);
                        return resolve(&date, false, ret) ? 0 : refuse(&source, "out of range");
                }
        if (*text == '@')
                return take_epoch(&source, ret);
        if (*text == '-' || *text == '+')
                return take_relative(&source, ret);

        size_t n = strlen(text);
        if ((n > 3 && strcmp(text + n - 3, "ago") == 0) ||
            (n > 4 && strcmp(text + n - 4, "left") == 0))
                return take_relative(&source, ret);
        return take_calendar(&source, &date, ret);
}
