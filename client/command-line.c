/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <string.h>

#include "clock.h"
#include "command-line.h"
#include "distance.h"
#include "number.h"
#include "verb.h"
#include "when.h"

enum {
        OPTIONS_MAX = 64, /* more than there are */
};

const struct option_row option_rows[] = {
        {'h', "help", .help = "Show this help, or that of the command"},
        {OPTION_VERSION, "version", .help = "Show the version"},
        {'H', "host", "[USER@]HOST", ARGUMENT_HOST,
         .help = "Ask the bpfmond of another machine, by ssh"},
        {'M', "machine", "CONTAINER", ARGUMENT_MACHINE, .help = "Ask the one of a local container"},
        {'j', "", .help = "The same as --json=short"},
        {OPTION_JSON, "json", "MODE", ARGUMENT_WORD, "off short pretty",
         .help = "Print JSON: short (one object a line), pretty or off"},
        {'n', "lines", "COUNT", ARGUMENT_OTHER, .verbs = VERB_LINES,
         .help = "Stop after COUNT events; show at most COUNT rows"},
        {OPTION_FIELDS, "fields", "A,B,…", ARGUMENT_FIELDS, .verbs = VERB_TABLE,
         .help = "Show these fields, in this order; help lists them"},
        {OPTION_STREAM, "stream", .verbs = VERB_STREAM,
         .help = "Take events from a pipe, not the bus: for many thousands a second"},
        {OPTION_EXEC, "exec", "COMMAND", ARGUMENT_COMMAND, .verbs = VERB_STREAM,
         .help = "Print nothing, but run a command for each event, its fields in the environment"},
        {OPTION_SCOPE, "scope", "WHOSE", ARGUMENT_WORD, "own alerts all", VERB_SCOPE,
         "Show what your own processes do (own), alerts, or all; root sees all"},
        {OPTION_SINCE, "since", "TIME", ARGUMENT_TIME, .verbs = VERB_SINCE,
         .help = "Show nothing from before that time"},
        {OPTION_UNTIL, "until", "TIME", ARGUMENT_TIME, .verbs = VERB_UNTIL,
         .help = "Show nothing from after that time"},
        {OPTION_INTERVAL, "interval", "TIME", ARGUMENT_OTHER, .verbs = VERB_INTERVAL,
         .help = "Count by intervals of that length, such as 5min; of top: look so often"},
        {OPTION_SVG, "svg", "FILE", ARGUMENT_FILE, .verbs = VERB_PICTURE,
         .help = "Draw a picture instead, for reports"},
        {OPTION_BATCH, "batch", .verbs = VERB_TOP, .help = "Print rows, and take no screen"},
        {OPTION_SORT, "sort", "KEY", ARGUMENT_WORD, "cpu runs time memory name id", VERB_TOP,
         "Sort by cpu, runs (in a second), time (of a run), memory, name or id"},
        {'r', "reverse", .verbs = VERB_REVERSE, .help = "Show the last one, or the newest, first"},
        {'f', "follow", .verbs = VERB_PAST,
         .help = "Go on with events as they happen, until Ctrl-C"},
        {OPTION_STATISTICS, "statistics", .verbs = VERB_STATISTICS,
         .help = "Have the kernel count the runs of programs for a second"},
        {OPTION_WATCH, "watch", .verbs = VERB_CONNECTIONS,
         .help = "Show rates and latencies again and again, until Ctrl-C"},
        {OPTION_EVERY, "every", "SPAN", ARGUMENT_OTHER, .verbs = VERB_EVERY,
         .help = "How often connections are told of, such as 500ms; a second by itself"},
        {OPTION_BY, "by", "WHAT", ARGUMENT_WORD, "connection service client unit", VERB_CONNECTIONS,
         "Sum connections up by service, client or unit, with --watch too"},
        {OPTION_SERVICE, "service", "NAME", ARGUMENT_SERVICE, .verbs = VERB_CONNECTIONS,
         .help = "Show connections to that service, such as postgresql; help lists them"},
        {OPTION_NO_LEGEND, "no-legend", .help = "Leave out the headings and totals"},
        {'l', "full", .help = "Cut nothing to fit the terminal"},
        {OPTION_NO_PAGER, "no-pager", .help = "Do not put a pager in front of the output"},
        {OPTION_NO_ASK_PASSWORD, "no-ask-password", .help = "Do not ask for a password"},
        {OPTION_COLOR, "color", "WHEN", ARGUMENT_WORD, "auto always never",
         .help = "Use colour: auto (on a terminal), always or never"},
        {OPTION_COMPLETE, "complete"},
};
const size_t n_option_rows = ELEMENTSOF(option_rows);

static const struct option_row *find_row(int value) {
        for (size_t i = 0; i < n_option_rows; i++)
                if (option_rows[i].value == value)
                        return &option_rows[i];

        return NULL;
}

/* "short, pretty or off" */
static void list_words(char *ret, size_t size, const char *words) {
        size_t used = 0;

        for (const char *s = words; *s && used < size; s += strspn(s, " ")) {
                size_t n = strcspn(s, " ");
                bool last = s[n] == '\0', first = s == words;
                int written = snprintf(ret + used, size - used, "%s%.*s",
                                       first  ? ""
                                       : last ? " or "
                                              : ", ",
                                       (int) n, s);
                used += (size_t) MAX(written, 0);
                s += n;
        }
}

/* The place of a word among those that an option takes. */
static int parse_word(int value, const char *argument) {
        const struct option_row *row = find_row(value);
        char words[256], listed[256], *rest = words, *word;
        struct nearest nearest = nearest_to(argument);

        snprintf(words, sizeof(words), "%s", row->words);
        for (int i = 0; (word = strsep(&rest, " ")); i++) {
                if (strcmp(word, argument) == 0)
                        return i;
                nearest_offer(&nearest, word);
        }

        list_words(listed, sizeof(listed), row->words);
        if (nearest.word)
                complain("--%s=%s: did you mean \"%s\"? There are %s", row->name, argument,
                         nearest.word, listed);
        else
                complain("--%s=%s: write %s", row->name, argument, listed);
        return -EINVAL;
}

static int parse_scope(const char *argument, const char **ret) {
        static const char *const scopes[] = {"own", "alerts", "all"};
        int i = parse_word(OPTION_SCOPE, argument);

        if (i >= 0)
                *ret = scopes[i];
        return i;
}

static int parse_lines(const char *s, uint64_t *ret) {
        char *end;

        errno = 0;
        unsigned long long n = strtoull(s, &end, 10);
        if (errno || *end || *s < '0' || *s > '9') {
                complain("--lines=%s: write a number", s);
                return -EINVAL;
        }

        *ret = n;
        return 0;
}

/* At least as long as the daemon's shortest, and at most a day. */
static int parse_every(const char *s, uint64_t *ret) {
        struct number number;
        int r = number_parse(&number, s, UNIT_MICROSECONDS);

        if (r >= 0 && !number.negative && number.magnitude >= 100000 &&
            number.magnitude <= UINT64_C(86400000000)) {
                *ret = number.magnitude;
                return 0;
        }
        complain("--every=%s: write a span from 100ms to 1440min", s);
        return -EINVAL;
}

static int parse_time(const char *option, const char *s, uint64_t *ret) {
        char why[256];
        int r = when_parse(ret, s, clock_usec(CLOCK_REALTIME), why, sizeof(why));

        if (r < 0)
                complain("--%s: %s", option, why);
        return r;
}

/* "-X ago" is what when_parse() knows: it tells the length of X. */
static int parse_interval(const char *s, uint64_t *ret) {
        const uint64_t now = UINT64_C(4000000000000000); /* µs: anywhere */
        char text[64], why[256];
        uint64_t then;

        if (*s < '0' || *s > '9' || snprintf(text, sizeof(text), "-%s", s) >= (int) sizeof(text) ||
            when_parse(&then, text, now, why, sizeof(why)) < 0 || then >= now) {
                complain("--interval=%s: write a length of time, such as 30s, 5min or 1h", s);
                return -EINVAL;
        }

        *ret = now - then;
        return 0;
}

static bool has_field(const struct options *options, enum field f) {
        for (size_t i = 0; i < options->n_fields; i++)
                if (options->fields[i] == f)
                        return true;

        return false;
}

static int add_field(struct options *options, const char *name) {
        int f = field_from_name(name);

        if (f < 0) {
                const char *nearest = field_nearest(name);
                complain("--fields: unknown field \"%s\"%s%s%s", name,
                         nearest ? "; did you mean \"" : "; --fields=help lists them",
                         nearest ? nearest : "", nearest ? "\"?" : "");
                return -EINVAL;
        }

        if (!has_field(options, (enum field) f))
                options->fields[options->n_fields++] = (enum field) f;
        return 0;
}

static int parse_fields(const char *s, struct options *options) {
        _cleanup_free_ char *copy = strdup(s);
        char *rest = copy;

        if (!copy)
                return -ENOMEM;
        options->n_fields = 0;
        for (const char *name; (name = strsep(&rest, ","));)
                if (name[0] && add_field(options, name) < 0)
                        return -EINVAL;
        if (options->n_fields == 0) {
                complain("--fields=%s: write names of fields, separated by commas", s);
                return -EINVAL;
        }

        return 0;
}

/* The name of a machine goes to ssh or to systemd-machined: it is none of their options. */
static int parse_place(int value, const char *argument, const char **ret) {
        if (!argument[0] || argument[0] == '-') {
                complain("--%s=%s: write the name of a %s", find_row(value)->name, argument,
                         value == 'H' ? "host" : "container");
                return -EINVAL;
        }

        *ret = argument;
        return 0;
}

static bool want_colour(void) {
        const char *systemd = getenv("SYSTEMD_COLORS"), *no_colour = getenv("NO_COLOR");
        const char *term = getenv("TERM");

        /* As systemd's tools have it: what was said of them comes first. */
        if (systemd && systemd[0])
                return !strchr("0nNfF", systemd[0]) && strcasecmp(systemd, "off") != 0;
        if ((no_colour && no_colour[0]) || (term && strcmp(term, "dumb") == 0))
                return false;
        return isatty(STDOUT_FILENO);
}

static int parse_colour(const char *argument, bool *ret) {
        int mode = parse_word(OPTION_COLOR, argument);

        if (mode >= 0)
                *ret = mode == 0 ? want_colour() : mode == 1;
        return mode;
}

static int take_option(struct command_line *c, int value, const char *argument) {
        struct options *o = &c->options;
        int r;

        switch (value) {
        case 'h':
                c->help = true;
                return 0;
        case OPTION_VERSION:
                c->version = true;
                return 0;
        case OPTION_COMPLETE:
                c->complete = true;
                return 0;
        case 'H':
                return parse_place(value, argument, &o->host);
        case 'M':
                return parse_place(value, argument, &o->machine);
        case 'j':
                o->json = JSON_SHORT;
                return 0;
        case OPTION_JSON:
                r = parse_word(value, argument);
                o->json = (enum json_mode) MAX(r, 0);
                return r;
        case 'n':
                return parse_lines(argument, &o->lines);
        case OPTION_FIELDS:
                c->list_fields = strcmp(argument, "help") == 0;
                return c->list_fields ? 0 : parse_fields(argument, o);
        case OPTION_SINCE:
                return parse_time("since", argument, &o->since);
        case OPTION_UNTIL:
                return parse_time("until", argument, &o->until);
        case OPTION_INTERVAL:
                return parse_interval(argument, &o->interval);
        case OPTION_BATCH:
                o->batch = true;
                return 0;
        case OPTION_SORT:
                r = parse_word(value, argument);
                o->sort = MAX(r, 0);
                return r;
        case OPTION_SVG:
                o->svg = argument;
                return 0;
        case 'r':
                o->reverse = true;
                return 0;
        case 'f':
                o->follow = true;
                return 0;
        case OPTION_NO_LEGEND:
                o->legend = false;
                return 0;
        case 'l':
                o->full = true;
                return 0;
        case OPTION_NO_PAGER:
                o->pager = false;
                return 0;
        case OPTION_STREAM:
                o->stream = true;
                return 0;
        case OPTION_EXEC:
                o->exec = argument;
                return 0;
        case OPTION_SCOPE:
                return parse_scope(argument, &o->scope);
        case OPTION_STATISTICS:
                c->options.statistics = true;
                return 0;
        case OPTION_WATCH:
                o->watch = true;
                return 0;
        case OPTION_EVERY:
                return parse_every(argument, &o->every);
        case OPTION_BY:
                return o->by = parse_word(value, argument);
        case OPTION_SERVICE:
                o->service = argument;
                return 0;
        case OPTION_NO_ASK_PASSWORD:
                o->ask_password = false;
                return 0;
        case OPTION_COLOR:
                return parse_colour(argument, &o->colour);
        default:
                return -EINVAL;
        }
}

/* getopt's own words, and the nearest name. */
static int complain_unknown(const char *written) {
        size_t n = strncmp(written, "--", 2) == 0 ? strcspn(written + 2, "=") : 0;
        _cleanup_free_ char *name = n > 0 ? strndup(written + 2, n) : NULL;
        struct nearest nearest = nearest_to(name ? name : "");

        for (size_t i = 0; name && i < n_option_rows; i++)
                if (option_rows[i].name[0] && option_rows[i].help)
                        nearest_offer(&nearest, option_rows[i].name);
        complain("unknown option \"%s\"%s%s%s", written,
                 nearest.word ? "; did you mean \"--" : "; see bpfmonctl --help",
                 nearest.word ? nearest.word : "", nearest.word ? "\"?" : "");
        return -EINVAL;
}

/* Gives getopt the rows of `option_rows`. */
static void make_tables(struct option *table, char *letter) {
        *letter++ = ':'; /* we complain ourselves, and tell a missing argument from the rest */
        for (size_t i = 0; i < n_option_rows; i++) {
                const struct option_row *row = &option_rows[i];
                if (row->name[0])
                        *table++ = (struct option){row->name,
                                                   row->argument ? required_argument : no_argument,
                                                   NULL, row->value};
                if (row->value < OPTION_VERSION) {
                        *letter++ = (char) row->value;
                        if (row->argument)
                                *letter++ = ':';
                }
        }
}

static int take_all(struct command_line *c, int argc, char **argv) {
        struct option table[OPTIONS_MAX + 1] = {};
        char letters[2 * OPTIONS_MAX + 2] = "";
        int value;

        _Static_assert(ELEMENTSOF(option_rows) <= OPTIONS_MAX,
                       "more than the tables have room for");
        make_tables(table, letters);
        opterr = 0;
        while ((value = getopt_long(argc, argv, letters, table, NULL)) >= 0) {
                char letter[] = {'-', (char) optopt, '\0'};
                bool is_short = optopt > 0 && optopt < OPTION_VERSION && !find_row(optopt);
                if (value == '?')
                        return complain_unknown(is_short ? letter : argv[optind - 1]);
                if (value == ':') {
                        complain("%s needs an argument; see bpfmonctl --help", argv[optind - 1]);
                        return -EINVAL;
                }

                int r = take_option(c, value, optarg);
                if (r < 0)
                        return r;
                c->used |= UINT64_C(1) << (find_row(value) - option_rows);
                if (c->complete) { /* what follows is looked at, not done */
                        if (optind < argc && strcmp(argv[optind], "--") == 0)
                                optind++;
                        break;
                }
        }

        return 0;
}

int command_line_parse(struct command_line *ret, int argc, char **argv) {
        struct command_line c = {
                .options = {.lines = UINT64_MAX,
                            .until = UINT64_MAX,
                            .legend = true,
                            .pager = true,
                            .ask_password = true,
                            .colour = want_colour()},
        };

        int r = take_all(&c, argc, argv);
        if (r < 0)
                return r;
        if (c.options.host && c.options.machine) {
                complain("--host and --machine name one place each: give one of them");
                return -EINVAL;
        }
        if (c.options.host && c.options.stream) {
                complain("--stream is a pipe of this machine; leave it out with --host");
                return -EINVAL;
        }

        if (c.options.exec && c.options.json != JSON_OFF) {
                complain("--exec prints nothing: leave out --json");
                return -EINVAL;
        }

        c.first = optind;
        *ret = c;
        return 0;
}

const char *command_line_misplaced(const struct command_line *c, unsigned verbs) {
        for (size_t i = 0; i < n_option_rows; i++)
                if (c->used >> i & 1 && option_rows[i].verbs && !(option_rows[i].verbs & verbs))
                        return option_rows[i].name;

        return NULL;
}
