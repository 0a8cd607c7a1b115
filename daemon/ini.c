/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ini.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "distance.h"
#include "escape.h"
#include "util.h"

enum {
        SHOWN_BYTES = 96, /* of what a file holds, in a message */
};

static const char blanks[] = " \t\r\v\f";

/* One assignment or heading, put together of the lines that it goes over. */
struct statement {
        const struct ini_sink *sink;
        struct ini_place at; /* its first line */
        bool begun;          /* there was a heading */
        bool known;          /* it is of a section that the sink takes */
        bool too_long;
        size_t length;
        char text[INI_LINE_MAX + 1];
};

static _printf_(2, 3) void complain(const struct statement *s, const char *format, ...) {
        char message[512];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        s->sink->complain(&s->at, message, s->sink->userdata);
}

static char *trim(char *text) {
        size_t n;

        text += strspn(text, blanks);
        for (n = strlen(text); n > 0 && strchr(blanks, text[n - 1]); n--)
                ;
        text[n] = 0;
        return text;
}

unsigned ini_slip(const char *name) {
        return 3 + (unsigned) strlen(name) / 6;
}

bool ini_suggests(const char *name, const char *candidate, unsigned *best) {
        unsigned d = strcasecmp(name, candidate) == 0 ? 0 : distance(name, candidate);

        if (d >= *best)
                return false;
        *best = d;
        return true;
}

/* Statements ----------------------------------------------------------------------------------- */

static void take_heading(struct statement *s, char *text) {
        size_t n = strlen(text);
        char shown[SHOWN_BYTES];

        s->begun = true;
        s->known = false;
        if (text[n - 1] != ']') {
                (void) s->sink->heading(&s->at, NULL, s->sink->userdata);
                escape_shortened(text, shown, sizeof(shown));
                complain(s, "The section heading \"%s\" lacks its closing bracket; it is left out",
                         shown);
                return;
        }
        text[n - 1] = 0;
        text++;
        bool foreign = strncmp(text, "X-", 2) == 0;
        s->known = s->sink->heading(&s->at, foreign ? NULL : text, s->sink->userdata) && !foreign;
}

static void take_assignment(const struct statement *s, char *text) {
        char *equals = strchr(text, '='), shown[SHOWN_BYTES];

        if (s->begun && !s->known)
                return;
        if (!equals) {
                escape_shortened(text, shown, sizeof(shown));
                complain(s, "\"%s\" is neither [Section] nor Setting=value", shown);
                return;
        }
        *equals = 0;
        text = trim(text);
        if (!s->begun) {
                escape_shortened(text, shown, sizeof(shown));
                complain(s, "%s= stands before the first [Section]", shown);
                return;
        }
        s->sink->assignment(&s->at, text, trim(equals + 1), s->sink->userdata);
}

static bool is_text(const char *text, size_t n) {
        for (size_t step; n > 0; text += step, n -= step) {
                step = utf8_sequence(text, n);
                if (step == 0 || *text == 0)
                        return false;
        }
        return true;
}

static void take_statement(struct statement *s) {
        char *text;

        if (s->too_long) {
                complain(s, "Is longer than %d bytes; it is left out", INI_LINE_MAX);
                return;
        }
        if (!is_text(s->text, s->length)) {
                complain(s, "Is no UTF-8 text; it is left out");
                return;
        }
        s->text[s->length] = 0;
        text = trim(s->text);
        if (*text == '[')
                take_heading(s, text);
        else if (*text)
                take_assignment(s, text);
}

/* Lines ---------------------------------------------------------------------------------------- */

static void add(struct statement *s, const char *text, size_t n) {
        if (n > INI_LINE_MAX - s->length) {
                s->too_long = true;
                return;
        }
        memcpy(s->text + s->length, text, n);
        s->length += n;
}

static bool is_comment(const char *line, size_t n) {
        while (n > 0 && strchr(blanks, *line)) {
                if (!*line)
                        return false;
                line++;
                n--;
        }
        return n > 0 && (*line == '#' || *line == ';');
}

/* Takes one line, without its end. Returns whether the next one continues it. A comment does not
 * end what goes over several lines. */
static bool take_line(struct statement *s, const char *line, size_t n, unsigned number,
                      bool continued) {
        bool more;

        if (is_comment(line, n))
                return continued;
        more = n > 0 && line[n - 1] == '\\';
        if (!continued) {
                s->at.line = number;
                s->length = 0;
                s->too_long = false;
        }
        add(s, line, more ? n - 1 : n);
        if (more)
                add(s, " ", 1);
        else
                take_statement(s);
        return more;
}

void ini_read(const struct ini_sink *sink, const char *file, const char *text, size_t size) {
        static const char mark[] = "\xef\xbb\xbf"; /* byte order mark */
        struct statement s = {.sink = sink, .at.file = file};
        const char *end = text + size;
        bool continued = false;

        if (size >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0)
                text += strlen(mark);
        for (unsigned number = 1; text < end; number++) {
                const char *stop = memchr(text, '\n', (size_t) (end - text)) ?: end;

                continued = take_line(&s, text, (size_t) (stop - text), number, continued);
                text += stop - text + 1;
        }
        if (continued)
                take_statement(&s);
}
