/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline-text.h"

#include <inttypes.h>
#include <string.h>

#include "timeline.h"

enum {
        LABELS = 22, /* columns of the names of kinds, and of the scale */
        TOTALS = 17, /* columns behind the bars */
        HEIGHT = 8,  /* lines of the large bars */
        EIGHTHS = 8, /* steps in a character */
        ROOM_MIN = 10,
        BAR_MAX = 6,    /* columns of a bar */
        MARK_WIDTH = 6, /* columns of a time below the bars, */
        MARK_GAP = 3,   /* and between two of them */
};

/* Eighths of a character, from below. */
static const char *const blocks[EIGHTHS + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

/* By timeline_class_order(). */
static const enum style class_styles[] = {
        STYLE_GREEN, STYLE_CYAN, STYLE_MAGENTA, STYLE_NONE,
        STYLE_DIM,   STYLE_NONE, STYLE_YELLOW,  STYLE_NONE,
};

size_t timeline_text_room(size_t columns) {
        return columns > LABELS + TOTALS + ROOM_MIN ? columns - LABELS - TOTALS : ROOM_MIN;
}

/* Eighths of `height` characters; what is there shows, however small. */
static size_t eighths(uint64_t n, uint64_t scale, size_t height) {
        size_t full = height * EIGHTHS;
        double part = (double) n / (double) scale * (double) full;

        return n == 0 ? 0 : MAX((size_t) 1, MIN(full, (size_t) (part + 0.5)));
}

static void add_padded(struct text *t, const char *s, size_t columns, bool right) {
        size_t width = text_width(s);
        size_t padding = columns > width ? columns - width : 0;

        text_add_char(t, ' ', right ? padding : 0);
        text_add_fitted(t, s, columns);
        text_add_char(t, ' ', right ? 0 : padding);
}

/* Columns of a bar: few of them are wider. */
static size_t bar_columns(const struct timeline *t, size_t room) {
        size_t columns = room / t->n_intervals;

        return MIN(MAX(columns, (size_t) 1), (size_t) BAR_MAX);
}

static void add_block(struct text *t, size_t eighth, size_t columns, enum style style,
                      bool colour) {
        _cleanup_text_ struct text bar = {};

        /* Wide bars stand apart. */
        for (size_t i = 0; i < columns; i++)
                text_add(&bar, columns > 2 && i + 1 == columns ? " " : blocks[eighth]);
        text_add_styled(t, text_string(&bar), SIZE_MAX, eighth > 0 ? style : STYLE_NONE, colour);
}

/* The style of what stands at some height of a bar: classes lie upon one another in their order. */
static enum style style_at(const struct timeline *t, size_t interval, uint64_t height) {
        uint64_t sum = 0;

        for (size_t i = 0; i < t->n_kinds; i++) {
                sum += t->kinds[i].counts[interval];
                if (sum > height)
                        return class_styles[timeline_class_order(t->kinds[i].class)];
        }

        return STYLE_NONE;
}

static void add_bars(struct text *out, const struct timeline *t, size_t columns, bool colour) {
        uint64_t most = 1;

        for (size_t i = 0; i < t->n_intervals; i++) {
                uint64_t sum = timeline_sum(t, i);
                most = MAX(most, sum);
        }
        const uint64_t scale = timeline_scale(most);

        for (size_t line = HEIGHT; line-- > 0;) {
                char label[32] = "";
                if (line == HEIGHT - 1)
                        snprintf(label, sizeof(label), "%" PRIu64, scale);
                else if (line == HEIGHT / 2 - 1 && scale > 1)
                        snprintf(label, sizeof(label), "%" PRIu64, scale / 2);
                add_padded(out, label, LABELS - 2, true);
                text_add_styled(out, label[0] ? " ┤" : " │", SIZE_MAX, STYLE_DIM, colour);
                for (size_t i = 0; i < t->n_intervals; i++) {
                        size_t all = eighths(timeline_sum(t, i), scale, HEIGHT);
                        size_t here = all > line * EIGHTHS ? all - line * EIGHTHS : 0;
                        uint64_t height = (uint64_t) ((double) line / HEIGHT * (double) scale);
                        add_block(out, MIN(here, (size_t) EIGHTHS), columns, style_at(t, i, height),
                                  colour);
                }
                text_add_char(out, '\n', 1);
        }
}

/* The times at which intervals begin, as far apart as they need to be. */
static void add_marks(struct text *out, const struct timeline *t, size_t columns, bool colour) {
        _cleanup_text_ struct text ticks = {}, marks = {};
        const uint64_t step = timeline_mark_step(
                t, MAX(t->n_intervals * columns / (MARK_WIDTH + MARK_GAP), (size_t) 1));
        size_t end = 0;

        for (size_t i = 0; i < t->n_intervals; i++) {
                _cleanup_text_ struct text mark = {};
                const size_t column = i * columns;

                timeline_add_mark(&mark, t->start + i * t->interval, step);
                const size_t width = text_width(text_string(&mark));
                const bool shown = timeline_is_mark(t, i, step) && column >= end &&
                                   column + width <= t->n_intervals * columns + TOTALS;
                for (size_t j = 0; j < columns; j++)
                        text_add(&ticks, shown && j == 0 ? "┴" : "─");
                if (!shown)
                        continue;
                text_add_char(&marks, ' ', column - end);
                text_add(&marks, text_string(&mark));
                end = column + width;
        }

        text_add_char(out, ' ', LABELS - 2);
        text_add_styled(out, " └", SIZE_MAX, STYLE_DIM, colour);
        text_add_styled(out, text_string(&ticks), SIZE_MAX, STYLE_DIM, colour);
        text_add_char(out, '\n', 1);
        text_add_char(out, ' ', LABELS);
        text_add_styled(out, text_string(&marks), SIZE_MAX, STYLE_DIM, colour);
        text_add_char(out, '\n', 1);
}

static void add_kind(struct text *out, const struct timeline_kind *kind, size_t n, size_t columns,
                     bool colour) {
        const enum style style = class_styles[timeline_class_order(kind->class)];
        char total[32];

        add_padded(out, kind->name, LABELS, false);
        for (size_t i = 0; i < n; i++)
                add_block(out, eighths(kind->counts[i], kind->most, 1), columns, style, colour);
        snprintf(total, sizeof(total), "%" PRIu64, kind->total);
        add_padded(out, total, 8, true);
        if (kind->refused > 0) {
                snprintf(total, sizeof(total), "%" PRIu64, kind->refused);
                add_padded(out, "", TOTALS - 8 - MIN(strlen(total), (size_t) (TOTALS - 8)), false);
                text_add_styled(out, total, SIZE_MAX, STYLE_RED, colour);
        }
        text_add_char(out, '\n', 1);
}

static void add_heading(struct text *out, const struct timeline *t, bool colour) {
        _cleanup_text_ struct text heading = {};

        text_add_date(&heading, t->start);
        text_add(&heading, ", ");
        text_add_duration(&heading, t->interval * 1000);
        text_add(&heading, " a bar");
        if (t->host[0])
                text_printf(&heading, ", %s", t->host);
        text_add_styled(out, text_string(&heading), SIZE_MAX, STYLE_BOLD, colour);
        text_add(out, "\n\n");
}

static void add_summary(struct text *out, const struct timeline *t) {
        text_printf(out, "\n%" PRIu64 " event%s", t->total, t->total == 1 ? "" : "s");
        if (t->refused > 0)
                text_printf(out, ", %" PRIu64 " refused or failed", t->refused);
        if (t->lost > 0)
                text_printf(out, ", and up to %" PRIu64 " lost", t->lost);
        text_add(out, "\n");
}

void timeline_text(struct text *out, const struct timeline *t, size_t room, bool legend,
                   bool colour) {
        const size_t columns = bar_columns(t, room);

        if (t->total > 0) {
                if (legend)
                        add_heading(out, t, colour);
                add_bars(out, t, columns, colour);
                add_marks(out, t, columns, colour);
                if (legend) {
                        text_add_char(out, ' ', LABELS + t->n_intervals * columns);
                        text_add_styled(out, "  events  failed", SIZE_MAX, STYLE_DIM, colour);
                }
                text_add_char(out, '\n', 1);
                for (size_t i = 0; i < t->n_kinds; i++)
                        add_kind(out, &t->kinds[i], t->n_intervals, columns, colour);
        }
        if (legend)
                add_summary(out, t);
}
