/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "glob.h"

/* Bytes that no UTF-8 text has stand for the wildcards. */
static const char any_text = '\xff';
static const char any_character = '\xfe';

int glob_compile(char *ret, const char *pattern) {
        char *part = NULL; /* where the text after the last * begins */
        char *end = ret;

        for (const char *p = pattern; *p; p++) {
                if (*p == '*') {
                        *end++ = any_text;
                        part = end;
                        continue;
                }

                if (*p == '\\' && p[1] && strchr("*?=\\", p[1]))
                        *end++ = *++p;
                else
                        *end++ = *p == '?' ? any_character : *p;

                if (part && end - part > GLOB_PART_MAX)
                        return -E2BIG;
        }

        *end = '\0';
        return 0;
}

static bool same(char a, char b, bool fold) {
        if (a == b)
                return true;
        if (!fold || (a ^ b) != 0x20)
                return false;

        a |= 0x20;
        return a >= 'a' && a <= 'z';
}

static const char *next_character(const char *s) {
        do
                s++;
        while ((*s & 0xc0) == 0x80);

        return s;
}

bool glob_test(const char *glob, const char *s, bool fold) {
        const char *part = NULL; /* after the last * */
        const char *start = s;   /* what is tried as the beginning of that part */

        for (;;) {
                if (*glob == any_text) {
                        part = ++glob;
                        if (!*part)
                                return true;
                        start = s;
                } else if (*s && *glob == any_character) {
                        s = next_character(s);
                        glob++;
                } else if (*s && same(*glob, *s, fold)) {
                        s++;
                        glob++;
                } else if (!*s && !*glob) {
                        return true;
                } else if (!part || !*s) {
                        /* Where the text has ended, a later start leaves even less of it. */
                        return false;
                } else {
                        /* Within a character, a ? takes its rest: that changes nothing. */
                        s = ++start;
                        glob = part;
                }
        }
}
