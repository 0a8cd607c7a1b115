/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wording.h"

#include <inttypes.h>
#include <json.h>
#include <string.h>

#include "bubbles.h"
#include "explain.h"
#include "bus-json.h"
#include "value.h"

enum {
        TITLE_COLUMNS = 100,
        LINE_COLUMNS = 300, /* of one line of the body, which the server breaks */
        FIELD_COLUMNS = 26,
        PAGE_COLUMNS = 80, /* that a paragraph is pleasant to read in */
};

/* What a process does, by kind of event. */
static const struct deed {
        const char *event;
        const char *did, *act;
} deeds[] = {
        {"tamper", "touched bpfmon's own objects", "touch bpfmon's own objects"},
        {"prog-load", "loaded a BPF program", "load a BPF program"},
        {"prog-unload", "unloaded a BPF program", "unload a BPF program"},
        {"prog-run", "ran a BPF program", "run a BPF program"},
        {"prog-bind-map", "bound a map to a BPF program", "bind a map to a BPF program"},
        {"map-create", "created a BPF map", "create a BPF map"},
        {"map-free", "freed a BPF map", "free a BPF map"},
        {"map-freeze", "froze a BPF map", "freeze a BPF map"},
        {"map-access", "used a BPF map", "use a BPF map"},
        {"btf-load", "loaded type information (BTF)", "load type information (BTF)"},
        {"btf-free", "freed type information (BTF)", "free type information (BTF)"},
        {"link-create", "attached a BPF program", "attach a BPF program"},
        {"link-update", "exchanged an attached BPF program", "exchange an attached BPF program"},
        {"link-free", "detached a BPF program", "detach a BPF program"},
        {"attach", "attached a BPF program", "attach a BPF program"},
        {"detach", "detached a BPF program", "detach a BPF program"},
        {"pin", "pinned a BPF object", "pin a BPF object"},
        {"unpin", "unpinned a BPF object", "unpin a BPF object"},
        {"token-create", "made a BPF token", "make a BPF token"},
        {"stats-enable", "turned on BPF statistics", "turn on BPF statistics"},
        {"socket-filter-attach", "put a filter on a socket", "put a filter on a socket"},
        {"socket-filter-detach", "took a filter off a socket", "take a filter off a socket"},
        {"seccomp-filter", "installed a seccomp filter", "install a seccomp filter"},
        {"iter-create", "read a list of the kernel with BPF", "read a list of the kernel with BPF"},
        {"alert", "goes on with what was an alert", "go on with what was an alert"},
        {"object-get", "opened a BPF object", "open a BPF object"},
        {"object-query", "asked for a BPF object", "ask for a BPF object"},
};

/* By how it ended: {who} and {deed} are these. */
static const struct {
        const char *result;
        const char *before, *between;
        bool act; /* what it was to do, not what it did */
} endings[] = {
        {"ok", "", " ", false},
        {"denied", "", " was not allowed to ", true},
        {"rejected", "The kernel's verifier did not let ", " ", true},
        {"failed", "", " failed to ", true},
};

/* Events that no process does. */
static const struct {
        const char *event, *title;
} states[] = {
        {"lost", "bpfmon did not see everything"},
        {"probe-state", "bpfmon's probe< {probe.name}>: <{probe.state}|changed>"},
};

static const char someone[] = "<{process.name}|Process {process.pid}|Somebody>"
                              "< (container {container.id})>";
static const char thing[] =
        "<{prog.type} program \"{prog.name}\" (id {prog.id})|{prog.type} program \"{prog.name}\"|"
        "{prog.type} program {prog.id}|{map.type} map \"{map.name}\" (id {map.id})|"
        "{map.type} map {map.id}|{map.type} map|{prog.type} program|{link.type} link {link.id}|"
        "{attach.type}>";
static const char process[] = "<{process.executable}|{process.name}>< (process {process.pid})>"
                              "<, user {user.name}|, user {user.id}><, {unit}>"
                              "<, container {container.id}>";
static const char
        loss[] = "<Up to {lost.count} events were lost|Events were lost>< ({lost.where})>";

static bool is(struct json_object *row, enum field f, const char *value) {
        const char *v = row_string(row, f);

        return v && strcmp(v, value) == 0;
}

/* The deed of a kind that this version does not know is called by its name. */
static void add_deed(struct text *t, struct json_object *row, bool act) {
        for (size_t i = 0; i < ELEMENTSOF(deeds); i++)
                if (is(row, FIELD_EVENT, deeds[i].event)) {
                        text_add(t, act ? deeds[i].act : deeds[i].did);
                        return;
                }

        row_add(t, row, act ? "do <{event}|something>" : "did <{event}|something>");
}

static void add_sentence(struct text *t, struct json_object *row) {
        size_t ending = 0;

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                if (is(row, FIELD_EVENT, states[i].event)) {
                        row_add(t, row, states[i].title);
                        return;
                }

        for (size_t i = 0; i < ELEMENTSOF(endings); i++)
                if (is(row, FIELD_RESULT, endings[i].result))
                        ending = i;

        text_add(t, endings[ending].before);
        if (row_get(row, FIELD_ATTRIBUTED)) {
                text_add(t, "The kernel");
        } else {
                _cleanup_text_ struct text who = {};
                row_add(&who, row, someone);
                text_add(t, text_string(&who));
        }
        text_add(t, endings[ending].between);
        add_deed(t, row, endings[ending].act);
}

/* Adds a line, cut where it is too long, after what is there. */
static void add_line(struct text *t, const char *line, size_t columns) {
        if (!line[0])
                return;
        if (t->n > 0)
                text_add(t, "\n");
        text_add_fitted(t, line, columns);
}

static void add_filled(struct text *t, struct json_object *row, const char *template) {
        _cleanup_text_ struct text line = {};

        row_add(&line, row, template);
        t->failed |= line.failed;
        add_line(t, text_string(&line), LINE_COLUMNS);
}

static void add_count(struct text *t, const struct bubble *bubble) {
        _cleanup_text_ struct text line = {};

        if (bubble->count < 2)
                return;
        text_printf(&line, "%" PRIu64 " times", bubble->count);
        if (bubble->first) {
                text_add(&line, " since ");
                text_add_clock(&line, bubble->first, false);
        }
        t->failed |= line.failed;
        add_line(t, text_string(&line), LINE_COLUMNS);
}

static void add_one(struct wording *w, const struct bubble *bubble) {
        struct json_object *row = bubble->alert->row;
        _cleanup_text_ struct text sentence = {};
        size_t before;

        add_sentence(&sentence, row);
        w->title.failed |= sentence.failed;
        text_add_fitted(&w->title, text_string(&sentence), TITLE_COLUMNS);

        before = w->body.n;
        add_filled(&w->body, row, "<{message}>");
        if (w->body.n == before)
                add_filled(&w->body, row, "<{rule.description}>");
        if (!row_string(row, FIELD_MESSAGE))
                add_filled(&w->body, row, is(row, FIELD_EVENT, "lost") ? loss : thing);
        if (bubble->alert->program)
                add_filled(&w->body, row, process);
        add_count(&w->body, bubble);
}

static void add_more(struct wording *w, const struct bubble *bubble) {
        _cleanup_text_ struct text sentence = {};

        text_printf(&w->title, "%" PRIu64 " more alert%s", bubble->count,
                    bubble->count == 1 ? "" : "s");
        text_add(&sentence, bubble->count == 1 ? "" : "The last: ");
        add_sentence(&sentence, bubble->alert->row);
        w->body.failed |= sentence.failed;
        add_line(&w->body, text_string(&sentence), LINE_COLUMNS);
        if (bubble->first && bubble->count > 1) {
                text_add(&w->body, "\nSince ");
                text_add_clock(&w->body, bubble->first, false);
        }
}

/* What stands for a character, so that it is no markup. Servers that say that they know none may
 * take it for some all the same (dunst 1.9 does, unless it is told which): they get no bracket. */
static const struct substitute {
        char c;
        const char *entity, *plain;
} substitutes[] = {
        {'<', "&lt;", "‹"},    {'>', "&gt;", "›"},   {'&', "&amp;", "&"},
        {'"', "&quot;", "\""}, {'\'', "&#39;", "'"},
};

static void escape_markup(struct text *t, bool markup) {
        struct text escaped = {.failed = t->failed};

        for (size_t i = 0; i < t->n; i++) {
                const struct substitute *s = substitutes, *end = s + ELEMENTSOF(substitutes);

                while (s < end && s->c != t->data[i])
                        s++;
                if (s == end)
                        text_add_char(&escaped, t->data[i], 1);
                else
                        text_add(&escaped, markup ? s->entity : s->plain);
        }
        text_clear(t);
        *t = escaped;
}

/* Fits the words to what the server can show. Without a body its first line goes into the title. */
static int fit(struct wording *w, const struct abilities *can) {
        if (!can->body) {
                size_t first = strcspn(text_string(&w->body), "\n");

                if (first > 0) {
                        text_add(&w->title, ": ");
                        text_add_bytes(&w->title, w->body.data, first);
                }
                text_clear(&w->body);
        } else {
                escape_markup(&w->body, can->markup);
        }

        return w->title.failed || w->body.failed ? -ENOMEM : 0;
}

void wording_clear(struct wording *w) {
        text_clear(&w->title);
        text_clear(&w->body);
}

int wording_of_bubble(struct wording *ret, const struct bubble *bubble,
                      const struct abilities *can) {
        *ret = (struct wording){};
        if (bubble->more)
                add_more(ret, bubble);
        else
                add_one(ret, bubble);
        return fit(ret, can);
}

int wording_of_mute(struct wording *ret, const char *program, bool undone, const char *file,
                    const struct abilities *can) {
        *ret = (struct wording){};
        text_add(&ret->title, undone ? "Not muted any more: " : "Muted: ");
        text_add_fitted(&ret->title, program, TITLE_COLUMNS);
        text_add(&ret->body, undone ? "Alerts about it are shown again."
                                    : "Alerts about it are not shown any more. The list is ");
        if (!undone)
                text_add_escaped(&ret->body, file);
        return fit(ret, can);
}

int wording_of_note(struct wording *ret, const char *title, const char *body,
                    const struct abilities *can) {
        *ret = (struct wording){};
        text_add_fitted(&ret->title, title, TITLE_COLUMNS);
        text_add(&ret->body, body);
        return fit(ret, can);
}

/* A foreign text of several lines; each is made harmless and set in. */
static void add_lines(struct text *t, const char *s) {
        while (*s) {
                size_t n = strcspn(s, "\n");
                _cleanup_free_ char *line = strndup(s, n);

                if (!line) {
                        t->failed = true;
                        return;
                }
                text_add(t, "\n      ");
                text_add_escaped(t, line);
                s += n + (s[n] == '\n');
        }
}

static void add_field(struct text *t, const char *key, struct json_object *value) {
        _cleanup_text_ struct text name = {};
        size_t width;

        text_add_escaped(&name, key);
        t->failed |= name.failed;
        text_add(t, "    ");
        text_add(t, text_string(&name));
        width = text_width(text_string(&name));
        text_add_char(t, ' ', width < FIELD_COLUMNS ? FIELD_COLUMNS - width : 1);
        if (json_object_is_type(value, json_type_string) &&
            strchr(json_object_get_string(value), '\n'))
                add_lines(t, json_object_get_string(value));
        else
                value_add(t, field_from_name(key), value);
        text_add(t, "\n");
}

static void add_underlined(struct text *t, const char *title) {
        text_add(t, title);
        text_add(t, "\n");
        text_add_char(t, '=', text_width(title));
        text_add(t, "\n\n");
}

static const char *severity_word(const struct alert *a) {
        return a->urgency == URGENCY_CRITICAL ? "Critical" : "Warning";
}

/* As bpfmonctl explain has it. */
static void add_explanation(struct text *t, struct json_object *row) {
        _cleanup_json_ struct json_object *copy = NULL;
        struct explanation e = {};

        if (row_get(row, FIELD_EVENT) && json_object_deep_copy(row, &copy, NULL) >= 0 &&
            explain_event(&e, copy) >= 0) {
                const struct text *sentences[] = {&e.happened, &e.does, &e.matters};

                text_add(t, "\n");
                for (size_t i = 0; i < ELEMENTSOF(sentences); i++)
                        text_add_paragraph(t, text_string(sentences[i]), 0, PAGE_COLUMNS,
                                           STYLE_NONE, false);
        }
        explanation_clear(&e);
}

static void add_alert(struct text *t, const struct alert *a) {
        _cleanup_text_ struct text title = {};

        add_sentence(&title, a->row);
        t->failed |= title.failed;
        add_underlined(t, text_string(&title));
        text_printf(t, "%s", severity_word(a));
        if (a->time) {
                text_add(t, ", ");
                text_add_date(t, a->time);
        }
        text_add(t, "\n");
        if (row_string(a->row, FIELD_MESSAGE)) {
                text_add(t, "\n");
                row_add(t, a->row, "{message}");
                text_add(t, "\n");
        }
        add_explanation(t, a->row);
        text_add(t, "\nWhat is known of it:\n\n");
        json_object_object_foreach(a->row, key, value) add_field(t, key, value);
        text_add(t, "\n");
}

static void add_advice(struct text *t, const struct alert *a, const char *file) {
        text_add(t, "To learn more, in a terminal:\n\n");
        if (row_get(a->row, FIELD_SEQ)) {
                text_add(t, "    ");
                row_add(t, a->row, "bpfmonctl explain --scope=alerts {seq}\n");
        }
        if (row_get(a->row, FIELD_PROCESS_PID)) {
                text_add(t, "    ");
                row_add(t, a->row,
                        "bpfmonctl query --since=-1h --scope=all process.pid={process.pid}\n");
        }
        text_add(t, "    bpfmonctl query --since=-1h --scope=alerts severity=warning "
                    "severity=critical\n\n");
        if (!a->program)
                return;
        text_add(t, "To hear no more of this program, press Mute in the notification, or add this "
                    "line to\n");
        text_add_escaped(t, file);
        text_add(t, ":\n\n    ");
        text_add(t, a->program);
        text_add(t, "\n");
}

int wording_of_details(struct text *ret, const struct bubble *bubble, const char *file) {
        *ret = (struct text){};
        if (bubble->count > 1) {
                text_printf(ret, "%" PRIu64 " alerts", bubble->count);
                if (bubble->first) {
                        text_add(ret, " since ");
                        text_add_date(ret, bubble->first);
                }
                text_add(ret, bubble->more ? ". The last of them:\n\n" : ". The last one:\n\n");
        }

        add_alert(ret, bubble->alert);
        for (size_t i = bubble->n_others; i-- > 0;)
                add_alert(ret, bubble->others[i]);
        add_advice(ret, bubble->alert, file);
        return ret->failed ? -ENOMEM : 0;
}
