/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline-svg.h"

#include <inttypes.h>
#include <string.h>

#include "timeline.h"

/* All in pixels of the picture. */
enum {
        WIDTH = 960,
        LEFT = 150, /* of the bars: before them are the scale and the names */
        RIGHT = 820,
        TOP = 96,
        HEIGHT = 240, /* of the large bars */
        KINDS_TOP = TOP + HEIGHT + 76,
        KIND_HEIGHT = 26, /* of a line for one kind, and of its bars */
        KIND_BAR = 18,
        LINES = 4, /* across the large bars */
        MARK_WIDTH = 64,
        MARGIN = 24,
};

/* By timeline_class_order(): colours that people who see few of them can tell apart, too. */
static const struct {
        const char *class;
        unsigned red, green, blue;
} colours[] = {
        {"install", 0x1b, 0x7f, 0x5c}, {"change", 0x1f, 0x78, 0xb4}, {"remove", 0x7b, 0x4f, 0xa3},
        {"use", 0x6b, 0x77, 0x85},     {"look", 0x9a, 0xa5, 0xb1},   {"traffic", 0x3f, 0x51, 0xb5},
        {"self", 0xd9, 0x8e, 0x04},    {"other", 0x55, 0x55, 0x55},
};

/* What has a meaning in XML; control characters are escaped for a terminal already. */
static void add_xml(struct text *t, const char *s) {
        for (; *s; s++) {
                const char *entity = *s == '&'   ? "&amp;"
                                     : *s == '<' ? "&lt;"
                                     : *s == '>' ? "&gt;"
                                     : *s == '"' ? "&quot;"
                                                 : NULL;
                if (entity)
                        text_add(t, entity);
                else
                        text_add_char(t, *s, 1);
        }
}

/* The `place`th kind of a class is a lighter shade of its colour. */
static void add_colour(struct text *t, const char *class, size_t place) {
        const size_t i = timeline_class_order(class);
        const unsigned light = (unsigned) MIN(place * 22, (size_t) 66); /* of 100 towards white */
        const unsigned parts[] = {colours[i].red, colours[i].green, colours[i].blue};

        text_add_char(t, '#', 1);
        for (size_t j = 0; j < ELEMENTSOF(parts); j++)
                text_printf(t, "%02x", parts[j] + (255 - parts[j]) * light / 100);
}

/* Which of the kinds of its class it is. */
static size_t place_in_class(const struct timeline *t, size_t kind) {
        size_t place = 0;

        for (size_t i = 0; i < kind; i++)
                place += strcmp(t->kinds[i].class, t->kinds[kind].class) == 0;

        return place;
}

static void add_label(struct text *t, double x, double y, const char *class, const char *s) {
        text_printf(t, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
        add_xml(t, s);
        text_add(t, "</text>\n");
}

static void add_number(struct text *t, double x, double y, const char *class, uint64_t n) {
        char s[32];

        snprintf(s, sizeof(s), "%" PRIu64, n);
        add_label(t, x, y, class, s);
}

/* Text of numbers has a point in it, whatever the locale: coordinates are tenths. */
static void add_rect(struct text *t, double x, double y, double width, double height,
                     const struct timeline *timeline, size_t kind, uint64_t n, uint64_t time) {
        const struct timeline_kind *k = &timeline->kinds[kind];

        text_printf(t, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"", x, y,
                    width, height);
        add_colour(t, k->class, place_in_class(timeline, kind));
        text_add(t, "\"><title>");
        add_xml(t, k->name);
        text_printf(t, ": %" PRIu64 ", ", n);
        text_add_date(t, time);
        text_add(t, "</title></rect>\n");
}

static double step(const struct timeline *t) {
        return (double) (RIGHT - LEFT) / (double) t->n_intervals;
}

static double bar_width(const struct timeline *t) {
        double gap = step(t) > 4 ? 1 : 0;

        return step(t) - gap;
}

static void add_heading(struct text *out, const struct timeline *t) {
        _cleanup_text_ struct text line = {};

        text_printf(&line, "BPF events%s%s", t->host[0] ? " on " : "", t->host);
        add_label(out, MARGIN, 40, "title", text_string(&line));
        text_reset(&line);
        text_add_date(&line, t->start);
        text_add(&line, " to ");
        text_add_date(&line, t->start + t->n_intervals * t->interval);
        text_add(&line, ", ");
        text_add_duration(&line, t->interval * 1000);
        text_printf(&line, " a bar: %" PRIu64 " event%s", t->total, t->total == 1 ? "" : "s");
        if (t->refused > 0)
                text_printf(&line, ", %" PRIu64 " refused or failed", t->refused);
        if (t->lost > 0)
                text_printf(&line, ", up to %" PRIu64 " lost", t->lost);
        add_label(out, MARGIN, 64, "sub", text_string(&line));
}

static void add_scale(struct text *out, uint64_t scale) {
        const uint64_t lines = scale % LINES == 0 ? LINES : scale % 2 == 0 ? 2 : 1;

        for (uint64_t i = 0; i <= lines; i++) {
                double y = TOP + HEIGHT - (double) HEIGHT * (double) i / (double) lines;
                text_printf(out,
                            "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n",
                            LEFT, RIGHT, y, y, i == 0 ? "axis" : "grid");
                add_number(out, LEFT - 8, y + 4, "right", scale / lines * i);
        }
}

static void add_marks(struct text *out, const struct timeline *t) {
        const uint64_t step_time = timeline_mark_step(t, (RIGHT - LEFT) / MARK_WIDTH);

        for (size_t i = 0; i < t->n_intervals; i++) {
                _cleanup_text_ struct text mark = {};
                double x = LEFT + (double) i * step(t);

                if (!timeline_is_mark(t, i, step_time))
                        continue;
                timeline_add_mark(&mark, t->start + i * t->interval, step_time);
                text_printf(out,
                            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" class=\"axis\"/>\n",
                            x, x, TOP + HEIGHT, TOP + HEIGHT + 5);
                add_label(out, x, TOP + HEIGHT + 20, "mark", text_string(&mark));
        }
}

static void add_bars(struct text *out, const struct timeline *t, uint64_t scale) {
        for (size_t i = 0; i < t->n_intervals; i++) {
                double y = TOP + HEIGHT;

                for (size_t j = 0; j < t->n_kinds; j++) {
                        uint64_t n = t->kinds[j].counts[i];
                        double height = (double) n / (double) scale * HEIGHT;

                        if (n == 0)
                                continue;
                        y -= height;
                        add_rect(out, LEFT + (double) i * step(t), y, bar_width(t), height, t, j, n,
                                 t->start + i * t->interval);
                }
        }
}

/* A line for each kind, on a scale of its own. */
static void add_kinds(struct text *out, const struct timeline *t) {
        add_label(out, RIGHT + 62, KINDS_TOP - 12, "head", "events");
        add_label(out, WIDTH - MARGIN, KINDS_TOP - 12, "head", "failed");
        for (size_t j = 0; j < t->n_kinds; j++) {
                const struct timeline_kind *kind = &t->kinds[j];
                const double base = (double) (KINDS_TOP + j * KIND_HEIGHT + KIND_BAR);

                add_label(out, LEFT - 8, base - 4, "name", kind->name);
                text_printf(out,
                            "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n",
                            LEFT, RIGHT, base, base);
                for (size_t i = 0; i < t->n_intervals; i++) {
                        uint64_t n = kind->counts[i];
                        double height = MAX((double) n / (double) kind->most * KIND_BAR, 1.0);
                        if (n > 0)
                                add_rect(out, LEFT + (double) i * step(t), base - height,
                                         bar_width(t), height, t, j, n, t->start + i * t->interval);
                }
                add_number(out, RIGHT + 62, base - 4, "right", kind->total);
                if (kind->refused > 0)
                        add_number(out, WIDTH - MARGIN, base - 4, "alarm", kind->refused);
        }
}

static void add_style(struct text *out) {
        text_add(out, "<style>\n"
                      "text{font-family:\"DejaVu Sans\",\"Noto Sans\",Helvetica,Arial,sans-serif;"
                      "font-size:12px;fill:#444}\n"
                      ".title{font-size:20px;font-weight:bold;fill:#222}\n"
                      ".right,.name,.head,.alarm{text-anchor:end}\n.mark{text-anchor:middle}\n"
                      ".name{fill:#222}\n.head{font-size:11px;fill:#888}\n.alarm{fill:#c0392b}\n"
                      ".grid{stroke:#e3e3e3}\n.axis{stroke:#999}\n"
                      "line{stroke-width:1}\n"
                      "</style>\n");
}

void timeline_svg(struct text *out, const struct timeline *t) {
        const size_t height = KINDS_TOP + t->n_kinds * KIND_HEIGHT + MARGIN;
        uint64_t most = 1;

        for (size_t i = 0; i < t->n_intervals; i++) {
                uint64_t sum = timeline_sum(t, i);
                most = MAX(most, sum);
        }
        const uint64_t scale = timeline_scale(most);

        text_printf(out,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
                    "viewBox=\"0 0 %d %zu\" role=\"img\">\n<title>BPF events",
                    WIDTH, height, WIDTH, height);
        if (t->host[0]) {
                text_add(out, " on ");
                add_xml(out, t->host);
        }
        text_add(out, "</title>\n");
        add_style(out);
        text_printf(out, "<rect width=\"%d\" height=\"%zu\" fill=\"#ffffff\"/>\n", WIDTH, height);
        add_heading(out, t);
        add_scale(out, scale);
        add_bars(out, t, scale);
        add_marks(out, t);
        if (t->n_kinds > 0)
                add_kinds(out, t);
        text_add(out, "</svg>\n");
}
