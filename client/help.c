/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "command-line.h"
#include "help.h"
#include "output.h"
#include "text.h"
#include "verb.h"

enum {
        GAP = 2,      /* columns before a name, and after it */
        COLUMNS = 80, /* of the narrowest terminal that it fits */
};

static const char *const group_titles[_GROUP_MAX] = {
        [GROUP_EVENTS] = "Event Commands",
        [GROUP_OBJECTS] = "Object Commands",
        [GROUP_TRAFFIC] = "Call and Connection Commands",
        [GROUP_DAEMON] = "Daemon Commands",
};

static void add_heading(struct text *t, const char *title, const struct options *options) {
        text_add_char(t, '\n', 1);
        text_add_styled(t, title, SIZE_MAX, STYLE_BOLD, options->colour);
        text_add(t, ":\n");
}

/* A name and what it is, side by side. */
static void add_row(struct text *t, const char *name, size_t width, const char *help) {
        size_t n = text_width(name);

        text_add_char(t, ' ', GAP);
        text_add(t, name);
        text_add_char(t, ' ', GAP + (width > n ? width - n : 0));
        /* Goes on below where a line is full. */
        const size_t indent = GAP + width + GAP, first = text_wrap(help, COLUMNS - indent);
        text_add_bytes(t, help, first);
        text_add_char(t, '\n', 1);
        help += first;
        text_add_paragraph(t, help + strspn(help, " "), indent, COLUMNS - indent, STYLE_NONE,
                           false);
}

/* "-n, --lines=COUNT" */
static void name_option(struct text *t, const struct option_row *row) {
        bool is_short = row->value < OPTION_VERSION;

        if (is_short)
                text_printf(t, "-%c%s", row->value, row->name[0] ? ", " : "");
        else
                text_add_char(t, ' ', 4);
        if (row->name[0])
                text_printf(t, "--%s", row->name);
        if (row->argument)
                text_printf(t, "=%s", row->argument);
}

static void add_options(struct text *t, unsigned verbs, const struct options *options) {
        size_t width = 0;

        add_heading(t, "Options", options);
        for (int pass = 0; pass < 2; pass++)
                for (size_t i = 0; i < n_option_rows; i++) {
                        const struct option_row *row = &option_rows[i];
                        _cleanup_text_ struct text name = {};
                        if (!row->help || (row->verbs && !(row->verbs & verbs)))
                                continue;
                        name_option(&name, row);
                        if (pass == 0)
                                width = MAX(width, text_width(text_string(&name)));
                        else
                                add_row(t, text_string(&name), width, row->help);
                }
}

static void name_verb(struct text *t, const struct verb *verb) {
        text_add(t, verb->name);
        if (verb->arguments[0])
                text_printf(t, " %s", verb->arguments);
}

static void add_verbs(struct text *t, const struct verb_table *table, enum verb_group group,
                      size_t width, const struct options *options) {
        bool any = false;

        for (size_t i = 0; i < table->n; i++) {
                _cleanup_text_ struct text name = {};
                if (table->verbs[i].group != group)
                        continue;
                if (!any)
                        add_heading(t, group_titles[group], options);
                any = true;
                name_verb(&name, &table->verbs[i]);
                add_row(t, text_string(&name), width, table->verbs[i].summary);
        }
}

static size_t widest_verb(const struct verb_table *table) {
        size_t width = 0;

        for (size_t i = 0; i < table->n; i++) {
                _cleanup_text_ struct text name = {};
                name_verb(&name, &table->verbs[i]);
                width = MAX(width, text_width(text_string(&name)));
        }

        return width;
}

static int finish(struct output *o, const struct options *options) {
        if (o->fd == STDOUT_FILENO)
                output_start_pager(o, options);
        return output_finish(o);
}

int help_print(const struct verb_table *table, const struct options *options, int fd) {
        struct output o = OUTPUT_INIT;
        size_t width = widest_verb(table);

        o.fd = fd;
        text_add(&o.text, "bpfmonctl [OPTION…] COMMAND …\n\n"
                          "Show who installs what into the kernel through bpf().\n");
        for (int group = 0; group < _GROUP_MAX; group++)
                add_verbs(&o.text, table, (enum verb_group) group, width, options);
        add_options(&o.text, ~0U, options);
        text_add(&o.text, "\nSee bpfmonctl(1) for more.\n");
        return finish(&o, options);
}

int help_print_verb(const struct verb *verb, const struct options *options) {
        struct output o = OUTPUT_INIT;

        text_printf(&o.text, "bpfmonctl %s [OPTION…]%s%s\n\n%s.\n", verb->name,
                    verb->arguments[0] ? " " : "", verb->arguments, verb->summary);
        if (verb->help[0])
                text_printf(&o.text, "\n%s", verb->help);
        add_options(&o.text, verb->options, options);
        return finish(&o, options);
}
