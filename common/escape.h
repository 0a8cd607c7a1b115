/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Strings from other processes made harmless: valid UTF-8 for the bus, no control characters for a
 * terminal. */

#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the valid UTF-8 sequence at `s` (1 to 4; no overlong forms, no surrogates, at
 * most U+10FFFF, and no noncharacters such as U+FFFE, which sd-bus refuses to send), looking at
 * most `n` bytes far; 0 where there is none. */
size_t utf8_sequence(const char *s, size_t n);

/* The code point of the character at `s` (valid UTF-8 of `n` bytes, not NUL) if it is one of those
 * that escape_terminal() escapes for what they do to a terminal; else 0. */
uint32_t utf8_hidden(const char *s, size_t n);

/* Copies up to NUL or `n` bytes of `s` into `ret` (`size` bytes with NUL), each byte that is not
 * part of valid UTF-8 replaced by U+FFFD. Cut at a character where it does not fit. Returns the
 * length. `ret` needs up to 3 × n + 1 bytes. */
size_t utf8_sanitize(const char *s, size_t n, char *ret, size_t size);

/* Returns a copy of `s` (the caller frees it; NULL when out of memory) that is safe on a terminal:
 * control characters C0 and C1, DEL, and the Unicode characters that reorder or hide text (bidi
 * controls, line and paragraph separators, zero-width ones) and bytes that are not UTF-8, as \xNN
 * or \u{NNNN}, a backslash as \\. */
char *escape_terminal(const char *s);

/* As escape_terminal(), into `ret` (`size` bytes with NUL, at least 4): what does not fit is left
 * out, whole characters at a time, and "…" says so. Reads little more of `s` than it shows. */
void escape_shortened(const char *s, char *ret, size_t size);

/* Columns that `s` (valid UTF-8, escaped) takes on a terminal. */
size_t display_width(const char *s);
