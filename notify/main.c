/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmon-notify: alerts of bpfmond as notifications on the desktop. */

#include <locale.h>
#include <string.h>

#include "client.h"
#include "mutes.h"
#include "notifier.h"
#include "options.h"

static int list(struct mutes *mutes) {
        const char *const *programs;
        size_t n;

        int r = mutes_refresh(mutes);
        if (r < 0) {
                complain("cannot read %s: %s", mutes_file(mutes), strerror(-r));
                return EXIT_FAILURE;
        }
        programs = mutes_list(mutes, &n);
        for (size_t i = 0; i < n; i++)
                puts(programs[i]);
        if (fflush(stdout) != 0) {
                complain("cannot write the output: %s", strerror(errno));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

static int change(struct mutes *mutes, int (*how)(struct mutes *m, const char *program),
                  const char *program, const char *nothing) {
        int r = how(mutes, program);

        if (r < 0) {
                complain("cannot change %s: %s", mutes_file(mutes),
                         r == -EINVAL ? "that is no name of a program" : strerror(-r));
                return EXIT_FAILURE;
        }
        if (r == 0) {
                complain("%s %s", program, nothing);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

static int print(struct text *t) {
        bool well = !t->failed && fputs(text_string(t), stdout) >= 0 && fflush(stdout) == 0;

        if (!well)
                complain("cannot write the output: %s", strerror(t->failed ? ENOMEM : errno));
        text_clear(t);
        return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int help(void) {
        struct text t = {};

        options_add_help(&t);
        return print(&t);
}

static int version(void) {
        struct text t = {};

        text_add(&t, "bpfmon-notify " BPFMON_VERSION "\n");
        return print(&t);
}

/* Without a word where something is wrong: somebody is typing. */
static int complete(char **words, size_t n) {
        _cleanup_(mutes_freep) struct mutes *mutes = NULL;
        struct text t = {};

        (void) mutes_new(&mutes, NULL);
        options_complete(&t, words, n, mutes);
        return print(&t);
}

int main(int argc, char **argv) {
        _cleanup_(mutes_freep) struct mutes *mutes = NULL;
        struct notifier_options o = {.scope = "alerts"};
        struct option table[NOTIFY_OPTIONS_MAX];
        char letters[NOTIFY_OPTIONS_MAX];
        const char *program = NULL;
        int what = 0, c;

        setlocale(LC_ALL, "");
        setlocale(LC_NUMERIC, "C");
        options_for_getopt(table, letters);
        while ((c = getopt_long(argc, argv, letters, table, NULL)) >= 0)
                switch (c) {
                case 'h':
                        return help();
                case OPTION_VERSION:
                        return version();
                case OPTION_COMPLETE: /* what follows is looked at, not done */
                        optind += optind < argc && strcmp(argv[optind], "--") == 0;
                        return complete(argv + optind, (size_t) (argc - optind));
                case OPTION_TEST:
                        o.test = true;
                        break;
                case OPTION_SCOPE:
                        o.scope = options_scope(optarg);
                        if (!o.scope) {
                                complain("there is no scope \"%s\": alerts, own or all", optarg);
                                return EXIT_USAGE;
                        }
                        break;
                case OPTION_LIST_MUTES:
                case OPTION_MUTE:
                case OPTION_UNMUTE:
                        what = c;
                        program = optarg;
                        break;
                default:
                        return EXIT_USAGE; /* getopt has said why */
                }
        if (optind < argc) {
                complain("takes no arguments: \"%s\"; see bpfmon-notify --help", argv[optind]);
                return EXIT_USAGE;
        }

        int r = mutes_new(&mutes, NULL);
        if (r < 0) {
                complain("cannot tell where mutes are kept: %s",
                         r == -ENXIO ? "neither XDG_CONFIG_HOME nor HOME is set" : strerror(-r));
                return EXIT_FAILURE;
        }

        if (what == OPTION_LIST_MUTES)
                return list(mutes);
        if (what == OPTION_MUTE)
                return change(mutes, mutes_add, program, "is muted already");
        if (what == OPTION_UNMUTE)
                return change(mutes, mutes_remove, program, "is not muted");
        return notifier_run(&o, mutes);
}
