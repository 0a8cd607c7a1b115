/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <json.h>
#include <string.h>

#include "line.h"
#include "severity.h"
#include "value.h"

/* Of an object that has gone: who brought it is no longer to be asked. */
#define GONE "<, lived {lifetime}><, from {loaded_by.name}><[{loaded_by.pid}]>"

/* Of events that are about nothing but what they say. */
#define MESSAGE "<{message}>"

#define PLACE "<{service.name} ><{destination.address}:{destination.port}|{destination.address}>"
#define TRAFFIC                                                                     \
        "<, {connection.requests} requests><, 99 % below {connection.latency.p99}>" \
        "<, {bytes.sent} sent><, {bytes.received} received>"

/* What happened, by event; and what is worth a line of its own below. */
static const struct sentence {
        const char *event;
        const char *what;
        const char *note;
} sentences[] = {
        {"prog-load",
         "<{prog.type}|{bpf.attr.prog_type}>< \"{prog.name}\"| \"{bpf.attr.prog_name}\">"
         "< id {prog.id}>< tag {prog.tag}>",
         "<{verifier.reason}>"},
        {"prog-unload", "<{prog.type}>< \"{prog.name}\">< id {prog.id}>" GONE},
        {"prog-run", "<{prog.type}>< \"{prog.name}\">< id {prog.id}| fd {bpf.attr.prog_fd}>"},
        {"prog-bind-map", "<map {map.id}|map fd {bpf.attr.map_fd}> → "
                          "<prog {prog.id}|prog fd {bpf.attr.prog_fd}>"},
        {"map-create", "<{map.type}|{bpf.attr.map_type}>< \"{map.name}\"| \"{bpf.attr.map_name}\">"
                       "< id {map.id}><, {map.key_size} → {map.value_size}>< × {map.max_entries}>"},
        {"map-free", "<{map.type}>< \"{map.name}\">< id {map.id}>" GONE},
        {"map-freeze", "<{map.type}>< \"{map.name}\">< id {map.id}| fd {bpf.attr.map_fd}>"},
        {"map-access", "<{bpf.cmd}>< \"{map.name}\">< id {map.id}| fd {bpf.attr.map_fd}>"
                       "< × {calls}>"},
        {"btf-load", "BTF< \"{btf.name}\">< id {btf.id}>< {btf.size}| {bpf.attr.btf_size} B>"},
        {"btf-free", "BTF< \"{btf.name}\">< id {btf.id}>" GONE},
        {"link-create", "<{link.type}|{attach.type}>< {attach.target}>< id {link.id}>"
                        "< ← prog {prog.id}| ← prog fd {bpf.attr.prog_fd}>"},
        {"link-update", "<{link.type}>< id {link.id}| fd {bpf.attr.link_fd}>< ← prog {prog.id}>"},
        {"link-free", "<{link.type}>< {attach.target}>< id {link.id}>" GONE},
        {"attach", "<{attach.type}|{link.type}|{attach.via}>"
                   "< {attach.target}| interface {attach.ifindex}>"
                   "< ← prog {prog.id}| ← prog fd {bpf.attr.attach_bpf_fd}>"},
        {"detach", "<{attach.type}|{link.type}|{attach.via}>"
                   "< {attach.target}| interface {attach.ifindex}>< prog {prog.id}>"},
        {"pin", "<{pin.path}|{bpf.attr.pathname}>"
                "< ← prog {prog.id}| ← map {map.id}| ← link {link.id}>"},
        {"unpin", "<{pin.path}>< prog {prog.id}| map {map.id}| link {link.id}>"},
        {"socket-filter-attach",
         "<{attach.target}|{attach.via}>< ← prog {prog.id}| ← {filter.instructions} instructions>"},
        {"socket-filter-detach", "<{attach.target}|{attach.via}>< prog {prog.id}>"},
        {"seccomp-filter", "<{filter.instructions} instructions>< {seccomp.flags}>"},
        {"tamper", MESSAGE},
        {"alert", MESSAGE},
        {"hidden-object", MESSAGE},
        {"connection-open", PLACE "< ← {source.address}:{source.port}>"},
        {"connection-close", PLACE TRAFFIC "<, open for {connection.duration}>"},
        {"connection-stats", PLACE TRAFFIC},
        {"object-get", "<{bpf.cmd}>< {pin.path}>< prog {prog.id}| map {map.id}| link {link.id}|"
                       " btf {btf.id}>"},
        {"probe-state", "<{probe.name}>< {probe.state}>< {probe.hook}>"},
};

/* For all others: the call with its attributes. */
static const char any_what[] = "<{bpf.cmd}>< {bpf.attr}>";
static const char who[] = "<{process.name}><[{process.pid}]>";
static const char user[] = "<{user.name}|{user.id}>";
static const char kernel[] = "(kernel)"; /* where nobody did it */
static const char alert[] = "<{severity}: {message}>< ({rule.name})>";
static const char unit[] = "<{unit}|{session}|{container.id}>";

/* The colour of an event, by class. */
static const struct class_style {
        const char *class;
        enum style style;
} class_styles[] = {
        {"install", STYLE_GREEN}, {"remove", STYLE_MAGENTA}, {"change", STYLE_CYAN},
        {"use", STYLE_NONE},      {"look", STYLE_DIM},       {"self", STYLE_YELLOW},
};

/* Results that stand out. The flag is part of the sentence; without one it is in the last column
 * alone. */
static const struct result {
        const char *result;
        const char *flag;
        enum style style;
} results[] = {
        {"rejected", "REJECTED", STYLE_ALARM},
        {"denied", "DENIED", STYLE_ALARM},
        {"failed", "failed", STYLE_RED},
};

enum {
        CLOCK_SECONDS = 8, /* columns of 14:03:07 */
};

/* The cells of a line. A narrow terminal does without some of them. */
enum cell_name {
        CELL_TIME,
        CELL_EVENT,
        CELL_WHAT,
        CELL_WHO,
        CELL_USER,
        CELL_UNIT,
        CELL_RESULT,
        _CELL_MAX
};

static const struct layout {
        size_t columns; /* for terminals of at least this width */
        size_t widths[_CELL_MAX];
} layouts[] = {
        /*      time event what who user unit result */
        {150, {12, 12, 48, 22, 8, 24, 14}},
        {110, {12, 12, 34, 20, 6, 0, 14}},
        {92, {12, 12, 32, 16, 0, 0, 12}},
        {0, {8, 12, 32, 16, 0, 0, 0}},
};

/* Cells are cut in this order until the line fits, down to these widths. */
static const struct cut {
        enum cell_name cell;
        size_t least;
} cuts[] = {
        {CELL_UNIT, 8}, {CELL_WHAT, 24},  {CELL_WHO, 12}, {CELL_WHAT, 8},  {CELL_RESULT, 6},
        {CELL_WHO, 0},  {CELL_RESULT, 0}, {CELL_WHAT, 0}, {CELL_EVENT, 0},
};

struct cell {
        struct text text; /* escaped */
        enum style style;
        size_t width;  /* of the text, after it was cut */
        size_t column; /* of the text and the spaces that follow it */
        bool shown;
};

struct line {
        struct cell cells[_CELL_MAX];
        const struct result *result; /* one that stands out, or NULL */
};

static size_t flag_width(const struct line *l) {
        return l->result ? strlen(l->result->flag) + 1 : 0;
}

static const struct sentence *sentence_for(const char *event) {
        static const struct sentence any = {.what = any_what};

        for (size_t i = 0; i < ELEMENTSOF(sentences); i++)
                if (strcmp(sentences[i].event, event) == 0)
                        return &sentences[i];

        return &any;
}

static enum style class_style(const char *class) {
        for (size_t i = 0; class && i < ELEMENTSOF(class_styles); i++)
                if (strcmp(class_styles[i].class, class) == 0)
                        return class_styles[i].style;

        return STYLE_NONE;
}

static const struct result *find_result(const char *result) {
        for (size_t i = 0; result && i < ELEMENTSOF(results); i++)
                if (strcmp(results[i].result, result) == 0)
                        return &results[i];

        return NULL;
}

static void add_template_fields(struct field_set *set, const char *template) {
        for (const char *s = template; (s = strchr(s, '{')); s++) {
                char name[64];
                size_t n = strcspn(s + 1, "}");

                if (n >= sizeof(name))
                        continue;
                memcpy(name, s + 1, n);
                name[n] = '\0';
                int f = strncmp(name, "bpf.attr.", 9) == 0 ? FIELD_BPF_ATTR : field_from_name(name);
                if (f >= 0)
                        field_set_add(set, (enum field) f);
        }
}

void line_fields(struct field_set *ret) {
        static const enum field plain[] = {FIELD_TIME,      FIELD_EVENT,      FIELD_CLASS,
                                           FIELD_RESULT,    FIELD_ERRNO,      FIELD_DURATION,
                                           FIELD_SEVERITY,  FIELD_ATTRIBUTED, FIELD_LOST_COUNT,
                                           FIELD_LOST_WHERE};
        static const char *const templates[] = {any_what, who, user, unit, alert};

        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                field_set_add(ret, plain[i]);
        for (size_t i = 0; i < ELEMENTSOF(templates); i++)
                add_template_fields(ret, templates[i]);
        for (size_t i = 0; i < ELEMENTSOF(sentences); i++)
                add_template_fields(ret, sentences[i].what);
        for (size_t i = 0; i < ELEMENTSOF(sentences); i++)
                if (sentences[i].note)
                        add_template_fields(ret, sentences[i].note);
}

static const struct layout *layout_for(size_t columns) {
        const struct layout *layout = layouts;

        while (columns > 0 && columns < layout->columns)
                layout++;

        return layout;
}

/* "ok, 212 µs", "EACCES, 1.2 ms"; without the duration where there is little room. */
static void fill_result(struct line *l, struct json_object *event, bool duration) {
        struct cell *c = &l->cells[CELL_RESULT];
        const char *result = row_string(event, FIELD_RESULT);
        const char *error = row_string(event, FIELD_ERRNO);

        l->result = find_result(result);
        if (error || result)
                text_add_escaped(&c->text, error ? error : result);
        if (duration && row_get(event, FIELD_DURATION)) {
                if (c->text.n > 0)
                        text_add(&c->text, ", ");
                text_add_duration(&c->text, row_number(event, FIELD_DURATION));
        }
        c->style = l->result ? STYLE_RED : STYLE_NONE;
}

static bool is_critical(struct json_object *event) {
        const char *severity = row_string(event, FIELD_SEVERITY);

        return severity && strcmp(severity, "critical") == 0;
}

static void fill(struct line *l, struct json_object *event, const struct layout *layout) {
        const char *kind = row_string(event, FIELD_EVENT);

        if (row_get(event, FIELD_TIME))
                text_add_clock(&l->cells[CELL_TIME].text, row_number(event, FIELD_TIME),
                               layout->widths[CELL_TIME] > CLOCK_SECONDS);
        l->cells[CELL_TIME].style = STYLE_DIM;

        text_add_escaped(&l->cells[CELL_EVENT].text, kind ? kind : "?");
        l->cells[CELL_EVENT].style = is_critical(event)
                                             ? STYLE_ALARM
                                             : class_style(row_string(event, FIELD_CLASS));

        row_add(&l->cells[CELL_WHAT].text, event, sentence_for(kind ? kind : "")->what);
        if (l->cells[CELL_WHAT].text.n == 0)
                row_add(&l->cells[CELL_WHAT].text, event, any_what);
        row_add(&l->cells[CELL_WHO].text, event, who);
        if (l->cells[CELL_WHO].text.n == 0 && row_get(event, FIELD_ATTRIBUTED))
                text_add(&l->cells[CELL_WHO].text, kernel);
        row_add(&l->cells[CELL_USER].text, event, user);
        row_add(&l->cells[CELL_UNIT].text, event, unit);
        l->cells[CELL_UNIT].style = STYLE_DIM;
        fill_result(l, event, layout->widths[CELL_RESULT] > 0);
}

/* Spaces before a cell. */
static size_t gap(enum cell_name cell) {
        return cell == CELL_TIME ? 0 : cell <= CELL_WHAT || cell == CELL_USER ? 1 : 2;
}

/* Columns of the whole line. The last cell is not padded. */
static size_t line_width(const struct line *l) {
        size_t width = 0, padding = 0;

        for (int i = 0; i < _CELL_MAX; i++) {
                const struct cell *c = &l->cells[i];
                if (!c->shown)
                        continue;
                width += padding + gap((enum cell_name) i) + c->width;
                padding = c->column - c->width;
        }

        return width;
}

static void measure(struct line *l, const struct layout *layout) {
        for (int i = 0; i < _CELL_MAX; i++) {
                struct cell *c = &l->cells[i];
                bool optional = i == CELL_USER || i == CELL_UNIT;

                c->width = text_width(text_string(&c->text)) + (i == CELL_WHAT ? flag_width(l) : 0);
                c->column = MAX(c->width, layout->widths[i]);
                c->shown = layout->widths[i] > 0 || !optional;
                if (i == CELL_RESULT && c->width == 0)
                        c->shown = false;
        }
}

/* What is too wide for its column takes the padding of others first, the last ones before; then
 * what is left over is cut. */
static void fit(struct line *l, size_t columns) {
        for (int i = _CELL_MAX - 1; i >= CELL_WHAT; i--) {
                size_t width = line_width(l);
                struct cell *c = &l->cells[i];
                if (width <= columns)
                        return;
                if (c->shown)
                        c->column -= MIN(c->column - c->width, width - columns);
        }

        for (size_t i = 0; i < ELEMENTSOF(cuts); i++) {
                size_t width = line_width(l);
                struct cell *c = &l->cells[cuts[i].cell];
                size_t least = cuts[i].least + (cuts[i].cell == CELL_WHAT ? flag_width(l) : 0);
                if (width <= columns)
                        return;
                if (c->shown && c->width > least) {
                        c->width -= MIN(c->width - least, width - columns);
                        c->column = c->width;
                }
        }
}

static void add_cell(struct text *t, const struct line *l, enum cell_name cell, bool colour) {
        const struct cell *c = &l->cells[cell];
        bool flag = cell == CELL_WHAT && l->result;
        size_t width = c->width - (flag ? flag_width(l) : 0);

        text_add_styled(t, text_string(&c->text), width, c->style, colour);
        if (flag) {
                text_add_char(t, ' ', width > 0);
                text_add_styled(t, l->result->flag, SIZE_MAX, l->result->style, colour);
                text_add_char(t, ' ', width == 0);
        }
}

/* Whether a rule made it one. */
static bool is_alert(struct json_object *event) {
        const char *severity = row_string(event, FIELD_SEVERITY);
        int k = severity ? severity_from_name(severity) : -ENOENT;

        return k >= SEVERITY_WARNING && row_get(event, FIELD_RULE_NAME);
}

static const char *note_for(struct json_object *event) {
        const char *kind = row_string(event, FIELD_EVENT);
        const struct sentence *sentence = sentence_for(kind ? kind : "");

        return is_alert(event) && strcmp(sentence->what, MESSAGE) != 0 ? alert : sentence->note;
}

/* What is worth a line of its own, below the event's. */
static void add_note(struct text *t, struct json_object *event, const struct layout *layout,
                     const struct line_format *format) {
        static const char before[] = "╰ ";
        size_t indent = layout->widths[CELL_TIME] + gap(CELL_EVENT), width = SIZE_MAX;
        const char *template = note_for(event);
        _cleanup_text_ struct text note = {};

        if (template)
                row_add(&note, event, template);
        if (format->columns > 0)
                width = format->columns - MIN(format->columns, indent + text_width(before));
        if (note.n > 0 && width > 0) {
                text_add_char(t, ' ', indent);
                text_add_styled(t, before, SIZE_MAX, STYLE_DIM, format->colour);
                text_add_styled(t, text_string(&note), width, STYLE_NONE, format->colour);
                text_add_char(t, '\n', 1);
        }
        t->failed = t->failed || note.failed;
}

void line_add(struct text *t, struct json_object *event, const struct line_format *format) {
        const struct layout *layout = layout_for(format->columns);
        struct line l = {};
        size_t spaces = 0;

        fill(&l, event, layout);
        measure(&l, layout);
        if (format->columns > 0)
                fit(&l, format->columns);

        for (int i = 0; i < _CELL_MAX; i++) {
                const struct cell *c = &l.cells[i];
                if (!c->shown)
                        continue;
                spaces += gap((enum cell_name) i);
                if (c->width > 0) {
                        text_add_char(t, ' ', spaces);
                        spaces = 0;
                        add_cell(t, &l, (enum cell_name) i, format->colour);
                }
                spaces += c->column - c->width;
        }
        text_add_char(t, '\n', 1);
        add_note(t, event, layout, format);

        for (int i = 0; i < _CELL_MAX; i++) {
                t->failed = t->failed || l.cells[i].text.failed;
                text_clear(&l.cells[i].text);
        }
}

void line_add_lost(struct text *t, uint64_t count, const char *where,
                   const struct line_format *format) {
        _cleanup_text_ struct text line = {};

        if (count > 0)
                text_printf(&line, "-- %ju event%s lost", (uintmax_t) count, count == 1 ? "" : "s");
        else
                text_add(&line, "-- events lost, nobody knows how many");
        if (where) {
                text_add(&line, " (");
                text_add_escaped(&line, where);
                text_add(&line, ")");
        }
        text_add(&line, " --");
        text_add_styled(t, text_string(&line), SIZE_MAX, STYLE_YELLOW, format->colour);
        text_add_char(t, '\n', 1);
}
