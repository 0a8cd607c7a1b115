/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl diff: what was added and removed between two moments. */

#include <inttypes.h>
#include <json.h>
#include <string.h>
#include <time.h>

#include "bus-json.h"
#include "bus.h"
#include "changes.h"
#include "client.h"
#include "objects.h"
#include "output.h"
#include "pages.h"
#include "progress.h"
#include "rows.h"
#include "value.h"

static const struct table_column columns[] = {
        {""},
        {"KIND"},
        {"ID", .right = true},
        {"WHAT", .least = 16},
        {"BY", .least = 14},
        {"WHEN"},
        {"UNIT", .least = 8}, /* on terminals that are wide enough */
};

enum { WIDE = 100 };

static bool is_narrow(const struct options *options) {
        const size_t width = options->full ? 0 : output_columns();

        return width > 0 && width < WIDE;
}

static const struct {
        const char *change, *sign;
        enum style style;
} changes[] = {
        {"added", "+", STYLE_GREEN},
        {"removed", "-", STYLE_RED},
        {"replaced", "~", STYLE_YELLOW},
};

static int add_sign(struct table *t, struct json_object *row) {
        const char *change = row_string(row, FIELD_CHANGE);

        for (size_t i = 0; change && i < ELEMENTSOF(changes); i++)
                if (strcmp(change, changes[i].change) == 0)
                        return table_add(t, changes[i].sign, changes[i].style);
        return table_add(t, "", STYLE_NONE);
}

/* What kinds of rows there are: by event, or for objects that came without one by their id. */
static const struct what {
        const char *events; /* with spaces between */
        enum field id;      /* of objects; FIELD_SEQ: none */
        const char *kind, *number, *what;
} whats[] = {
        {"link-create link-free", FIELD_LINK_ID, "link", "<{link.id}>",
         "<{link.type}>< {attach.target}>< ← prog {prog.id}>"},
        {"pin unpin", FIELD_SEQ, "pin", "", "{pin.path}"},
        {"attach detach socket-filter-attach socket-filter-detach", FIELD_SEQ, "attachment", "",
         "<{attach.type}|{attach.via}>< {attach.target}>< ← prog {prog.id}>"},
        {"prog-load prog-unload", FIELD_PROG_ID, "program", "<{prog.id}>",
         "<{prog.type}>< \"{prog.name}\">"},
        {"map-create map-free", FIELD_MAP_ID, "map", "<{map.id}>", "<{map.type}>< \"{map.name}\">"},
};

static bool has_word(const char *words, const char *word) {
        const size_t n = strlen(word);

        for (const char *s = strstr(words, word); s; s = strstr(s + 1, word))
                if ((s == words || s[-1] == ' ') && (s[n] == ' ' || s[n] == 0))
                        return true;
        return false;
}

static const struct what *what_of(struct json_object *row) {
        const char *event = row_string(row, FIELD_EVENT);

        /* RAW_TRACEPOINT_OPEN makes a link. */
        if (event && strcmp(event, "attach") == 0 && row_get(row, FIELD_LINK_ID))
                return &whats[0];
        for (size_t i = 0; i < ELEMENTSOF(whats); i++)
                if (event ? has_word(whats[i].events, event)
                          : whats[i].id != FIELD_SEQ && row_get(row, whats[i].id) != NULL)
                        return &whats[i];
        return &whats[0];
}

/* "Nov 26 17:31:20" */
static void add_short_date(struct text *t, uint64_t time) {
        time_t seconds = (time_t) (time / 1000000);
        char date[32];
        struct tm tm;

        if (localtime_r(&seconds, &tm) && strftime(date, sizeof(date), "%b %d %T", &tm) > 0)
                text_add(t, date);
}

static int add_change(struct table *t, struct json_object *row, const void *userdata) {
        const bool narrow = is_narrow(userdata);
        const struct what *what = what_of(row);
        _cleanup_text_ struct text when = {};
        uint64_t time = row_number(row, FIELD_TIME) ?: row_number(row, FIELD_LOADED_BY_TIME);
        int r = add_sign(t, row);

        if (r >= 0)
                r = table_add(t, what->kind, STYLE_NONE);
        if (r >= 0)
                r = rows_add(t, row, what->number, STYLE_BOLD);
        if (r >= 0)
                r = rows_add(t, row, what->what, STYLE_NONE);
        if (r >= 0)
                r = rows_add(t, row,
                             "<{process.name}[{process.pid}]|{loaded_by.name}[{loaded_by.pid}]|"
                             "user {loaded_by.user.id}|(kernel)>",
                             STYLE_NONE);
        time = time ?: row_number(row, FIELD_PROG_LOAD_TIME);
        /* Nobody watched: some time between the two. */
        if (row_get(row, FIELD_TIME_AFTER)) {
                if (!narrow)
                        text_add_date(&when, row_number(row, FIELD_TIME_AFTER));
                text_add(&when, narrow ? "… " : " … ");
        }
        if (time > 0)
                (narrow ? add_short_date : text_add_date)(&when, time);
        if (r >= 0)
                r = when.failed ? -ENOMEM : table_add(t, text_string(&when), STYLE_NONE);
        if (r >= 0 && !narrow)
                r = rows_add(t, row,
                             "<{unit}|{container.id}|{loaded_by.unit}|{loaded_by.container.id}>",
                             STYLE_DIM);
        return r;
}

static int on_event(struct json_object *event, void *userdata) {
        return changes_follow(userdata, event);
}

/* Where it is about now, what is there decides. */
static int compare(sd_bus *bus, struct changes *c, const struct options *options) {
        static const enum kind kinds[] = {KIND_PROG, KIND_MAP, KIND_LINK};
        struct field_set wanted = {};
        int status = EXIT_SUCCESS;

        changes_fields(&wanted);
        field_set_remove(&wanted, FIELD_ATTACH_TARGET); /* takes a look around */
        field_set_add(&wanted, FIELD_INCOMPLETE);
        for (size_t i = 0; status == EXIT_SUCCESS && i < ELEMENTSOF(kinds); i++) {
                _cleanup_json_ struct json_object *rows = NULL;

                status = objects_fetch(bus, kinds[i], NULL, 0, options, &wanted, &rows);
                if (status != EXIT_SUCCESS)
                        break;
                if (objects_cut(rows, kinds[i])) {
                        complain("not all %s that there are could be listed: what of them came or "
                                 "went is from the events alone",
                                 kind_info(kinds[i])->many);
                        continue;
                }
                int r = changes_compare(c, kind_info(kinds[i])->name, rows, options->since);
                if (r < 0)
                        status = bus_complain(NULL, r);
        }
        return status;
}

/* What the rows do not say. */
static void print_summary(const struct changes_summary *s, const struct options *options) {
        _cleanup_text_ struct text t = {};

        text_printf(&t, "%zu added, %zu removed", s->added, s->removed);
        if (s->replaced > 0)
                text_printf(&t, ", %zu replaced", s->replaced);
        if (s->passing > 0)
                text_printf(&t, "; %zu came and went in between", s->passing);
        text_add(&t, "\n");
        if (s->boots > 0) {
                text_add(&t, "The machine was started anew, for the last time before ");
                text_add_date(&t, s->booted);
                text_add(&t, ": nothing of before is there any more.\n");
        }
        if (s->lost && s->n_lost > 0)
                text_printf(&t,
                            "Up to %" PRIu64 " events were lost in between: this may not be "
                            "all.\n",
                            s->n_lost);
        else if (s->lost)
                text_add(&t, "Events were lost in between: this may not be all.\n");
        if (options->json == JSON_OFF && options->legend)
                fputs(text_string(&t), stdout);
        else if (s->lost || s->boots > 0)
                fputs(strchr(text_string(&t), '\n') + 1, stderr);
}

static int run(sd_bus *bus, struct changes *c, const struct options *options) {
        /* Losses are of class self. */
        static const char *const terms[] = {
                "class=install",  "class=remove",   "class=self",       "event!=seccomp-filter",
                "result!=denied", "result!=failed", "result!=rejected",
        };
        const struct rows_view view = {
                columns, ELEMENTSOF(columns) - is_narrow(options), add_change, "change", "changes",
                options,
        };
        char *matches[ELEMENTSOF(terms)];
        struct field_set wanted = {};
        struct changes_summary summary = {};
        _cleanup_json_ struct json_object *rows = NULL;
        int status;

        for (size_t i = 0; i < ELEMENTSOF(terms); i++)
                matches[i] = (char *) terms[i];
        changes_fields(&wanted);
        const struct pages pages = {
                .bus = bus,
                .options = options,
                .matches = matches,
                .n_matches = ELEMENTSOF(terms),
                .only = &wanted,
                .since = options->since,
                .until = options->until,
                .limit = UINT64_MAX,
        };
        (void) progress_begin("Reading the history");
        status = pages_read(&pages, on_event, c);
        progress_end();
        if (status == EXIT_SUCCESS && options->until == UINT64_MAX)
                status = compare(bus, c, options);
        if (status != EXIT_SUCCESS)
                return status;

        int r = changes_rows(c, &rows, &summary);
        if (r < 0)
                return bus_complain(NULL, r);
        status = rows_print(rows, &view, options);
        if (status == EXIT_SUCCESS)
                print_summary(&summary, options);
        return status;
}

int verb_diff(_unused_ char **arguments, _unused_ size_t n, const struct options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        struct changes *c = NULL;

        if (options->since == 0) {
                complain("diff needs --since=TIME, as in diff --since yesterday");
                return EXIT_USAGE;
        }
        if (options->until < options->since) {
                complain("diff: --until is before --since");
                return EXIT_USAGE;
        }
        int status = bus_connect(&bus, options);
        if (status == EXIT_SUCCESS && changes_new(&c) < 0)
                status = bus_complain(NULL, -ENOMEM);
        if (status == EXIT_SUCCESS)
                status = run(bus, c, options);
        changes_free(c);
        return status;
}
