/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The lines of one file as systemd writes its own (systemd.syntax(7)): [Section], Key=Value,
 * comments with # and ;, lines that go on after a backslash. */

#include <stdbool.h>
#include <stddef.h>

/* A place in a file. */
struct ini_place {
        const char *file; /* printable */
        unsigned line;    /* from 1 on; 0: the file itself */
};

/* Who takes what a file says. Strings live until the function returns; what they hold is UTF-8
 * without NUL. */
struct ini_sink {
        /* A section begins, and the one before has ended. Returns whether it is known: what follows
         * is left out otherwise. NULL: one for other programs (its name begins with X-), or whose
         * heading is broken; it is left out anyway. */
        bool (*heading)(const struct ini_place *at, char *name, void *userdata);
        /* An assignment in a section that is known; `value` may be empty. */
        void (*assignment)(const struct ini_place *at, char *key, char *value, void *userdata);
        /* Something that is neither. `message` is printable. */
        void (*complain)(const struct ini_place *at, const char *message, void *userdata);
        void *userdata;
};

enum {
        INI_LINE_MAX = 4096, /* bytes, with the lines that go on */
};

/* Takes the `size` bytes at `text`, of the file of this (printable) name. */
void ini_read(const struct ini_sink *sink, const char *file, const char *text, size_t size);

/* Whether `candidate` is nearer to `name` than *best (from ini_slip()), and near enough for a slip:
 * then it becomes that. */
bool ini_suggests(const char *name, const char *candidate, unsigned *best);
unsigned ini_slip(const char *name);
