/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-lines.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "distance.h"
#include "escape.h"
#include "settings.h"
#include "util.h"

enum {
        LINE_BYTES_MAX = 4096, /* with those that continue it */
        SHOWN_BYTES = 96,      /* of what a file holds, in a message */
};

static const char blanks[] = " \t\r\v\f";

/* One assignment or heading, put together of the lines that it goes over. */
struct statement {
        const struct config_sink *sink;
        const char *file;
        unsigned first;      /* number of its first line */
        const char *section; /* that it is in, from the table; NULL: none, or one that is unknown */
        bool ignored;        /* what follows an unknown heading was complained about with it */
        bool too_long;
        size_t length;
        char text[LINE_BYTES_MAX + 1];
};

static _printf_(2, 3) void complain(const struct statement *s, const char *format, ...) {
        char message[512];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        s->sink->complain(s->file, s->first, message, s->sink->userdata);
}

static char *trim(char *text) {
        size_t n;

        text += strspn(text, blanks);
        for (n = strlen(text); n > 0 && strchr(blanks, text[n - 1]); n--)
                ;
        text[n] = 0;
        return text;
}

/* Names ---------------------------------------------------------------------------------------- */

/* The section's name as the table has it, or NULL. */
static const char *find_section(const char *name) {
        for (size_t i = 0; i < setting_count; i++)
                if (strcmp(setting_table[i].section, name) == 0)
                        return setting_table[i].section;
        return NULL;
}

static const struct setting *find_key(const char *section, const char *key) {
        for (size_t i = 0; i < setting_count; i++)
                if (strcmp(setting_table[i].section, section) == 0 &&
                    strcmp(setting_table[i].key, key) == 0)
                        return &setting_table[i];
        return NULL;
}

/* Keeps whichever is nearer to `name`, if it is near enough for a slip. */
static void suggest(const char *name, const char *candidate, unsigned *best, const char **ret) {
        unsigned d = strcasecmp(name, candidate) == 0 ? 0 : distance(name, candidate);

        if (d < *best) {
                *best = d;
                *ret = candidate;
        }
}

static unsigned slip(const char *name) {
        return 3 + (unsigned) strlen(name) / 6;
}

static void complain_section(const struct statement *s, const char *name) {
        char shown[SHOWN_BYTES];
        unsigned best = slip(name);
        const char *near = NULL;

        for (size_t i = 0; i < setting_count; i++)
                suggest(name, setting_table[i].section, &best, &near);
        escape_shortened(name, shown, sizeof(shown));
        complain(s, "Unknown section [%s], it is left out%s%s%s", shown,
                 near ? "; did you mean [" : "", near ?: "", near ? "]?" : "");
}

static void complain_key(const struct statement *s, const char *key) {
        char shown[SHOWN_BYTES];
        unsigned best = slip(key);
        const struct setting *elsewhere = NULL;
        const char *near = NULL;

        escape_shortened(key, shown, sizeof(shown));
        for (size_t i = 0; i < setting_count; i++)
                if (strcmp(setting_table[i].section, s->section) == 0)
                        suggest(key, setting_table[i].key, &best, &near);
                else if (strcmp(setting_table[i].key, key) == 0)
                        elsewhere = &setting_table[i];
        if (elsewhere)
                complain(s, "%s= belongs to the section [%s], not [%s]", shown, elsewhere->section,
                         s->section);
        else
                complain(s, "Unknown setting %s= in [%s]%s%s%s", shown, s->section,
                         near ? "; did you mean " : "", near ?: "", near ? "=?" : "");
}

/* Statements ----------------------------------------------------------------------------------- */

static void take_heading(struct statement *s, char *text) {
        size_t n = strlen(text);
        char shown[SHOWN_BYTES];

        s->section = NULL;
        s->ignored = true;
        if (text[n - 1] != ']') {
                escape_shortened(text, shown, sizeof(shown));
                complain(s, "The section heading \"%s\" lacks its closing bracket; it is left out",
                         shown);
                return;
        }
        text[n - 1] = 0;
        text++;
        if (strncmp(text, "X-", 2) == 0)
                return; /* for other programs: systemd.syntax(7) */
        s->section = find_section(text);
        s->ignored = !s->section;
        if (s->ignored)
                complain_section(s, text);
}

static void take_value(const struct statement *s, const struct setting *setting, const char *text) {
        uint64_t *member = setting_in(setting, s->sink->settings);
        char shown[SHOWN_BYTES], expect[SETTING_EXPECT_BYTES], stands[SETTING_VALUE_BYTES];
        int k;

        if (!*text) {
                *member = setting->value;
                return;
        }
        k = setting_parse(setting, text, member);
        if (k >= 0)
                return;
        escape_shortened(text, shown, sizeof(shown));
        setting_expect(setting, expect);
        setting_format(setting, *member, stands);
        complain(s, "%s=%s is %s; write %s. It stays %s", setting->key, shown,
                 k == -ERANGE ? "out of range" : "not understood", expect, stands);
}

static void take_assignment(const struct statement *s, char *text) {
        char *equals = strchr(text, '='), shown[SHOWN_BYTES];
        const struct setting *setting;

        if (s->ignored)
                return;
        if (!equals) {
                escape_shortened(text, shown, sizeof(shown));
                complain(s, "\"%s\" is neither [Section] nor Setting=value", shown);
                return;
        }
        *equals = 0;
        text = trim(text);
        if (!s->section) {
                escape_shortened(text, shown, sizeof(shown));
                complain(s, "%s= stands before the first [Section]", shown);
                return;
        }
        setting = find_key(s->section, text);
        if (setting)
                take_value(s, setting, trim(equals + 1));
        else
                complain_key(s, text);
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
                complain(s, "Is longer than %d bytes; it is left out", LINE_BYTES_MAX);
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
        if (n > LINE_BYTES_MAX - s->length) {
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
                s->first = number;
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

void config_lines(const struct config_sink *sink, const char *file, const char *text, size_t size) {
        static const char mark[] = "\xef\xbb\xbf"; /* byte order mark */
        struct statement s = {.sink = sink, .file = file};
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
