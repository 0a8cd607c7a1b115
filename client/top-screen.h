/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The full screen of `top`: drawing, and a terminal that is left as it was found, whatever happens.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "top-model.h"

enum {
        SCREEN_COLUMNS_MIN = 40,
        SCREEN_LINES_MIN = 8,
};

/* What is shown besides the programs. */
struct top_view {
        enum top_key key;
        bool reverse;
        bool paused;
        const char *filter;  /* as it was typed; "" */
        const char *place;   /* host or container; NULL: here */
        const char *message; /* what went wrong, or NULL; foreign */
        bool typing;         /* the filter is being typed */
        uint32_t selected;   /* id of the program that is marked */
        size_t top;          /* first program on the screen; drawing keeps the mark on it */
        const char *details; /* a page instead of the list, or NULL */
        size_t details_top;  /* its first line */
};

/* Takes the terminal of standard output and input. Returns 0; -ENOTTY: there is none; -ENOENT: it
 * is of a type that nobody knows; -ENOSPC: it is too small. A crash gives it back, too. */
int screen_open(bool colour);

/* Gives it back. Does nothing where it is not taken. */
void screen_close(void);

/* Takes on the size that the terminal has now. */
void screen_resize(void);

/* Programs that fit. */
size_t screen_rows(void);

void screen_draw(struct top_view *v, struct top_model *m);

/* The next key that was pressed (curses' KEY_* or a byte), or -1. */
int screen_key(void);

/* The heading of a column by which can be sorted. */
const char *screen_key_name(enum top_key key);
