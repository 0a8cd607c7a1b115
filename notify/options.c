/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <string.h>

#include "complete.h"
#include "mutes.h"

enum {
        NAMES = 26, /* columns of the help in front of the words */
        COLUMNS = 80,
};

enum takes { NOTHING, WORDS, PROGRAM, MUTED };

static const char *const scopes[] = {"alerts", "own", "all", NULL};

static const struct row {
        int value; /* a letter where there is a short one */
        const char *name, *argument;
        enum takes takes;
        const char *const *words;
        const char *help; /* NULL: not shown */
} rows[] = {
        {OPTION_TEST, "test", .help = "Show a sample, and end when it is closed"},
        {OPTION_SCOPE, "scope", "SCOPE", WORDS, scopes,
         "Whose alerts: alerts (everybody's, without paths and arguments), own, or all "
         "(everybody's with everything, for administrators)"},
        {OPTION_LIST_MUTES, "list-mutes", .help = "List the programs that are muted"},
        {OPTION_MUTE, "mute", "PROGRAM", PROGRAM,
         .help = "Mute a program: the path of its executable, or USER:NAME"},
        {OPTION_UNMUTE, "unmute", "PROGRAM", MUTED, .help = "Show alerts about it again"},
        {'h', "help", .help = "Show this"},
        {OPTION_VERSION, "version", .help = "Show the version"},
        {OPTION_COMPLETE, "complete"},
};
_Static_assert(ELEMENTSOF(rows) < NOTIFY_OPTIONS_MAX, "more than the tables have room for");

void options_for_getopt(struct option *ret_table, char *ret_letters) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                *ret_table++ = (struct option){rows[i].name,
                                               rows[i].argument ? required_argument : no_argument,
                                               NULL, rows[i].value};
                if (rows[i].value < OPTION_TEST)
                        *ret_letters++ = (char) rows[i].value;
        }
        *ret_table = (struct option){};
        *ret_letters = '\0';
}

const char *options_scope(const char *name) {
        for (size_t i = 0; scopes[i]; i++)
                if (strcmp(scopes[i], name) == 0)
                        return scopes[i];

        return NULL;
}

void options_add_help(struct text *t) {
        text_add(t, "bpfmon-notify [OPTION…]\n"
                    "\n"
                    "Shows the alerts of bpfmond as notifications on the desktop, until the "
                    "session ends.\n"
                    "\n");
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const struct row *row = &rows[i];
                _cleanup_text_ struct text name = {}, words = {};

                if (!row->help)
                        continue;
                if (row->value < OPTION_TEST)
                        text_printf(&name, "  -%c, ", row->value);
                else
                        text_add_char(&name, ' ', 6);
                text_printf(&name, "--%s%s%s", row->name, row->argument ? "=" : "",
                            row->argument ? row->argument : "");
                text_add(t, text_string(&name));
                text_add_char(t, ' ', NAMES - MIN(name.n, (size_t) NAMES));
                /* Goes on below where a line is full. */
                text_add_paragraph(&words, row->help, NAMES, COLUMNS - NAMES, STYLE_NONE, false);
                text_add(t, text_string(&words) + MIN(words.n, (size_t) NAMES));
        }
        text_add(t, "\nSee bpfmon-notify(1).\n");
}

/* Completion ----------------------------------------------------------------------------------- */

static const struct row *find(const char *name, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (strlen(rows[i].name) == n && strncmp(rows[i].name, name, n) == 0)
                        return &rows[i];

        return NULL;
}

/* Candidates for the argument that begins at the `n`th byte of the word. */
static void offer_argument(struct text *out, const struct row *row, const char *word, size_t n,
                           struct mutes *mutes) {
        const char *const *programs = NULL;
        size_t n_programs = 0;

        for (size_t i = 0; row->takes == WORDS && row->words[i]; i++)
                complete_offer(out, word, n, row->words[i], "");
        if (row->takes == PROGRAM)
                text_printf(out, ":files %.*s\n", (int) n, word);
        if (row->takes == MUTED && mutes && mutes_refresh(mutes) >= 0)
                programs = mutes_list(mutes, &n_programs);
        for (size_t i = 0; i < n_programs; i++)
                if (complete_harmless(programs[i]))
                        complete_offer(out, word, n, programs[i], "");
}

void options_complete(struct text *out, char **words, size_t n, struct mutes *mutes) {
        if (n == 0)
                return;
        const char *word = words[n - 1], *equal = strchr(word, '=');
        const char *before = n > 1 ? words[n - 2] : NULL;
        const struct row *row = before && strncmp(before, "--", 2) == 0
                                        ? find(before + 2, strlen(before + 2))
                                        : NULL;

        if (row && row->argument) {
                offer_argument(out, row, word, 0, mutes);
                return;
        }
        if (strncmp(word, "--", 2) == 0 && equal) {
                row = find(word + 2, (size_t) (equal - word) - 2);
                if (row && row->argument)
                        offer_argument(out, row, word, (size_t) (equal - word) + 1, mutes);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char name[32];

                snprintf(name, sizeof(name), "--%s%s", rows[i].name, rows[i].argument ? "=" : "");
                if (rows[i].help)
                        complete_offer(out, word, 0, name, rows[i].help);
        }
}
