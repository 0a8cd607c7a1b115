/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "escape.h"
#include "text.h"

#define ELLIPSIS "…"

static const char *const styles[_STYLE_MAX] = {
        [STYLE_NONE] = "",           [STYLE_BOLD] = "\x1b[1m",     [STYLE_DIM] = "\x1b[2m",
        [STYLE_RED] = "\x1b[31m",    [STYLE_ALARM] = "\x1b[1;31m", [STYLE_GREEN] = "\x1b[32m",
        [STYLE_YELLOW] = "\x1b[33m", [STYLE_MAGENTA] = "\x1b[35m", [STYLE_CYAN] = "\x1b[36m",
};

void text_clear(struct text *t) {
        free(t->data);
        *t = (struct text){};
}

/* Room for `n` more bytes and NUL. */
static bool reserve(struct text *t, size_t n) {
        if (t->failed)
                return false;
        if (n < t->size - t->n)
                return true;

        size_t size = MAX((t->n + n + 1) * 2, (size_t) 256);
        char *data = realloc(t->data, size);
        if (!data) {
                t->failed = true;
                return false;
        }

        t->data = data;
        t->size = size;
        return true;
}

void text_add_bytes(struct text *t, const char *s, size_t n) {
        if (!reserve(t, n))
                return;

        memcpy(t->data + t->n, s, n);
        t->n += n;
        t->data[t->n] = '\0';
}

void text_add(struct text *t, const char *s) {
        text_add_bytes(t, s, strlen(s));
}

void text_add_char(struct text *t, char c, size_t times) {
        if (!reserve(t, times))
                return;

        memset(t->data + t->n, c, times);
        t->n += times;
        t->data[t->n] = '\0';
}

void text_printf(struct text *t, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        int n = vsnprintf(NULL, 0, format, arguments);
        va_end(arguments);
        if (n < 0 || !reserve(t, (size_t) n))
                return;

        va_start(arguments, format);
        vsnprintf(t->data + t->n, (size_t) n + 1, format, arguments);
        va_end(arguments);
        t->n += (size_t) n;
}

/* Bytes at `s` that are one column each and that nobody has to escape. */
static size_t plain_prefix(const char *s) {
        size_t n = 0;

        while (s[n] >= ' ' && s[n] <= '~' && s[n] != '\\')
                n++;

        return n;
}

void text_add_escaped(struct text *t, const char *s) {
        size_t n = plain_prefix(s);

        text_add_bytes(t, s, n);
        if (!s[n])
                return;

        _cleanup_free_ char *escaped = escape_terminal(s + n);
        if (escaped)
                text_add(t, escaped);
        else
                t->failed = true;
}

size_t text_width(const char *s) {
        size_t n = plain_prefix(s);

        return n + (s[n] ? display_width(s + n) : 0);
}

/* Bytes of the longest prefix of whole characters that takes at most `columns`. */
static size_t prefix_within(const char *s, size_t columns, size_t *ret_width) {
        size_t length = strlen(s), bytes = 0, width = 0;

        while (bytes < length) {
                char character[5] = {};
                size_t n = utf8_sequence(s + bytes, length - bytes);

                n = n > 0 ? n : 1;
                memcpy(character, s + bytes, n);
                size_t w = text_width(character);
                if (width + w > columns)
                        break;
                bytes += n;
                width += w;
        }

        *ret_width = width;
        return bytes;
}

size_t text_add_fitted(struct text *t, const char *s, size_t columns) {
        size_t width = text_width(s);

        if (width <= columns) {
                text_add(t, s);
                return width;
        }
        if (columns == 0)
                return 0;

        text_add_bytes(t, s, prefix_within(s, columns - 1, &width));
        text_add(t, ELLIPSIS);
        return width + 1;
}

size_t text_add_end(struct text *t, const char *s, size_t columns) {
        size_t width = text_width(s), n = strlen(s);

        if (width <= columns || columns == 0)
                return text_add_fitted(t, s, columns);

        text_add(t, ELLIPSIS);
        while (n > 0 && text_width(s) > columns - 1) {
                size_t first = utf8_sequence(s, n);
                s += first > 0 ? first : 1;
                n = strlen(s);
        }
        text_add(t, s);
        return text_width(s) + 1;
}

size_t text_add_styled(struct text *t, const char *s, size_t columns, enum style style,
                       bool colour) {
        bool styled = colour && style != STYLE_NONE && s[0] && columns > 0;

        if (styled)
                text_add(t, styles[style]);
        size_t width = text_add_fitted(t, s, columns);
        if (styled)
                text_add(t, "\x1b[0m");

        return width;
}

size_t text_wrap(const char *s, size_t width) {
        size_t fits = 0;

        for (size_t n = strcspn(s, " ");; n += 1 + strcspn(s + n + 1, " ")) {
                _cleanup_free_ char *start = strndup(s, n);
                if (!start || (fits > 0 && text_width(start) > width))
                        return fits > 0 ? fits : n;
                fits = n;
                if (!s[n])
                        return n;
        }
}

void text_add_paragraph(struct text *t, const char *s, size_t indent, size_t width,
                        enum style style, bool colour) {
        while (*s) {
                size_t n = text_wrap(s, width);
                _cleanup_free_ char *part = strndup(s, n);

                text_add_char(t, ' ', indent);
                if (part)
                        text_add_styled(t, part, SIZE_MAX, style, colour);
                else
                        t->failed = true;
                text_add_char(t, '\n', 1);
                s += n;
                s += strspn(s, " ");
        }
}

/* Units of a scale, the smallest first: each is `size` times the first, shown by itself below the
 * next one. */
struct unit {
        uint64_t size;
        const char *name;
};

/* The largest unit that `v` reaches once it is rounded. */
static const struct unit *unit_for(const struct unit *units, size_t n, uint64_t v) {
        size_t i = 0;

        while (i + 1 < n && v >= units[i + 1].size - units[i].size / 2)
                i++;

        return &units[i];
}

/* "4.4 s": one decimal below 10 where there is one. */
static void add_scaled(struct text *t, uint64_t v, const struct unit *unit) {
        uint64_t whole = v / unit->size, rest = v % unit->size;

        if (whole < 10) {
                uint64_t tenths = (rest * 10 + unit->size / 2) / unit->size;
                whole += tenths / 10;
                tenths %= 10;
                if (tenths > 0) {
                        text_printf(t, "%ju.%ju %s", (uintmax_t) whole, (uintmax_t) tenths,
                                    unit->name);
                        return;
                }
        } else if (rest >= unit->size - unit->size / 2)
                whole++;

        text_printf(t, "%ju %s", (uintmax_t) whole, unit->name);
}

void text_add_duration(struct text *t, uint64_t nanoseconds) {
        static const struct unit below_minutes[] = {
                {1, "ns"},
                {1000, "µs"},
                {1000000, "ms"},
                {1000000000, "s"},
        };
        static const struct unit above[] = {
                {1, "s"},
                {60, "min"},
                {3600, "h"},
                {86400, "d"},
        };
        const uint64_t second = 1000000000;

        uint64_t seconds = nanoseconds / second + (nanoseconds % second >= second / 2);
        if (seconds < 60) {
                add_scaled(t, nanoseconds,
                           unit_for(below_minutes, ELEMENTSOF(below_minutes), nanoseconds));
                return;
        }

        const struct unit *unit = above + ELEMENTSOF(above) - 1;
        while (seconds < unit->size)
                unit--;
        text_printf(t, "%ju %s", (uintmax_t) (seconds / unit->size), unit->name);
        uint64_t rest = seconds % unit->size / unit[-1].size;
        if (rest > 0)
                text_printf(t, " %ju %s", (uintmax_t) rest, unit[-1].name);
}

void text_add_size(struct text *t, uint64_t bytes) {
        static const struct unit units[] = {
                {1, "B"},
                {UINT64_C(1) << 10, "KiB"},
                {UINT64_C(1) << 20, "MiB"},
                {UINT64_C(1) << 30, "GiB"},
                {UINT64_C(1) << 40, "TiB"},
        };

        add_scaled(t, bytes, unit_for(units, ELEMENTSOF(units), bytes));
}

static bool local_time(uint64_t microseconds, struct tm *ret) {
        time_t seconds = (time_t) (microseconds / 1000000);

        return localtime_r(&seconds, ret);
}

void text_add_clock(struct text *t, uint64_t microseconds, bool milliseconds) {
        struct tm tm;

        if (!local_time(microseconds, &tm))
                return;
        text_printf(t, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
        if (milliseconds)
                text_printf(t, ".%03u", (unsigned) (microseconds / 1000 % 1000));
}

void text_add_date(struct text *t, uint64_t microseconds) {
        char date[64];
        struct tm tm;

        if (local_time(microseconds, &tm) &&
            strftime(date, sizeof(date), "%a %Y-%m-%d %H:%M:%S %Z", &tm) > 0)
                text_add(t, date);
}
