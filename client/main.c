/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl: the command line. A verb is a row of `verbs`; the options are in command-line.c. */

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "command-line.h"
#include "complete.h"
#include "help.h"
#include "output.h"
#include "verb.h"

static const struct verb verbs[] = {
        {GROUP_EVENTS, "subscribe", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_STREAM | VERB_SCOPE | VERB_EVERY, verb_subscribe,
         "Show events as they happen, until Ctrl-C",
         "Each MATCH is FIELD=VALUE, FIELD!=VALUE or, for numbers, FIELD<N, <=, > or >=.\n"
         "Values may contain * and ?. Terms of one field are alternatives; all others must\n"
         "hold together. Reads of maps and objects are shown where a MATCH asks for them,\n"
         "as event=map-access does.\n"
         "\n"
         "  bpfmonctl subscribe event=prog-load result!=ok\n"
         "  bpfmonctl subscribe -j --fields=time,process.name,prog.name unit='ssh*'\n"},
        {GROUP_EVENTS, "query", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE | VERB_SINCE | VERB_UNTIL | VERB_PAST | VERB_REVERSE,
         verb_query, "Show events of the past, as bpfmond kept them",
         "-n shows the last ones. Times are as in systemd.time(7): \"2026-11-22 10:00\",\n"
         "yesterday, \"1 hour ago\", -1h.\n"
         "\n"
         "  bpfmonctl query --since yesterday event=prog-load result!=ok\n"
         "  bpfmonctl query -n 20 -r -j prog.name=trace_open\n"
         "  bpfmonctl query -n 10 --follow unit='ssh*'\n"},
        {GROUP_EVENTS, "timeline", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_SCOPE | VERB_SINCE | VERB_UNTIL | VERB_PICTURE | VERB_INTERVAL, verb_timeline,
         "Show how many events of which kind there were when",
         "Without --since it begins with the first event of the last 24 hours.\n"
         "\n"
         "  bpfmonctl timeline --since -2h\n"
         "  bpfmonctl timeline --since today --interval=1h --svg report.svg result!=ok\n"},
        {GROUP_EVENTS, "explain", "SEQ", 1, 1, TAKES_EVENT, VERB_SCOPE, verb_explain,
         "Say in plain words what happened, and why it may matter",
         "SEQ is the number of an event of the past:\n"
         "\n"
         "  bpfmonctl query -n 5 --fields=seq,message\n"},
        {GROUP_OBJECTS, "programs", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE, verb_programs,
         "List the programs in the kernel, and who brought them",
         "  bpfmonctl programs prog.type=kprobe\n"
         "  bpfmonctl programs loaded_by.unit='ssh*' --fields=prog.id,prog.name,memory\n"},
        {GROUP_OBJECTS, "maps", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE, verb_maps, "List the maps",
         "  bpfmonctl maps 'memory>1M'\n"},
        {GROUP_OBJECTS, "links", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE, verb_links,
         "List the links: what attaches which program to what",
         "  bpfmonctl links link.type=cgroup\n"},
        {GROUP_OBJECTS, "btf", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE, verb_btf, "List BTF, the descriptions of types",
         "  bpfmonctl btf btf.kernel=no\n"},
        {GROUP_OBJECTS, "diff", "", 0, 0, TAKES_NOTHING,
         VERB_LINES | VERB_TABLE | VERB_SCOPE | VERB_SINCE | VERB_UNTIL, verb_diff,
         "Show what was added and removed since a moment (--since)",
         "  bpfmonctl diff --since yesterday\n"
         "  bpfmonctl diff --since 2026-11-22 --until 2026-11-23\n"},
        {GROUP_OBJECTS, "show", "KIND ID", 2, 2, TAKES_OBJECT, VERB_TABLE | VERB_STATISTICS,
         verb_show, "Show everything about one prog, map, link, btf or connection",
         "  bpfmonctl show prog 12\n"
         "  bpfmonctl show prog 12 --statistics\n"},
        {GROUP_OBJECTS, "top", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE | VERB_REVERSE | VERB_INTERVAL | VERB_TOP, verb_top,
         "Show live which programs run how much",
         "The kernel counts for as long as it runs. Where the output is JSON or --batch is\n"
         "given it prints rows, -n times; else it takes the whole terminal: s, or c n a m N i,\n"
         "sorts, r turns that round, / filters, p pauses, Enter shows all of one, q ends.\n"
         "\n"
         "  bpfmonctl top prog.type=xdp\n"
         "  bpfmonctl top --batch -n 1 --sort=memory\n"},
        {GROUP_TRAFFIC, "connections", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE | VERB_CONNECTIONS | VERB_EVERY, verb_connections,
         "Show who is connected to whom, what passes, how long answers take",
         "Connections are measured while somebody asks for them: what passed before is known\n"
         "where TCP counted it, requests are not. \"bpfmonctl show connection ID\" shows one.\n"
         "\n"
         "  bpfmonctl connections --watch --service=postgresql\n"
         "  bpfmonctl connections --watch --by=unit\n"
         "  bpfmonctl connections --by=client 'connection.latency.p99>10ms'\n"},
        {GROUP_TRAFFIC, "callers", "[MATCH…]", 0, MATCHES_MAX, TAKES_MATCHES,
         VERB_LINES | VERB_TABLE | VERB_SCOPE, verb_callers,
         "List who calls bpf() how often, the busiest first",
         "  bpfmonctl callers -n 10 bpf.cmd=MAP_UPDATE_ELEM\n"},
        {GROUP_DAEMON, "status", "", 0, 0, TAKES_NOTHING, 0, verb_status,
         "Show whether bpfmond is well, and what it saw and lost", ""},
        {GROUP_DAEMON, "metrics", "", 0, 0, TAKES_NOTHING, VERB_SCOPE, verb_metrics,
         "Print what is counted as OpenMetrics text, for Prometheus and the like",
         "For node_exporter's textfile collector:\n"
         "\n"
         "  bpfmonctl metrics >bpfmon.prom.new && mv bpfmon.prom.new bpfmon.prom\n"},
        {GROUP_DAEMON, "probes", "", 0, 0, TAKES_NOTHING, VERB_TABLE, verb_probes,
         "List what is watched, by which hook, and what cannot be", ""},
};

static int check_arguments(const struct verb *verb, char **arguments, size_t n) {
        if (n < verb->least) {
                complain("%s needs %s; see bpfmonctl %s --help", verb->name, verb->arguments,
                         verb->name);
                return EXIT_USAGE;
        }
        if (n > verb->most) {
                complain("%s takes %s: %s; see bpfmonctl %s --help", verb->name,
                         verb->most == 0 ? "no arguments" : "fewer arguments",
                         arguments[verb->most], verb->name);
                return EXIT_USAGE;
        }

        return EXIT_SUCCESS;
}

static int run_verb(const struct verb *verb, char **arguments, size_t n,
                    const struct command_line *c) {
        const char *misplaced = command_line_misplaced(c, verb->options);

        if (c->help)
                return help_print_verb(verb, &c->options);
        if (misplaced) {
                complain("%s does not take --%s; see bpfmonctl %s --help", verb->name, misplaced,
                         verb->name);
                return EXIT_USAGE;
        }

        int status = check_arguments(verb, arguments, n);
        return status == EXIT_SUCCESS ? verb->run(arguments, n, &c->options) : status;
}

static int run(const struct verb_table *table, char **arguments, size_t n,
               const struct command_line *c) {
        if (n == 0) {
                int status = help_print(table, &c->options,
                                        c->help ? STDOUT_FILENO : STDERR_FILENO);
                return c->help ? status : EXIT_USAGE;
        }

        const bool help = strcmp(arguments[0], "help") == 0; /* "help", or "help COMMAND" */
        if (help && n == 1)
                return help_print(table, &c->options, STDOUT_FILENO);
        arguments += help;
        n -= help;

        const struct verb *verb = verb_find(table, arguments[0]);
        if (verb && help)
                return help_print_verb(verb, &c->options);
        if (!verb) {
                const struct verb *nearest = verb_nearest(table, arguments[0]);
                complain("unknown command \"%s\"%s%s%s", arguments[0],
                         nearest ? "; did you mean \"" : "; see bpfmonctl --help",
                         nearest ? nearest->name : "", nearest ? "\"?" : "");
                return EXIT_USAGE;
        }

        return run_verb(verb, arguments + 1, n - 1, c);
}

enum { PATIENCE_SECONDS = 5 };

/* Nothing goes wrong aloud while somebody types, and nothing hangs. */
static int complete(const struct verb_table *table, char **words, size_t n) {
        _cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        struct output output = OUTPUT_INIT;

        if (null >= 0)
                (void) dup2(null, STDERR_FILENO);
        (void) alarm(PATIENCE_SECONDS); /* which ends it */
        complete_words(&output.text, table, words, n, &complete_daemon);
        return output_finish(&output);
}

/* Nothing else takes the place of what was closed: a connection would be written to. */
static void keep_standard_fds(void) {
        static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY}; /* so that all fail, as before */

        for (int fd = 0; fd < (int) ELEMENTSOF(modes); fd++)
                if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
                        (void) open("/dev/null", modes[fd]); /* the lowest that is free */
}

int main(int argc, char **argv) {
        const struct verb_table table = {verbs, ELEMENTSOF(verbs)};
        struct command_line c;

        keep_standard_fds();
        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C"); /* numbers are for programs, too */
        signal(SIGPIPE, SIG_IGN);   /* a reader that left is an error of write() */
        if (command_line_parse(&c, argc, argv) < 0)
                return EXIT_USAGE;

        if (c.complete)
                return complete(&table, argv + c.first, (size_t) (argc - c.first));
        if (c.version) {
                struct output output = OUTPUT_INIT;
                text_add(&output.text, "bpfmonctl " BPFMON_VERSION "\n");
                return output_finish(&output);
        }
        if (c.list_fields)
                return list_fields(&c.options);

        return run(&table, argv + c.first, (size_t) (argc - c.first), &c);
}
