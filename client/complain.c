/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "escape.h"

static const char *about;
static void (*before)(void);

void complain_after(void (*prepare)(void)) {
        before = prepare;
}

void complain_about(const char *place) {
        about = place;
}

const char *complains_about(void) {
        return about;
}

void complain(const char *format, ...) {
        _cleanup_free_ char *message = NULL, *whole = NULL, *shown = NULL;
        va_list arguments;

        va_start(arguments, format);
        int n = vasprintf(&message, format, arguments);
        va_end(arguments);
        if (n < 0)
                message = NULL;
        if (message &&
            asprintf(&whole, "%s%s%s", about ? about : "", about ? ": " : "", message) < 0)
                whole = NULL;
        if (whole)
                shown = escape_terminal(whole);
        if (before) {
                before();
                before = NULL;
        }
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, shown ? shown : "out of memory");
}

char sentence_letter(const char *sentence) {
        const size_t n = strcspn(sentence, " ");

        for (size_t i = 1; i < n; i++)
                if (!islower((unsigned char) sentence[i]) && sentence[i] != '\'')
                        return sentence[0];
        return (char) tolower((unsigned char) sentence[0]);
}

void remark(const char *text) {
        bool colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");

        fprintf(stderr, "%s-- %s --%s\n", colour ? "\x1b[33m" : "", text, colour ? "\x1b[0m" : "");
}
