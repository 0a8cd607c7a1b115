/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-lines.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "event.h"
#include "field-values.h"
#include "ini.h"
#include "match.h"
#include "number.h"
#include "rule-message.h"
#include "rule.h"
#include "settings.h"
#include "util.h"

enum {
        SHOWN_BYTES = 96,
        COMPLAINT_BYTES = 640,
};

static const uint64_t SPAN_MAX = UINT64_C(86400) * 366 * 1000000;

/* The rule that is being read. */
struct reading {
        const struct rule_sink *sink;
        const char *file_name;
        struct rule *rule;       /* NULL: none */
        struct ini_place begins; /* where */
        bool has_severity;
        bool wrong; /* and told so */
        unsigned n; /* of this file */
};

static void complain_at(struct reading *r, const struct ini_place *at, const char *message) {
        char text[COMPLAINT_BYTES];

        snprintf(text, sizeof(text), "%s%s", message, r->rule ? "; the rule is left out" : "");
        r->wrong = true;
        r->sink->complain(at->file, at->line, text, r->sink->userdata);
}

static _printf_(3, 4) void complain(struct reading *r, const struct ini_place *at,
                                    const char *format, ...) {
        char message[COMPLAINT_BYTES - 32];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        complain_at(r, at, message);
}

/* Settings ------------------------------------------------------------------------------------- */

static bool is_name(const char *s) {
        size_t n = 0;

        for (; s[n]; n++)
                if (!isascii((unsigned char) s[n]) ||
                    !(isalnum((unsigned char) s[n]) || strchr("-_.", s[n])))
                        return false;
        return n > 0 && n < RULE_NAME_MAX;
}

static void take_name(struct reading *r, const struct ini_place *at, char *value) {
        char shown[SHOWN_BYTES];

        escape_shortened(value, shown, sizeof(shown));
        if (!is_name(value))
                complain(r, at,
                         "Name=%s is no name of a rule: at most %d letters, digits, dots, dashes "
                         "and underscores",
                         shown, RULE_NAME_MAX - 1);
        else
                strcpy(r->rule->name, value);
}

/* What goes over several lines is one sentence. */
static void squeeze(char *s) {
        char *to = s;

        for (; *s; s++)
                if (*s != ' ' && *s != '\t')
                        *to++ = *s;
                else if (s[1] != ' ' && s[1] != '\t')
                        *to++ = ' ';
        *to = 0;
}

static void take_description(struct reading *r, const struct ini_place *at, char *value) {
        squeeze(value);
        if (strlen(value) >= RULE_DESCRIPTION_MAX)
                complain(r, at, "Description= is longer than %d bytes", RULE_DESCRIPTION_MAX - 1);
        else
                strcpy(r->rule->description, value);
}

/* Takes a word off *s, ends it with NUL and drops its quotes. NULL at the end, or (*ret_open) where
 * a quote isn't closed. */
static char *take_word(char **s, bool *ret_open) {
        char *word = *s + strspn(*s, " \t"), *to = word, quote = 0, *from;

        *ret_open = false;
        if (!*word)
                return NULL;
        for (from = word; *from && (quote || !strchr(" \t", *from)); from++)
                if (quote ? *from == quote : strchr("\"'", *from) != NULL)
                        quote = quote ? 0 : *from;
                else
                        *to++ = *from;
        *s = *from ? from + 1 : from;
        *to = 0;
        *ret_open = quote;
        return quote ? NULL : word;
}

/* A rule with a misspelt value would be silent for ever. */
static void check_value(struct reading *r, const struct ini_place *at, const char *term) {
        enum field field;
        const char *doubled = field_equal_doubled(term);
        const char *value, *meant = field_value_meant(term, &field, &value);
        char shown[SHOWN_BYTES];

        if (doubled) {
                escape_shortened(term, shown, sizeof(shown));
                complain(
                        r, at,
                        "Match=: In \"%s\" write one =; a value that begins with = is written with "
                        "\\= there",
                        shown);
                return;
        }
        if (!meant)
                return;
        escape_shortened(value, shown, sizeof(shown));
        complain(r, at, "Match=: nothing has the %s \"%s\"; did you mean \"%s\"?",
                 field_info(field)->name, shown, meant);
}

static void take_match(struct reading *r, const struct ini_place *at, char *value) {
        const char *terms[MATCH_TERMS_MAX + 1];
        struct match_error error;
        size_t n = 0;
        bool open;

        if (!*value) { /* as with systemd's lists: what was said before counts no more */
                while (r->rule->n_matches > 0)
                        match_free(r->rule->matches[--r->rule->n_matches]);
                return;
        }
        for (char *word; n < ELEMENTSOF(terms) && (word = take_word(&value, &open));)
                terms[n++] = word;
        if (open) {
                complain(r, at, "Match= has a quote that is not closed");
                return;
        }
        if (r->rule->n_matches == RULE_MATCHES_MAX) {
                complain(r, at, "It has more than %d times Match=", RULE_MATCHES_MAX);
                return;
        }

        for (size_t i = 0; i < n; i++)
                check_value(r, at, terms[i]);

        struct match **match = &r->rule->matches[r->rule->n_matches];
        int k = match_new(match, terms, n, &error);
        if (k < 0)
                complain(r, at, "Match=: %s", k == -ENOMEM ? strerror(-k) : error.message);
        else
                r->rule->n_matches++;
}

static void take_severity(struct reading *r, const struct ini_place *at, char *value) {
        int severity = strcmp(value, "ignore") == 0 ? RULE_IGNORE : severity_from_name(value);
        char shown[SHOWN_BYTES];

        if (severity < 0 && severity != RULE_IGNORE) {
                escape_shortened(value, shown, sizeof(shown));
                complain(r, at, "Severity=%s is none of ignore, info, notice, warning and critical",
                         shown);
                return;
        }
        r->rule->severity = severity;
        r->has_severity = true;
}

static void take_message(struct reading *r, const struct ini_place *at, char *value) {
        struct rule_message *message = NULL;
        char error[RULE_MESSAGE_ERROR_MAX];
        int k;

        squeeze(value);
        k = *value ? rule_message_new(&message, value, error) : 0;

        if (k < 0) {
                complain(r, at, "Message=: %s", k == -ENOMEM ? strerror(-k) : error);
                return;
        }
        rule_message_free(r->rule->message);
        r->rule->message = message;
}

static void take_count(struct reading *r, const struct ini_place *at, char *value) {
        struct number number;
        char shown[SHOWN_BYTES];

        if (number_parse(&number, value, UNIT_NONE) >= 0 && !number.negative &&
            number.magnitude >= 1 && number.magnitude <= RULE_COUNT_MAX) {
                r->rule->count = number.magnitude;
                return;
        }
        escape_shortened(value, shown, sizeof(shown));
        complain(r, at, "Count=%s is no number from 1 to %d", shown, RULE_COUNT_MAX);
}

static void take_span(struct reading *r, const struct ini_place *at, const char *key,
                      const char *value, uint64_t *ret) {
        uint64_t span;
        char shown[SHOWN_BYTES];

        if (span_parse(value, &span) >= 0 && span <= SPAN_MAX) {
                *ret = span;
                return;
        }
        escape_shortened(value, shown, sizeof(shown));
        complain(r, at, "%s=%s is no time span, such as 10min or 1h", key, shown);
}

static void take_within(struct reading *r, const struct ini_place *at, char *value) {
        take_span(r, at, "Within", value, &r->rule->within);
}

static void take_fold(struct reading *r, const struct ini_place *at, char *value) {
        take_span(r, at, "Fold", value, &r->rule->fold);
}

static const struct {
        const char *key;
        void (*take)(struct reading *r, const struct ini_place *at, char *value);
} keys[] = {
        {"Name", take_name},       {"Description", take_description},
        {"Match", take_match},     {"Severity", take_severity},
        {"Message", take_message}, {"Count", take_count},
        {"Within", take_within},   {"Fold", take_fold},
};

static void complain_key(struct reading *r, const struct ini_place *at, const char *key) {
        unsigned best = ini_slip(key);
        const char *near = NULL;
        char shown[SHOWN_BYTES];

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (ini_suggests(key, keys[i].key, &best))
                        near = keys[i].key;
        escape_shortened(key, shown, sizeof(shown));
        complain(r, at, "Unknown setting %s= in [Rule]%s%s%s", shown, near ? "; did you mean " : "",
                 near ?: "", near ? "=?" : "");
}

/* Rules ---------------------------------------------------------------------------------------- */

/* "50-container.conf" is "50-container". */
static void name_after_file(struct reading *r) {
        int n = (int) strlen(r->file_name) - (int) strlen(".conf");
        char name[RULE_NAME_MAX];

        if (r->n > 1 || n <= 0 || n >= RULE_NAME_MAX)
                return;
        snprintf(name, sizeof(name), "%.*s", n, r->file_name);
        if (is_name(name))
                strcpy(r->rule->name, name);
}

static void finish(struct reading *r) {
        const char *refused = NULL;

        if (!r->rule)
                return;
        if (!r->wrong && !r->rule->name[0])
                name_after_file(r);
        if (r->rule->severity < SEVERITY_WARNING)
                r->rule->fold = 0; /* what is no alert is not too many either */
        if (r->wrong)
                ; /* told already */
        else if (!r->rule->name[0])
                complain(r, &r->begins, "The rule lacks Name=");
        else if (r->rule->n_matches == 0)
                complain(r, &r->begins, "The rule lacks Match=");
        else if (!r->has_severity)
                complain(r, &r->begins, "The rule lacks Severity=");
        else
                refused = r->sink->rule(TAKE_PTR(r->rule), r->sink->userdata);
        r->rule = rule_free(r->rule);
        if (refused)
                complain(r, &r->begins, "The rule is left out: %s", refused);
}

static bool on_heading(const struct ini_place *at, char *name, void *userdata) {
        struct reading *r = userdata;
        char shown[SHOWN_BYTES];

        finish(r);
        r->wrong = r->has_severity = false;
        if (!name)
                return false;
        if (strcmp(name, "Rule") != 0) {
                escape_shortened(name, shown, sizeof(shown));
                complain(r, at, "Unknown section [%s], it is left out; rules are in [Rule]", shown);
                return false;
        }
        r->rule = rule_new();
        r->begins = *at;
        r->n++;
        if (!r->rule)
                complain(r, at, "%s", strerror(ENOMEM));
        return r->rule;
}

static void on_assignment(const struct ini_place *at, char *key, char *value, void *userdata) {
        struct reading *r = userdata;

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strcmp(keys[i].key, key) == 0) {
                        keys[i].take(r, at, value);
                        return;
                }
        complain_key(r, at, key);
}

static void on_complaint(const struct ini_place *at, const char *message, void *userdata) {
        complain_at(userdata, at, message);
}

void rule_lines(const struct rule_sink *sink, const char *file, const char *name, const char *text,
                size_t size) {
        struct reading r = {.sink = sink, .file_name = name};
        const struct ini_sink ini = {on_heading, on_assignment, on_complaint, &r};

        ini_read(&ini, file, text, size);
        finish(&r);
}
