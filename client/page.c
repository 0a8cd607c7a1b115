/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page.h"

#include <json.h>
#include <string.h>

#include "ability.h"
#include "event.h"
#include "value.h"

enum {
        LABEL_WIDTH = 12,
        TEXT_MIN = 30, /* columns of the text at least, however narrow the terminal is */
};

/* A page being made. */
struct page {
        struct text *t;
        struct json_object *row;
        const struct page_format *format;
        size_t label_width; /* columns */
        const char *label;  /* of the next line; NULL: it has been there */
};

/* Lines ---------------------------------------------------------------------------------------- */

/* Bytes of `s` that fit, up to a space where there is one. */
static size_t fitting(const char *s, size_t columns) {
        size_t n = 0, space = 0, width = 0;

        for (; s[n] && s[n] != '\n'; n++) {
                if (((unsigned char) s[n] & 0xc0) != 0x80 && ++width > columns)
                        return space > 0 ? space : n;
                if (s[n] == ' ')
                        space = n;
        }
        return n;
}

/* Adds a line with the label at hand; what follows it has none. Text is wrapped. */
static void add_line(struct page *p, const char *s, enum style style) {
        const size_t columns = p->format->columns;
        const size_t used = p->label_width + 2;
        const size_t room = columns > used + TEXT_MIN ? columns - used
                            : columns > 0             ? TEXT_MIN
                                                      : SIZE_MAX;

        do {
                const size_t n = fitting(s, room);
                _cleanup_free_ char *line = strndup(s, n);
                const char *label = p->label ?: "";

                if (!line) {
                        p->t->failed = true;
                        return;
                }
                text_add_char(p->t, ' ', p->label_width - MIN(text_width(label), p->label_width));
                text_add(p->t, label);
                text_add(p->t, p->label ? ": " : "  ");
                text_add_styled(p->t, line, SIZE_MAX, style, p->format->colour);
                text_add_char(p->t, '\n', 1);
                p->label = NULL;
                s += n;
                while (*s == ' ')
                        s++;
        } while (*s);
}

/* Adds a line that is made from a template, unless it is empty. */
static void add_template(struct page *p, const char *template, enum style style) {
        _cleanup_text_ struct text line = {};

        row_add(&line, p->row, template);
        if (line.n > 0)
                add_line(p, text_string(&line), style);
        p->t->failed = p->t->failed || line.failed;
}

/* A line for each item of a list. */
static void add_items(struct page *p, enum field f) {
        struct json_object *list = row_get(p->row, f);
        const size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list)
                                                                    : 0;

        for (size_t i = 0; i < n; i++) {
                _cleanup_text_ struct text line = {};

                value_add(&line, -1, json_object_array_get_idx(list, i));
                add_line(p, text_string(&line), STYLE_NONE);
        }
}

static bool is_true(const struct page *p, enum field f) {
        return json_object_get_boolean(row_get(p->row, f));
}

/* Sections ------------------------------------------------------------------------------------- */

static void add_age(struct text *t, const struct page *p, uint64_t time) {
        text_add_date(t, time);
        if (p->format->now < time)
                return;
        text_add(t, "; ");
        text_add_duration(t, (p->format->now - time) / 1000000 * 1000000000);
        text_add(t, " ago");
}

/* Who brought it, or why that is not known. */
static void add_loader(struct page *p) {
        const uint64_t time = row_number(p->row, FIELD_LOADED_BY_TIME)
                                      ?: row_number(p->row, FIELD_PROG_LOAD_TIME);
        _cleanup_text_ struct text line = {};

        p->label = "Loaded";
        if (time > 0) {
                add_age(&line, p, time);
                add_line(p, text_string(&line), STYLE_NONE);
        }
        p->label = "by";
        if (is_true(p, FIELD_OWN)) {
                add_line(p, "bpfmond itself", STYLE_NONE);
        } else if (row_get(p->row, FIELD_LOADED_BY_PID)) {
                add_template(p,
                             "<{loaded_by.name}|process>[{loaded_by.pid}]<, {loaded_by.executable}>"
                             "<, as user {loaded_by.user.id}><, in {loaded_by.unit}>"
                             "<, container {loaded_by.container.id}>",
                             STYLE_NONE);
                add_template(p, "<build id {loaded_by.build_id}>", STYLE_DIM);
        } else if (is_true(p, FIELD_EXISTED)) {
                add_line(p, "not known: it was there before bpfmond started, and no history tells",
                         STYLE_YELLOW);
                add_template(p, "<the kernel says: user {loaded_by.user.id}>", STYLE_NONE);
        } else if (is_true(p, FIELD_BTF_KERNEL)) {
                add_line(p, "the kernel itself", STYLE_NONE);
        } else {
                add_line(p, "not known: bpfmond did not see it come", STYLE_YELLOW);
                add_template(p, "<the kernel says: user {loaded_by.user.id}>", STYLE_NONE);
        }
        p->label = NULL;
        p->t->failed = p->t->failed || line.failed;
}

/* A list, or words for an empty one (NULL: then nothing). */
static void add_list(struct page *p, const char *label, enum field f, const char *empty) {
        p->label = label;
        if (row_get(p->row, f))
                add_items(p, f);
        else if (empty)
                add_line(p, empty, STYLE_DIM);
        p->label = NULL;
}

static void add_one(struct page *p, const char *label, const char *template) {
        p->label = label;
        add_template(p, template, STYLE_NONE);
        p->label = NULL;
}

static void add_incomplete(struct page *p) {
        p->label = "Incomplete";
        if (row_get(p->row, FIELD_INCOMPLETE))
                add_template(p,
                             "<{incomplete.reasons}|{incomplete} could not be looked at, or not "
                             "all of them>",
                             STYLE_YELLOW);
        p->label = NULL;
}

/* Programs ------------------------------------------------------------------------------------- */

/* What programs of its type are for, and what this one may do by what it calls. */
static void add_abilities(struct page *p) {
        struct json_object *helpers = row_get(p->row, FIELD_PROG_HELPERS);
        struct json_object *kfuncs = row_get(p->row, FIELD_PROG_KFUNCS);
        const struct ability *found[ABILITIES_MAX];
        const char *type = row_string(p->row, FIELD_PROG_TYPE);
        const char *purpose = type ? ability_of_type(type) : NULL;
        const size_t n = ability_find(helpers, kfuncs, found);

        p->label = "It";
        if (purpose)
                add_line(p, purpose, STYLE_NONE);
        p->label = "It may";
        for (size_t i = 0; i < n; i++)
                add_line(p, found[i]->words, found[i]->grave ? STYLE_ALARM : STYLE_NONE);
        if (!helpers && !kfuncs && !row_get(p->row, FIELD_PROG_SHA256))
                add_line(p, "not known: bpfmond did not see its instructions", STYLE_DIM);
        add_one(p, "It calls", "<{prog.helpers}><, {prog.kfuncs}>");
        p->label = NULL;
}

static void add_runs(struct page *p) {
        const uint64_t rate = row_number(p->row, FIELD_PROG_TIME_RATE);
        _cleanup_text_ struct text line = {};

        p->label = "Runs";
        if (row_get(p->row, FIELD_PROG_RUN_COUNT)) {
                add_template(p, "{prog.run_count} times, {prog.run_time} in all", STYLE_NONE);
                add_template(p, "<{prog.misses} times not: it was running already>", STYLE_YELLOW);
        }
        if (row_get(p->row, FIELD_PROG_RUN_RATE)) {
                row_add(&line, p->row, "now {prog.run_rate} times a second");
                text_printf(&line, ", %ju.%02ju%% of a processor", (uintmax_t) rate / 10000000,
                            (uintmax_t) rate / 100000 % 100);
                add_line(p, text_string(&line), STYLE_NONE);
        } else if (!is_true(p, FIELD_STATISTICS)) {
                add_line(p, "not counted now; --statistics counts for a second", STYLE_DIM);
        }
        p->label = NULL;
}

static void add_prog(struct page *p) {
        add_loader(p);
        add_list(p, "Attached to", FIELD_ATTACHMENTS, "nothing that bpfmond can see");
        add_list(p, "Pinned at", FIELD_PIN_PATHS, NULL);
        add_list(p, "Held by", FIELD_HOLDERS, "no process");
        add_one(p, "Maps", "<{prog.maps}>");
        add_one(p, "Links", "<{prog.links}>");
        add_abilities(p);
        add_runs(p);
        add_one(p, "Memory", "<{memory}><, {prog.jited_size} of machine code>");
        add_one(p, "Verifier",
                "<walked {prog.verified_instructions} instructions>"
                "<; {prog.instructions} were loaded>");
        add_one(p, "Expects", "<{prog.attach_type}>");
        add_one(p, "Tag", "<{prog.tag}>");
        add_one(p, "SHA-256", "<{prog.sha256}>");
        add_one(p, "License", "<{prog.license}>");
        add_one(p, "BTF", "<{prog.btf_id}>");
}

/* Others --------------------------------------------------------------------------------------- */

static void add_map(struct page *p) {
        add_loader(p);
        add_list(p, "Pinned at", FIELD_PIN_PATHS, NULL);
        add_list(p, "Held by", FIELD_HOLDERS, "no process");
        add_one(p, "Programs", "<{map.progs}>");
        add_one(p, "Elements",
                "<{map.max_entries} at most><, {map.key_size}>< → {map.value_size}>");
        add_one(p, "Flags", "<{map.flags}>");
        p->label = "Frozen";
        if (is_true(p, FIELD_MAP_FROZEN))
                add_line(p, "yes: its elements do not change by bpf() any more", STYLE_NONE);
        p->label = NULL;
        add_one(p, "Memory", "<{memory}>");
        add_one(p, "BTF", "<{map.btf_id}>");
}

static void add_link(struct page *p) {
        add_loader(p);
        add_one(p, "Program", "<{prog.id}>< \"{prog.name}\">< ({prog.type})>");
        add_one(p, "Attached to", "<{attach.type} ><{attach.target}>");
        add_list(p, "All of it", FIELD_ATTACH_TARGETS, NULL);
        add_one(p, "Via", "<{attach.via}>");
        add_one(p, "Flags", "<{attach.flags}>");
        add_one(p, "Map", "<{map.id}>");
        add_list(p, "Pinned at", FIELD_PIN_PATHS, NULL);
        add_list(p, "Held by", FIELD_HOLDERS, "no process");
}

static void add_btf(struct page *p) {
        add_loader(p);
        add_one(p, "Size", "<{btf.size}>");
        add_one(p, "Programs", "<{btf.progs}>");
        add_one(p, "Maps", "<{btf.maps}>");
        add_list(p, "Held by", FIELD_HOLDERS, NULL);
}

void page_add(struct text *t, enum kind kind, struct json_object *row,
              const struct page_format *format) {
        static const struct {
                const char *title;
                void (*add)(struct page *p);
        } kinds[_KIND_MAX] = {
                [KIND_PROG] = {"Program {prog.id}< \"{prog.name}\"><, {prog.type}>", add_prog},
                [KIND_MAP] = {"Map {map.id}< \"{map.name}\"><, {map.type}>", add_map},
                [KIND_LINK] = {"Link {link.id}<, {link.type}>", add_link},
                [KIND_BTF] = {"BTF {btf.id}< \"{btf.name}\">", add_btf},
        };
        struct page p = {.t = t, .row = row, .format = format, .label_width = LABEL_WIDTH};
        _cleanup_text_ struct text title = {};

        row_add(&title, row, kinds[kind].title);
        text_add_styled(t, "●", SIZE_MAX, STYLE_GREEN, format->colour);
        text_add(t, " ");
        text_add_styled(t, text_string(&title), SIZE_MAX, STYLE_BOLD, format->colour);
        text_add_char(t, '\n', 1);
        kinds[kind].add(&p);
        add_incomplete(&p);
        t->failed = t->failed || title.failed;
}

void page_add_fields(struct text *t, const enum field *fields, size_t n, struct json_object *row,
                     const struct page_format *format) {
        struct page p = {.t = t, .row = row, .format = format};

        for (size_t i = 0; i < n; i++)
                p.label_width = MAX(p.label_width, strlen(field_info(fields[i])->name));
        for (size_t i = 0; i < n; i++) {
                struct json_object *value = row_get(row, fields[i]);

                p.label = field_info(fields[i])->name;
                if (json_object_is_type(value, json_type_array) &&
                    json_object_array_length(value) > 0) {
                        add_items(&p, fields[i]);
                        continue;
                }
                _cleanup_text_ struct text line = {};
                if (value)
                        value_add(&line, (int) fields[i], value);
                add_line(&p, line.n > 0 ? text_string(&line) : "-", STYLE_NONE);
                t->failed = t->failed || line.failed;
        }
}
