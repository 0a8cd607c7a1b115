/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A growing piece of text, and the ways in which numbers, times and foreign strings go into it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

/* A zeroed struct is an empty text. `data` is NUL-terminated once something was added. */
struct text {
        char *data;
        size_t n;    /* bytes, without NUL */
        size_t size; /* allocated */
        bool failed; /* out of memory: what was added since is missing */
};

enum style {
        STYLE_NONE,
        STYLE_BOLD,
        STYLE_DIM,
        STYLE_RED,
        STYLE_ALARM, /* bold red */
        STYLE_GREEN,
        STYLE_YELLOW,
        STYLE_MAGENTA,
        STYLE_CYAN,
        _STYLE_MAX
};

/* Frees what the text owns and empties it. */
void text_clear(struct text *t);

/* Empties the text, keeps its memory. */
static inline void text_reset(struct text *t) {
        t->n = 0;
        if (t->data)
                t->data[0] = '\0';
}

/* The text as a string, "" where it is empty. */
static inline const char *text_string(const struct text *t) {
        return t->data ? t->data : "";
}

void text_add_bytes(struct text *t, const char *s, size_t n);
void text_add(struct text *t, const char *s);
void text_add_char(struct text *t, char c, size_t times);
void text_printf(struct text *t, const char *format, ...) _printf_(2, 3);

/* Adds a foreign string as escape_terminal() shows it. */
void text_add_escaped(struct text *t, const char *s);

/* Adds `s` (escaped, valid UTF-8), cut to `columns` with an ellipsis where it is wider. Returns the
 * columns that were added. */
size_t text_add_fitted(struct text *t, const char *s, size_t columns);

/* The same, cut at its front: for what is told apart by its end, such as paths. */
size_t text_add_end(struct text *t, const char *s, size_t columns);

/* The same, cut but never padded; with a style around it when `colour`. */
size_t text_add_styled(struct text *t, const char *s, size_t columns, enum style style,
                       bool colour);

/* Columns that `s` (escaped, valid UTF-8) takes. */
size_t text_width(const char *s);

/* Bytes of `s` (as above) that fit `width` columns, up to a space where there is one; a word that
 * is wider stays whole. */
size_t text_wrap(const char *s, size_t width);

/* Adds `s` (as above) as lines of at most `width` columns behind `indent` spaces. */
void text_add_paragraph(struct text *t, const char *s, size_t indent, size_t width,
                        enum style style, bool colour);

/* Adds a duration in two or three digits with its unit: "850 ns", "212 µs", "1.2 ms", "4.4 s",
 * "2 min 3 s", "2 h 5 min", "3 d 4 h". */
void text_add_duration(struct text *t, uint64_t nanoseconds);

/* Adds a size: "512 B", "1.5 KiB", "8 MiB". Exact multiples have no decimals. */
void text_add_size(struct text *t, uint64_t bytes);

/* Adds local time of day, "14:03:07.218", or without the milliseconds. `microseconds` since
 * 1970-01-01 UTC. */
void text_add_clock(struct text *t, uint64_t microseconds, bool milliseconds);

/* Adds a date and time, "Sun 2026-11-22 14:03:07 UTC", in the local time zone. */
void text_add_date(struct text *t, uint64_t microseconds);

static inline void text_clearp(struct text *t) {
        text_clear(t);
}
#define _cleanup_text_ _cleanup_(text_clearp)
