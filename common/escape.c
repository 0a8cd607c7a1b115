/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "escape.h"
#include "util.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

enum {
        ESCAPED_MAX = 16,  /* bytes that one escaped character takes at most, with NUL */
        EXPANSION_MAX = 4, /* bytes that one byte becomes at most: \xNN */
};

struct range {
        uint32_t first, last;
};

/* What reorders or hides text: control characters, bidi controls, separators, fillers and other
 * characters without a shape (Unicode's Default_Ignorable_Code_Point). */
static const struct range hidden[] = {
        {0x00, 0x1f},       {0x7f, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},
        {0x61c, 0x61c},     {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
        {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164},
        {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
        {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

/* Marks that combine with the character before, for locales that don't know them. */
static const struct range combining[] = {
        {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
        {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe20, 0xfe2f},
};

/* Characters of two columns (East Asian Wide and Fullwidth, emoji), for the same. */
static const struct range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x4dbf},   {0x4e00, 0xa4cf},
        {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
        {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
        {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static bool within(uint32_t c, const struct range *ranges, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;

        return false;
}

/* As utf8_sequence(), with the code point. */
static size_t utf8_decode(const char *s, size_t n, uint32_t *ret) {
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        const uint8_t *p = (const uint8_t *) s;

        if (n == 0)
                return 0;
        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }

        size_t length = p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
        if (length == 0 || length > n)
                return 0;

        uint32_t c = p[0] & (0x7f >> length);
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3f);
        }

        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        bool noncharacter = (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
        if (c < smallest[length] || c > 0x10ffff || surrogate || noncharacter)
                return 0;

        *ret = c;
        return length;
}

size_t utf8_sequence(const char *s, size_t n) {
        uint32_t c;

        return utf8_decode(s, n, &c);
}

uint32_t utf8_hidden(const char *s, size_t n) {
        uint32_t c;

        return utf8_decode(s, n, &c) > 0 && within(c, hidden, ELEMENTSOF(hidden)) ? c : 0;
}

/* Bytes at `s` that are ASCII, eight at a time. */
static size_t ascii_prefix(const char *s, size_t n) {
        const uint64_t high = UINT64_C(0x8080808080808080);
        size_t i = 0;

        for (uint64_t word; i + sizeof(word) <= n; i += sizeof(word)) {
                memcpy(&word, s + i, sizeof(word));
                if (word & high)
                        break;
        }
        while (i < n && (uint8_t) s[i] < 0x80)
                i++;

        return i;
}

size_t utf8_sanitize(const char *s, size_t n, char *ret, size_t size) {
        size_t done = 0;

        if (size == 0)
                return 0;

        n = strnlen(s, n);
        for (size_t i = 0; i < n;) {
                size_t room = size - 1 - done;
                size_t taken = ascii_prefix(s + i, n - i);
                const char *from = s + i;
                size_t length = MIN(taken, room);

                if (taken == 0) {
                        taken = length = utf8_sequence(s + i, n - i);
                        if (taken == 0) {
                                taken = 1;
                                from = REPLACEMENT;
                                length = strlen(REPLACEMENT);
                        }
                        if (length > room)
                                break;
                }

                memcpy(ret + done, from, length);
                done += length;
                if (length < taken)
                        break;
                i += taken;
        }

        ret[done] = '\0';
        return done;
}

/* Escapes the character at `s` (not NUL). Returns the bytes taken; the result is a string. */
static size_t escape_one(const char *s, char ret[static ESCAPED_MAX]) {
        uint32_t c;
        size_t length = utf8_decode(s, strnlen(s, 4), &c);

        if (length == 0 || (length == 1 && within(c, hidden, ELEMENTSOF(hidden)))) {
                snprintf(ret, ESCAPED_MAX, "\\x%02x", (uint8_t) s[0]);
                return 1;
        }

        if (within(c, hidden, ELEMENTSOF(hidden)))
                snprintf(ret, ESCAPED_MAX, "\\u{%04X}", c);
        else
                snprintf(ret, ESCAPED_MAX, "%s%.*s", c == '\\' ? "\\" : "", (int) length, s);
        return length;
}

/* Most text is nothing but these. */
static bool is_plain(char c) {
        return c >= ' ' && c <= '~' && c != '\\';
}

char *escape_terminal(const char *s) {
        char *ret = reallocarray(NULL, strlen(s) + 1, EXPANSION_MAX);
        if (!ret)
                return NULL;

        char *end = ret;
        while (*s)
                if (is_plain(*s)) {
                        *end++ = *s++;
                } else {
                        char one[ESCAPED_MAX];
                        s += escape_one(s, one);
                        end = stpcpy(end, one);
                }

        *end = '\0';
        return ret;
}

void escape_shortened(const char *s, char *ret, size_t size) {
        static const char ellipsis[] = "…";
        size_t done = 0, fits = 0; /* `fits`: bytes after which the ellipsis still has room */

        while (*s) {
                char one[ESCAPED_MAX];
                s += escape_one(s, one);

                size_t length = strlen(one);
                if (done + length + 1 > size) {
                        memcpy(ret + fits, ellipsis, sizeof(ellipsis));
                        return;
                }
                memcpy(ret + done, one, length);
                done += length;
                if (done + sizeof(ellipsis) <= size)
                        fits = done;
        }

        ret[done] = '\0';
}

static size_t character_width(uint32_t c) {
        /* In a locale without the character (C, for one) it has no width; ours then. */
        int width = wcwidth((wchar_t) c);
        if (width >= 0)
                return (size_t) width;

        if (within(c, combining, ELEMENTSOF(combining)))
                return 0;
        return within(c, wide, ELEMENTSOF(wide)) ? 2 : 1;
}

size_t display_width(const char *s) {
        size_t width = 0;

        while (*s) {
                uint32_t c = 0xfffd;
                size_t length = utf8_decode(s, strnlen(s, 4), &c);

                width += character_width(c);
                s += length ?: 1;
        }

        return width;
}
