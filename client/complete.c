/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "complete.h"

#include <string.h>

#include "command-line.h"
#include "event.h"
#include "field-values.h"
#include "verb.h"

enum {
        VALUE_MAX = 128,    /* bytes of a value or of words that the daemon has */
        FOREIGN_MAX = 2000, /* values of it, for one Tab */
};

/* The command line up to the word that is to be completed. */
struct line {
        const struct verb_table *table;
        const struct complete_source *source;
        const struct verb *verb;          /* NULL: it is still to come */
        const struct option_row *pending; /* the option whose argument the word is, or NULL */
        const char *host, *machine;
        char **positional; /* after the verb, before the word */
        size_t n_positional;
        const char *word;
        struct text *out;
        size_t n_foreign;
};

static bool begins(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

void complete_offer(struct text *out, const char *word, size_t n, const char *value,
                    const char *words) {
        if (!begins(value, word + n))
                return;
        text_add_bytes(out, word, n);
        text_printf(out, "%s\t%s\n", value, words);
}

/* Adds a candidate where it is what the word begins with. `prefix` is the part of the word that
 * comes before what is completed. */
static void offer(struct line *l, const char *prefix, size_t n, const char *value,
                  const char *words) {
        if (strncmp(l->word, prefix, n) == 0)
                complete_offer(l->out, l->word, n, value, words);
}

/* Rows of `option_rows` by "--name", "-n", "--name=…", "-nVALUE". */
static const struct option_row *find_option(const char *word) {
        for (size_t i = 0; i < n_option_rows; i++) {
                const struct option_row *row = &option_rows[i];
                size_t n = strlen(row->name);

                if (word[1] != '-' && row->value == word[1])
                        return row;
                if (n > 0 && begins(word, "--") && strncmp(word + 2, row->name, n) == 0 &&
                    (word[2 + n] == '\0' || word[2 + n] == '='))
                        return row;
        }

        return NULL;
}

static void take_place(struct line *l, const struct option_row *row, const char *argument) {
        if (row->value == 'H')
                l->host = argument;
        if (row->value == 'M')
                l->machine = argument;
}

static void take_option(struct line *l, const char *word, const char *next, bool *ret_took_next) {
        const struct option_row *row = find_option(word);
        const char *equal = strchr(word, '=');

        *ret_took_next = false;
        if (!row || !row->argument)
                return;
        if (word[1] == '-' && equal)
                take_place(l, row, equal + 1);
        else if (word[1] != '-' && word[2])
                take_place(l, row, word + 2);
        else if (next) {
                take_place(l, row, next);
                *ret_took_next = true;
        } else
                l->pending = row;
}

static void read_words(struct line *l, char **words, size_t n) {
        bool options_end = false;

        for (size_t i = 0; i + 1 < n; i++) {
                bool took_next = false;

                if (!options_end && strcmp(words[i], "--") == 0)
                        options_end = true;
                else if (!options_end && words[i][0] == '-' && words[i][1]) {
                        take_option(l, words[i], i + 2 < n ? words[i + 1] : NULL, &took_next);
                        i += took_next;
                } else if (!l->verb)
                        l->verb = verb_find(l->table, words[i]);
                else
                        l->positional[l->n_positional++] = words[i];
        }
}

bool complete_harmless(const char *s) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_.:@/+,-";

        return s[0] && s[0] != '-' && strlen(s) < VALUE_MAX && strspn(s, allowed) == strlen(s);
}

struct foreign {
        struct line *line;
        const char *prefix;
        size_t n;
};

static void add_foreign(const char *value, const char *words, void *userdata) {
        struct foreign *f = userdata;
        char shown[VALUE_MAX];
        size_t i;

        if (!complete_harmless(value) || f->line->n_foreign++ >= FOREIGN_MAX)
                return;
        for (i = 0; words[i] && i + 1 < sizeof(shown); i++)
                shown[i] = words[i] > ' ' && words[i] < 0x7f ? words[i] : ' ';
        shown[i] = '\0';
        offer(f->line, f->prefix, f->n, value, shown);
}

static void offer_foreign(struct line *l, const char *prefix, size_t n, const char *field) {
        struct foreign f = {l, prefix, n};

        l->source->list(field, l->host, l->machine, add_foreign, &f);
}

static void offer_values(struct line *l, const char *prefix, size_t n, enum field f) {
        const struct field_values known = field_values(f);
        const struct field_info *info = field_info(f);

        for (size_t i = 0; i < known.n; i++)
                if (known.values[i])
                        offer(l, prefix, n, known.values[i], "");
        if (info->type == TYPE_BOOL) {
                offer(l, prefix, n, "yes", "");
                offer(l, prefix, n, "no", "");
        }
        if (known.n == 0)
                offer_foreign(l, prefix, n, info->name);
}

/* FIELD=, FIELD=VALUE, FIELD!=VALUE */
static void offer_match(struct line *l) {
        const char *equal = strchr(l->word, '=');
        char name[VALUE_MAX];

        if (!equal) {
                for (int f = 0; f < _FIELD_MAX; f++) {
                        snprintf(name, sizeof(name), "%s=", field_info((enum field) f)->name);
                        offer(l, "", 0, name, field_info((enum field) f)->meaning);
                }
                return;
        }

        size_t n = (size_t) (equal - l->word) - (equal > l->word && equal[-1] == '!');
        if (n >= sizeof(name))
                return;
        memcpy(name, l->word, n);
        name[n] = '\0';
        int f = field_from_name(name);
        if (f >= 0)
                offer_values(l, l->word, (size_t) (equal - l->word) + 1, (enum field) f);
}

/* The last of several names with commas between. */
static void offer_fields(struct line *l, size_t n) {
        const char *comma = strrchr(l->word + n, ',');
        const size_t before = comma ? (size_t) (comma - l->word) + 1 : n;

        if (!comma)
                offer(l, l->word, n, "help", "List them");
        for (int f = 0; f < _FIELD_MAX; f++)
                offer(l, l->word, before, field_info((enum field) f)->name,
                      field_info((enum field) f)->meaning);
}

static void offer_words(struct line *l, size_t n, const char *words) {
        char word[32];

        for (const char *s = words; *s; s += strspn(s, " ")) {
                size_t length = strcspn(s, " ");
                snprintf(word, sizeof(word), "%.*s", (int) length, s);
                offer(l, l->word, n, word, "");
                s += length;
        }
}

/* The argument of an option, from the `n`th byte of the word on. */
static void offer_argument(struct line *l, const struct option_row *row, size_t n) {
        switch (row->takes) {
        case ARGUMENT_WORD:
                offer_words(l, n, row->words);
                break;
        case ARGUMENT_FIELDS:
                offer_fields(l, n);
                break;
        case ARGUMENT_TIME:
                offer_words(l, n, "today yesterday now -1h -1d");
                break;
        case ARGUMENT_FILE:
        case ARGUMENT_COMMAND:
                text_printf(l->out, ":%s %.*s\n",
                            row->takes == ARGUMENT_FILE ? "files" : "commands", (int) n, l->word);
                break;
        case ARGUMENT_SERVICE:
                offer(l, l->word, n, "help", "List them");
                offer_foreign(l, l->word, n, "service.name");
                break;
        case ARGUMENT_NONE:
        case ARGUMENT_HOST:
        case ARGUMENT_MACHINE:
        case ARGUMENT_OTHER:
                break;
        }
}

static void offer_options(struct line *l) {
        const char *equal = strchr(l->word, '=');
        const struct option_row *row = equal ? find_option(l->word) : NULL;
        char name[VALUE_MAX];

        if (equal) {
                if (row && row->argument)
                        offer_argument(l, row, (size_t) (equal - l->word) + 1);
                return;
        }
        for (size_t i = 0; i < n_option_rows; i++) {
                row = &option_rows[i];
                if (!row->help || (l->verb && row->verbs && !(row->verbs & l->verb->options)))
                        continue;
                snprintf(name, sizeof(name), "--%s%s", row->name, row->argument ? "=" : "");
                if (row->name[0])
                        offer(l, "", 0, name, row->help);
                snprintf(name, sizeof(name), "-%c", row->value);
                if (row->value < OPTION_VERSION && !l->word[1])
                        offer(l, "", 0, name, row->help);
        }
}

static void offer_object(struct line *l) {
        if (l->n_positional == 0)
                offer_words(l, 0, "prog map link btf connection");
        if (l->n_positional == 1) {
                char field[VALUE_MAX];
                snprintf(field, sizeof(field), "%s.id", l->positional[0]);
                if (field_from_name(field) >= 0)
                        offer_foreign(l, "", 0, field);
        }
}

static void offer_arguments(struct line *l) {
        switch (l->verb->takes) {
        case TAKES_MATCHES:
                offer_match(l);
                break;
        case TAKES_OBJECT:
                offer_object(l);
                break;
        case TAKES_EVENT:
                if (l->n_positional == 0)
                        offer_foreign(l, "", 0, "seq");
                break;
        case TAKES_PROBE:
                if (l->n_positional == 0)
                        offer_words(l, 0, "enable disable");
                else
                        offer_foreign(l, "", 0, "probe.name");
                break;
        case TAKES_NOTHING:
        case TAKES_OTHER:
                break;
        }
}

void complete_words(struct text *out, const struct verb_table *table, char **words, size_t n,
                    const struct complete_source *source) {
        _cleanup_free_ char **positional = calloc(n + 1, sizeof(*positional));
        struct line l = {.table = table,
                         .source = source,
                         .positional = positional,
                         .word = n > 0 ? words[n - 1] : "",
                         .out = out};

        if (!positional)
                return;
        read_words(&l, words, n);
        if (l.pending)
                offer_argument(&l, l.pending, 0);
        else if (l.word[0] == '-')
                offer_options(&l);
        else if (l.verb)
                offer_arguments(&l);
        else
                for (size_t i = 0; i < table->n; i++)
                        offer(&l, "", 0, table->verbs[i].name, table->verbs[i].summary);
}
