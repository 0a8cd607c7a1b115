/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl: the command line. A verb is a row of `verbs`, an option a row of `option_rows`. */

#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "when.h"

enum {
        MATCHES_MAX = 1 << 16, /* more arguments than any verb takes */
};

/* Options that not every verb takes. */
enum verb_options {
        VERB_LINES = 1 << 0,
        VERB_TABLE = 1 << 1, /* --fields, --no-legend, --full */
        VERB_STREAM = 1 << 2,
        VERB_SCOPE = 1 << 3,
        VERB_PAST = 1 << 4, /* --since, --until, --reverse, --follow */
};

static const struct verb {
        const char *name;
        const char *arguments;
        size_t most; /* arguments */
        unsigned options;
        int (*run)(char **arguments, size_t n, const struct options *options);
        const char *summary;
        const char *help;
} verbs[] = {
        {"subscribe", "[MATCH…]", MATCHES_MAX, VERB_LINES | VERB_TABLE | VERB_STREAM | VERB_SCOPE,
         verb_subscribe, "Show events as they happen, until Ctrl-C",
         "Each MATCH is FIELD=VALUE, FIELD!=VALUE or, for numbers, FIELD<N, <=, > or >=. Values may\n"
         "contain * and ?. Terms of one field are alternatives; all others must hold together.\n"
         "Reads of maps and objects are shown where a MATCH asks for them, as event=map-access does.\n"
         "\n"
         "  bpfmonctl subscribe event=prog-load result!=ok\n"
         "  bpfmonctl subscribe -j --fields=time,process.name,prog.name unit='ssh*'\n"},
        {"query", "[MATCH…]", MATCHES_MAX, VERB_LINES | VERB_TABLE | VERB_SCOPE | VERB_PAST,
         verb_query, "Show events of the past, as bpfmond kept them",
         "-n shows the last ones. Times are as in systemd.time(7): \"2026-11-22 10:00\", yesterday,\n"
         "\"1 hour ago\", -1h.\n"
         "\n"
         "  bpfmonctl query --since yesterday event=prog-load result!=ok\n"
         "  bpfmonctl query -n 20 -r -j prog.name=trace_open\n"
         "  bpfmonctl query -n 10 --follow unit='ssh*'\n"},
        {"status", "", 0, 0, verb_status, "Show whether bpfmond is well, and what it saw and lost",
         ""},
        {"probes", "", 0, VERB_TABLE, verb_probes,
         "List what is watched, by which hook, and what cannot be", ""},
        {"callers", "[MATCH…]", MATCHES_MAX, VERB_LINES | VERB_TABLE | VERB_SCOPE, verb_callers,
         "List who calls bpf() how often, the busiest first",
         "  bpfmonctl callers -n 10 bpf.cmd=MAP_UPDATE_ELEM\n"},
};

enum {
        OPTION_VERSION = 256,
        OPTION_JSON,
        OPTION_FIELDS,
        OPTION_NO_LEGEND,
        OPTION_NO_PAGER,
        OPTION_COLOR,
        OPTION_STREAM,
        OPTION_SCOPE,
        OPTION_SINCE,
        OPTION_UNTIL,
        OPTION_NO_ASK_PASSWORD,
};

/* In the order of the help. */
static const struct option_row {
        int value; /* a letter where there is a short one */
        const char *name;
        const char *argument; /* NULL: takes none */
        unsigned verbs;       /* one of enum verb_options; 0: every verb */
        const char *help;
} option_rows[] = {
        {'h', "help", NULL, 0, "Show this help, or that of the command"},
        {OPTION_VERSION, "version", NULL, 0, "Show the version"},
        {'j', "", NULL, 0, "The same as --json=short"},
        {OPTION_JSON, "json", "MODE", 0, "Print JSON: short (one object a line), pretty or off"},
        {'n', "lines", "COUNT", VERB_LINES, "Stop after COUNT events; show at most COUNT rows"},
        {OPTION_FIELDS, "fields", "A,B,…", VERB_TABLE,
         "Show these fields, in this order; help lists them"},
        {OPTION_STREAM, "stream", NULL, VERB_STREAM,
         "Take events from a pipe, not the bus: for many thousands a second"},
        {OPTION_SCOPE, "scope", "WHOSE", VERB_SCOPE,
         "Show what your own processes do (own), alerts, or all; root sees all"},
        {OPTION_SINCE, "since", "TIME", VERB_PAST, "Show no events before that time"},
        {OPTION_UNTIL, "until", "TIME", VERB_PAST, "Show no events after that time"},
        {'r', "reverse", NULL, VERB_PAST, "Show the newest first"},
        {'f', "follow", NULL, VERB_PAST, "Go on with events as they happen, until Ctrl-C"},
        {OPTION_NO_LEGEND, "no-legend", NULL, VERB_TABLE, "Leave out the headings and totals"},
        {'l', "full", NULL, VERB_TABLE, "Cut nothing to fit the terminal"},
        {OPTION_NO_PAGER, "no-pager", NULL, 0, "Do not put a pager in front of the output"},
        {OPTION_NO_ASK_PASSWORD, "no-ask-password", NULL, 0, "Do not ask for a password"},
        {OPTION_COLOR, "color", "WHEN", 0, "Use colour: auto (on a terminal), always or never"},
};

enum colour_mode { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct command_line {
        struct options options;
        enum colour_mode colour;
        bool help, version, list_fields;
        unsigned used; /* enum verb_options */
};

/* Prints the name of an option with its argument, and its help. */
static void print_option(FILE *f, const struct option_row *row) {
        _cleanup_free_ char *name = NULL;
        bool is_short = row->value < OPTION_VERSION;

        if (asprintf(&name, "%c%c%s%s%s%s%s", is_short ? '-' : ' ', is_short ? row->value : ' ',
                     is_short && row->name[0] ? ", " : "  ", row->name[0] ? "--" : "", row->name,
                     row->argument ? "=" : "", row->argument ? row->argument : "") < 0)
                return;
        /* The dots of an argument are three bytes in one column. */
        int width = 22 + (row->argument && strstr(row->argument, "…") ? 2 : 0);
        fprintf(f, "  %-*s %s\n", width, name, row->help);
}

static void print_options(FILE *f, unsigned mask) {
        fputs("\nOptions:\n", f);
        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++)
                if (option_rows[i].verbs == 0 || (option_rows[i].verbs & mask))
                        print_option(f, &option_rows[i]);
}

static void print_help(FILE *f) {
        fputs("bpfmonctl [OPTION…] COMMAND …\n\n"
              "Show who installs what into the kernel through bpf().\n\nCommands:\n",
              f);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                fprintf(f, "  %-9s %-*s %s\n", verbs[i].name, verbs[i].arguments[0] ? 12 : 10,
                        verbs[i].arguments, verbs[i].summary);
        print_options(f, ~0U);
        fputs("\nSee bpfmonctl(1) for more.\n", f);
}

static void print_verb_help(FILE *f, const struct verb *verb) {
        fprintf(f, "bpfmonctl %s [OPTION…]%s%s\n\n%s.\n", verb->name, verb->arguments[0] ? " " : "",
                verb->arguments, verb->summary);
        if (verb->help[0])
                fprintf(f, "\n%s", verb->help);
        print_options(f, verb->options);
}

static const struct verb *find_verb(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];

        return NULL;
}

/* Letters that two words have in common, in order; a measure for "did you mean". */
static size_t common_letters(const char *a, const char *b) {
        size_t row[32] = {}, n = MIN(strlen(b), ELEMENTSOF(row) - 1);

        for (; *a; a++) {
                size_t diagonal = 0;
                for (size_t j = 1; j <= n; j++) {
                        size_t above = row[j];
                        row[j] = *a == b[j - 1] ? diagonal + 1 : MAX(above, row[j - 1]);
                        diagonal = above;
                }
        }

        return row[n];
}

static const struct verb *nearest_verb(const char *name) {
        const struct verb *nearest = NULL;
        size_t best = 0;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                size_t common = common_letters(name, verbs[i].name);
                size_t longest = MAX(strlen(name), strlen(verbs[i].name));
                if (common * 3 >= longest * 2 && common > best) {
                        best = common;
                        nearest = &verbs[i];
                }
        }

        return nearest;
}

static int parse_json(const char *s, enum json_mode *ret) {
        static const char *const modes[] = {
                [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"};

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (strcmp(s, modes[i]) == 0) {
                        *ret = (enum json_mode) i;
                        return 0;
                }

        complain("--json=%s: write short, pretty or off", s);
        return -EINVAL;
}

static int parse_colour(const char *s, enum colour_mode *ret) {
        static const char *const modes[] = {
                [COLOUR_AUTO] = "auto", [COLOUR_ALWAYS] = "always", [COLOUR_NEVER] = "never"};

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (strcmp(s, modes[i]) == 0) {
                        *ret = (enum colour_mode) i;
                        return 0;
                }

        complain("--color=%s: write auto, always or never", s);
        return -EINVAL;
}

static int parse_scope(const char *s, const char **ret) {
        static const char *const scopes[] = {"own", "alerts", "all"};

        for (size_t i = 0; i < ELEMENTSOF(scopes); i++)
                if (strcmp(s, scopes[i]) == 0) {
                        *ret = scopes[i];
                        return 0;
                }

        complain("--scope=%s: write own, alerts or all", s);
        return -EINVAL;
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

static int parse_time(const char *option, const char *s, uint64_t *ret) {
        char why[256];
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        uint64_t now = (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
        int r = when_parse(ret, s, now, why, sizeof(why));
        if (r < 0)
                complain("--%s: %s", option, why);
        return r;
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
                         nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                         nearest ? "\"?" : "");
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

static int take_option(struct command_line *c, int value, const char *argument) {
        switch (value) {
        case 'h':
                c->help = true;
                return 0;
        case OPTION_VERSION:
                c->version = true;
                return 0;
        case 'j':
                c->options.json = JSON_SHORT;
                return 0;
        case OPTION_JSON:
                return parse_json(argument, &c->options.json);
        case 'n':
                return parse_lines(argument, &c->options.lines);
        case OPTION_FIELDS:
                c->list_fields = strcmp(argument, "help") == 0;
                return c->list_fields ? 0 : parse_fields(argument, &c->options);
        case OPTION_SINCE:
                return parse_time("since", argument, &c->options.since);
        case OPTION_UNTIL:
                return parse_time("until", argument, &c->options.until);
        case 'r':
                c->options.reverse = true;
                return 0;
        case 'f':
                c->options.follow = true;
                return 0;
        case OPTION_NO_LEGEND:
                c->options.legend = false;
                return 0;
        case 'l':
                c->options.full = true;
                return 0;
        case OPTION_NO_PAGER:
                c->options.pager = false;
                return 0;
        case OPTION_STREAM:
                c->options.stream = true;
                return 0;
        case OPTION_SCOPE:
                return parse_scope(argument, &c->options.scope);
        case OPTION_NO_ASK_PASSWORD:
                c->options.ask_password = false;
                return 0;
        case OPTION_COLOR:
                return parse_colour(argument, &c->colour);
        default:
                return -EINVAL; /* getopt has said it */
        }
}

/* Gives getopt the rows of `option_rows`. */
static int parse_options(int argc, char **argv, struct command_line *c) {
        struct option table[ELEMENTSOF(option_rows) + 1] = {};
        char letters[2 * ELEMENTSOF(option_rows) + 1] = "", *letter = letters;
        size_t n = 0;
        int value;

        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++) {
                const struct option_row *row = &option_rows[i];
                if (row->name[0])
                        table[n++] = (struct option){
                                row->name, row->argument ? required_argument : no_argument, NULL,
                                row->value};
                if (row->value < OPTION_VERSION) {
                        *letter++ = (char) row->value;
                        if (row->argument)
                                *letter++ = ':';
                }
        }

        while ((value = getopt_long(argc, argv, letters, table, NULL)) >= 0) {
                int r = take_option(c, value, optarg);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < ELEMENTSOF(option_rows); i++)
                        if (option_rows[i].value == value)
                                c->used |= option_rows[i].verbs;
        }

        return 0;
}

static bool want_colour(enum colour_mode mode) {
        const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

        if (mode != COLOUR_AUTO)
                return mode == COLOUR_ALWAYS;
        if ((no_colour && no_colour[0]) || (term && strcmp(term, "dumb") == 0))
                return false;
        return isatty(STDOUT_FILENO);
}

/* Which option was used that the verb does not take. */
static const char *misplaced_option(unsigned mask) {
        for (size_t i = 0; i < ELEMENTSOF(option_rows); i++)
                if (option_rows[i].verbs & mask)
                        return option_rows[i].name;

        return NULL;
}

static int run_verb(const struct verb *verb, char **arguments, size_t n,
                    const struct command_line *c) {
        if (c->help) {
                print_verb_help(stdout, verb);
                return EXIT_SUCCESS;
        }

        const char *misplaced = misplaced_option(c->used & ~verb->options);
        if (misplaced) {
                complain("%s does not take --%s; see bpfmonctl %s --help", verb->name, misplaced,
                         verb->name);
                return EXIT_USAGE;
        }
        if (n > verb->most) {
                complain("%s takes no arguments: %s; see bpfmonctl %s --help", verb->name,
                         arguments[verb->most], verb->name);
                return EXIT_USAGE;
        }

        return verb->run(arguments, n, &c->options);
}

int main(int argc, char **argv) {
        struct command_line c = {
                .options = {.lines = UINT64_MAX,
                            .until = UINT64_MAX,
                            .legend = true,
                            .pager = true,
                            .ask_password = true},
        };

        setlocale(LC_ALL, "");
        if (argc > 0)
                argv[0] = (char *) "bpfmonctl"; /* what getopt begins its complaints with */
        signal(SIGPIPE, SIG_IGN);               /* a reader that left is an error of write() */
        if (parse_options(argc, argv, &c) < 0)
                return EXIT_USAGE;
        c.options.colour = want_colour(c.colour);

        if (c.version) {
                puts("bpfmonctl " BPFMON_VERSION);
                return EXIT_SUCCESS;
        }
        if (c.list_fields)
                return list_fields(&c.options);
        if (optind == argc) {
                print_help(c.help ? stdout : stderr);
                return c.help ? EXIT_SUCCESS : EXIT_USAGE;
        }

        const struct verb *verb = find_verb(argv[optind]);
        if (!verb) {
                const struct verb *nearest = nearest_verb(argv[optind]);
                complain("unknown command \"%s\"%s%s%s", argv[optind],
                         nearest ? "; did you mean \"" : "; see bpfmonctl --help",
                         nearest ? nearest->name : "", nearest ? "\"?" : "");
                return EXIT_USAGE;
        }

        return run_verb(verb, argv + optind + 1, (size_t) (argc - optind - 1), &c);
}
