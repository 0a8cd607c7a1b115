/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-string.h"

#include <inttypes.h>
#include <stdio.h>

#include "escape.h"

/* How a string begins: one of these, or the number of its word and FORM_WORD. */
enum {
        FORM_TEXT,    /* a block */
        FORM_HEX,     /* a block; each byte stands for two lower-case digits */
        FORM_PATTERN, /* a string (the pattern), then what stands for its marks */
        FORM_WORD,
};

/* Marks in a pattern. A string that has one of them itself is written out. */
enum {
        MARK_DECIMAL = 1,
        MARK_HEX,
        MARK_QUOTED,
};

enum {
        HEX_MIN = 16,       /* digits that are worth it */
        PATTERN_MAX = 1024, /* bytes of a string that is taken apart */
        DIGITS_MIN = 3,     /* in a string that is no sentence */
        DIGITS_MAX = 19,
};

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_hex(const char *s, size_t n) {
        if (n < HEX_MIN || n % 2 || n > PATTERN_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if (hex_digit(s[i]) < 0)
                        return false;

        return true;
}

static void put_hex(struct bytes *b, const char *s, size_t n) {
        bytes_put_number(b, FORM_HEX);
        bytes_put_number(b, n / 2);
        for (size_t i = 0; i < n; i += 2)
                bytes_put_byte(b, (uint8_t) (hex_digit(s[i]) << 4 | hex_digit(s[i + 1])));
}

/* A word, or the text as it is. */
static void put_plain(struct bytes *b, const char *s, size_t n, code_word_fn word, void *userdata) {
        uint64_t number = n > 0 && n <= CODE_WORD_MAX ? word(s, n, USE_TEXT, userdata) : 0;

        if (number > 0) {
                bytes_put_number(b, number + FORM_WORD);
                return;
        }
        bytes_put_number(b, FORM_TEXT);
        bytes_put_block(b, s, n);
}

void string_put_label(struct bytes *b, const char *s, code_word_fn word, void *userdata) {
        size_t n = strlen(s);
        uint64_t number = n > 0 && n <= CODE_WORD_MAX ? word(s, n, USE_LABEL, userdata) : 0;

        if (number > 0)
                bytes_put_number(b, number + FORM_WORD);
        else
                put_plain(b, s, n, word, userdata);
}

struct pattern {
        char text[PATTERN_MAX + 1];
        size_t n;
        unsigned marks;
        bool open; /* a quotation has begun */
};

static size_t digits(const char *s) {
        size_t n = 0;

        while (is_digit(s[n]))
                n++;
        return n;
}

/* How long the hexadecimal number after 0x is; 0 where it could not be written the same again. */
static size_t hex_digits(const char *s) {
        size_t n = 0;

        while (hex_digit(s[n]) >= 0)
                n++;
        return n > 0 && n <= 16 && (s[0] != '0' || n == 1) ? n : 0;
}

/* Takes what stands at `s` for a mark: returns how many bytes of it, 0 for none. */
static size_t take_mark(struct pattern *p, const char *s, size_t least, struct bytes *atoms,
                        code_word_fn word, void *userdata) {
        if (p->n > 1 && p->text[p->n - 1] == 'x' && p->text[p->n - 2] == '0') {
                size_t n = hex_digits(s);
                if (n > 0) {
                        bytes_put_number(atoms, strtoull(s, NULL, 16));
                        p->text[p->n++] = MARK_HEX;
                }
                return n;
        }
        if (p->open && p->text[p->n - 1] == '"' && *s != '"') {
                size_t n = strcspn(s, "\"");
                if (s[n] && n <= CODE_WORD_MAX) {
                        put_plain(atoms, s, n, word, userdata);
                        p->text[p->n++] = MARK_QUOTED;
                        return n;
                }
        }

        size_t n = p->n > 0 && is_digit(p->text[p->n - 1]) ? 0 : digits(s);
        if (n < least || n > DIGITS_MAX || (s[0] == '0' && (n > 1 || s[1] == 'x')))
                return 0;
        bytes_put_number(atoms, strtoull(s, NULL, 10));
        p->text[p->n++] = MARK_DECIMAL;
        return n;
}

/* Takes the string apart. False where that is of no use. */
static bool make_pattern(struct pattern *p, const char *s, size_t n, bool sentence,
                         struct bytes *atoms, code_word_fn word, void *userdata) {
        size_t least = sentence ? 1 : DIGITS_MIN;

        if (n > PATTERN_MAX)
                return false;
        p->n = p->marks = 0;
        p->open = false;
        for (size_t i = 0; i < n;) {
                if ((unsigned char) s[i] <= MARK_QUOTED)
                        return false;

                size_t taken = take_mark(p, s + i, least, atoms, word, userdata);
                i += taken;
                if (taken > 0) {
                        p->marks++;
                        continue;
                }
                p->open = p->open != (s[i] == '"');
                p->text[p->n++] = s[i++];
        }
        p->text[p->n] = '\0';
        return p->marks > 0;
}

static bool has_digit(const char *s) {
        return s[strcspn(s, "0123456789")];
}

void string_put(struct bytes *b, const char *s, bool sentence, code_word_fn word, void *userdata) {
        size_t n = strlen(s);

        if (is_hex(s, n)) {
                uint64_t number = n <= CODE_WORD_MAX ? word(s, n, USE_TEXT, userdata) : 0;
                if (number > 0)
                        bytes_put_number(b, number + FORM_WORD);
                else
                        put_hex(b, s, n);
                return;
        }

        if (sentence || has_digit(s)) {
                _cleanup_bytes_ struct bytes atoms = {};
                struct pattern pattern;

                if (make_pattern(&pattern, s, n, sentence, &atoms, word, userdata)) {
                        bytes_put_number(b, FORM_PATTERN);
                        put_plain(b, pattern.text, pattern.n, word, userdata);
                        bytes_put(b, atoms.data, atoms.n);
                        b->failed = b->failed || atoms.failed;
                        return;
                }
        }

        put_plain(b, s, n, word, userdata);
}

/* What is being written; `full` where it doesn't fit. */
struct target {
        char *at;
        size_t n, size;
        bool full;
};

static void add(struct target *t, const char *s, size_t n) {
        if (t->full || n >= t->size - t->n) {
                t->full = true;
                return;
        }
        memcpy(t->at + t->n, s, n);
        t->n += n;
}

/* Adds text that is made valid where it is not. */
static void add_text(struct target *t, const char *s, size_t n) {
        size_t left = t->size - t->n;

        /* Where room is left for one more character nothing was cut. */
        size_t length = t->full ? 0 : utf8_sanitize(s, n, t->at + t->n, left);
        if (length + 5 > left)
                t->full = true;
        else
                t->n += length;
}

static void add_word(struct bytes_reader *r, struct target *t, uint64_t form, code_text_fn text,
                     void *userdata) {
        const char *s = text(form - FORM_WORD, userdata);

        if (s)
                add(t, s, strlen(s));
        else
                r->bad = true;
}

static void add_plain(struct bytes_reader *r, struct target *t, code_text_fn text, void *userdata) {
        uint64_t form = bytes_take_number(r);

        if (form > FORM_WORD) {
                add_word(r, t, form, text, userdata);
        } else if (form == FORM_TEXT) {
                size_t n;
                const char *s = bytes_take_block(r, &n);
                if (s)
                        add_text(t, s, n);
        } else {
                r->bad = true;
        }
}

static void add_hex(struct bytes_reader *r, struct target *t) {
        size_t n;
        const uint8_t *data = bytes_take_block(r, &n);

        for (size_t i = 0; data && i < n && !t->full; i++) {
                char pair[3];
                snprintf(pair, sizeof(pair), "%02x", data[i]);
                add(t, pair, 2);
        }
}

static void add_pattern(struct bytes_reader *r, struct target *t, code_text_fn text,
                        void *userdata) {
        static const char *const formats[] = {[MARK_DECIMAL] = "%" PRIu64, [MARK_HEX] = "%" PRIx64};
        char room[PATTERN_MAX * 3 + 8];
        struct target pattern = {room, 0, sizeof(room), false};

        add_plain(r, &pattern, text, userdata);
        r->bad = r->bad || pattern.full;
        for (size_t i = 0; i < pattern.n && !r->bad; i++) {
                unsigned char c = (unsigned char) room[i];
                char number[24];

                if (c == MARK_QUOTED) {
                        add_plain(r, t, text, userdata);
                } else if (c == MARK_DECIMAL || c == MARK_HEX) {
                        int n = snprintf(number, sizeof(number), formats[c], bytes_take_number(r));
                        add(t, number, (size_t) n);
                } else {
                        add(t, room + i, 1);
                }
        }
}

const char *string_take(struct bytes_reader *r, char *room, size_t size, size_t *ret_used,
                        code_text_fn text, void *userdata) {
        struct bytes_reader start = *r;
        uint64_t form = bytes_take_number(r);
        struct target t = {room, 0, size, size == 0};

        if (form > FORM_WORD && !r->bad) {
                const char *s = text(form - FORM_WORD, userdata);
                r->bad = !s;
                return s;
        }

        if (form == FORM_HEX) {
                add_hex(r, &t);
        } else if (form == FORM_PATTERN) {
                add_pattern(r, &t, text, userdata);
        } else {
                *r = start;
                add_plain(r, &t, text, userdata);
        }
        if (r->bad || t.full)
                return NULL;

        room[t.n] = '\0';
        *ret_used = t.n + 1;
        return room;
}

static void skip_plain(struct bytes_reader *r, uint64_t form) {
        size_t n;

        if (form == FORM_TEXT)
                bytes_take_block(r, &n);
        else if (form <= FORM_WORD)
                r->bad = true;
}

/* The marks of a pattern tell what follows it. */
static void skip_pattern(struct bytes_reader *r, code_text_fn text, void *userdata) {
        uint64_t form = bytes_take_number(r);
        const char *pattern = NULL;
        size_t n = 0;

        if (form > FORM_WORD)
                pattern = text(form - FORM_WORD, userdata);
        else if (form == FORM_TEXT)
                pattern = bytes_take_block(r, &n);
        r->bad = r->bad || !pattern;
        if (form > FORM_WORD && pattern)
                n = strlen(pattern);
        for (size_t i = 0; i < n && !r->bad; i++)
                if (pattern[i] == MARK_QUOTED)
                        skip_plain(r, bytes_take_number(r));
                else if (pattern[i] == MARK_DECIMAL || pattern[i] == MARK_HEX)
                        bytes_take_number(r);
}

void string_skip(struct bytes_reader *r, code_text_fn text, void *userdata) {
        uint64_t form = bytes_take_number(r);
        size_t n;

        if (form == FORM_HEX)
                bytes_take_block(r, &n);
        else if (form == FORM_PATTERN)
                skip_pattern(r, text, userdata);
        else
                skip_plain(r, form);
}
