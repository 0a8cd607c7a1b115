/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-json.h"

#include <stdint.h>
#include <string.h>

#include "escape.h"
#include "util.h"

enum {
        ESCAPE_MAX = 6,   /* bytes that one byte of a string becomes at most: \u001f */
        NUMBER_MAX = 20,  /* digits of 2^64, or of -2^63 with its sign */
        KEY_EXTRA = 4,    /* ,"": */
        STRING_EXTRA = 2, /* its quotes */
};

/* Each value takes the room that it needs at most before it writes, and then writes unchecked. */
struct writer {
        char *at, *end;
        bool full;
};

/* `,"prog.id":` of each field. */
static const struct key {
        const char *text;
        size_t length;
} keys[_FIELD_MAX] = {
#define FIELD(identifier, name, type, unit, meaning) \
        [FIELD_##identifier] = {",\"" name "\":", sizeof(name) - 1 + KEY_EXTRA},
#include "fields.def"
#undef FIELD
};

static const char hex_digits[] = "0123456789abcdef";

static bool take(struct writer *w, size_t n) {
        if ((size_t) (w->end - w->at) < n)
                w->full = true;
        return !w->full;
}

static void put(struct writer *w, const char *s, size_t n) {
        if (!take(w, n))
                return;
        memcpy(w->at, s, n);
        w->at += n;
}

static void put_char(struct writer *w, char c) {
        if (take(w, 1))
                *w->at++ = c;
}

static void put_u64(struct writer *w, uint64_t v) {
        size_t n = 1;

        if (!take(w, NUMBER_MAX))
                return;

        for (uint64_t power = 10; n < NUMBER_MAX && v >= power; power *= 10)
                n++;
        w->at += n;
        for (size_t i = 1; i <= n; i++, v /= 10)
                w->at[-(ssize_t) i] = (char) ('0' + v % 10);
}

static void put_s64(struct writer *w, int64_t v) {
        if (v < 0)
                put_char(w, '-');
        put_u64(w, v < 0 ? -(uint64_t) v : (uint64_t) v);
}

static char *escape_unit(char *at, uint32_t unit) {
        *at++ = '\\';
        *at++ = 'u';
        for (int shift = 12; shift >= 0; shift -= 4)
                *at++ = hex_digits[unit >> shift & 0xf];
        return at;
}

/* A control character, a quote or a backslash. */
static char *escape_ascii(char *at, char c) {
        static const char letters[][2] = {{'\b', 'b'}, {'\t', 't'}, {'\n', 'n'}, {'\f', 'f'},
                                          {'\r', 'r'}, {'"', '"'},  {'\\', '\\'}};

        for (size_t i = 0; i < ELEMENTSOF(letters); i++)
                if (c == letters[i][0]) {
                        *at++ = '\\';
                        *at++ = letters[i][1];
                        return at;
                }
        return escape_unit(at, (uint8_t) c);
}

/* A character that is not ASCII, of `n` bytes. */
static char *copy_character(char *at, const char *s, size_t n) {
        uint32_t c = utf8_hidden(s, n);

        if (c == 0)
                return mempcpy(at, s, n);
        if (c < 0x10000)
                return escape_unit(at, c);
        at = escape_unit(at, 0xd800 + ((c - 0x10000) >> 10));
        return escape_unit(at, 0xdc00 + ((c - 0x10000) & 0x3ff));
}

static bool is_plain(char c) {
        return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static void put_string(struct writer *w, const char *s) {
        size_t n = strlen(s), length;
        char *at = w->at;

        if (!take(w, ESCAPE_MAX * n + STRING_EXTRA))
                return;

        *at++ = '"';
        for (const char *end = s + n; s < end; s += length) {
                length = 1;
                if (is_plain(*s))
                        *at++ = *s;
                else if ((uint8_t) *s <= 0x7f)
                        at = escape_ascii(at, *s);
                else if ((length = utf8_sequence(s, (size_t) (end - s))) > 0)
                        at = copy_character(at, s, length);
                else {
                        at = escape_unit(at, 0xfffd);
                        length = 1;
                }
        }
        *at++ = '"';
        w->at = at;
}

static void put_bytes(struct writer *w, const uint8_t *data, size_t size) {
        if (!take(w, 2 * size + STRING_EXTRA))
                return;

        *w->at++ = '"';
        for (size_t i = 0; i < size; i++) {
                *w->at++ = hex_digits[data[i] >> 4];
                *w->at++ = hex_digits[data[i] & 0xf];
        }
        *w->at++ = '"';
}

static void put_strings(struct writer *w, const struct value *v) {
        put_char(w, '[');
        for (size_t i = 0; i < v->strings.n; i++) {
                if (i > 0)
                        put_char(w, ',');
                put_string(w, v->strings.items[i]);
        }
        put_char(w, ']');
}

static void put_u32s(struct writer *w, const struct value *v) {
        put_char(w, '[');
        for (size_t i = 0; i < v->u32s.n; i++) {
                if (i > 0)
                        put_char(w, ',');
                put_u64(w, v->u32s.items[i]);
        }
        put_char(w, ']');
}

static void put_value(struct writer *w, const struct value *v);

static void put_dict(struct writer *w, const struct value *v) {
        put_char(w, '{');
        for (size_t i = 0; i < v->dict.n; i++) {
                if (i > 0)
                        put_char(w, ',');
                put_string(w, v->dict.items[i].key);
                put_char(w, ':');
                put_value(w, &v->dict.items[i].value);
        }
        put_char(w, '}');
}

static void put_value(struct writer *w, const struct value *v) {
        switch (v->type) {
        case TYPE_BOOL:
                put(w, v->boolean ? "true" : "false", v->boolean ? 4 : 5);
                break;
        case TYPE_U32:
                put_u64(w, v->u32);
                break;
        case TYPE_U64:
                put_u64(w, v->u64);
                break;
        case TYPE_S64:
                put_s64(w, v->s64);
                break;
        case TYPE_STRING:
                put_string(w, v->string);
                break;
        case TYPE_STRINGS:
                put_strings(w, v);
                break;
        case TYPE_U32S:
                put_u32s(w, v);
                break;
        case TYPE_BYTES:
                put_bytes(w, v->bytes.data, v->bytes.size);
                break;
        case TYPE_DICT: /* holds none itself: see event_dict_add() */
                put_dict(w, v);
                break;
        case _TYPE_MAX:
                break;
        }
}

ssize_t event_json(const struct event *e, const struct field_set *only, char *ret, size_t size) {
        struct writer w = {.at = ret, .end = ret + size};
        bool first = true;

        put_char(&w, '{');
        for (size_t i = 0; i < ELEMENTSOF(e->present); i++) {
                uint64_t left = e->present[i] & (only ? only->bits[i] : UINT64_MAX);

                for (; left; left &= left - 1) {
                        size_t f = i * 64 + (size_t) __builtin_ctzll(left);

                        put(&w, keys[f].text + first, keys[f].length - first);
                        put_value(&w, &e->values[f]);
                        first = false;
                }
        }
        put(&w, "}\n", 2);
        return w.full ? -ENOBUFS : w.at - ret;
}
