/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "table.h"

enum {
        GAP = 2,
        INDENT = 4,         /* of notes */
        LEAST = 4,          /* columns of a cell on a terminal that is too narrow for all */
        READABLE = 8,       /* the same as long as there are columns to leave out */
        NOTE_WIDTH_MIN = 20 /* of the text of a note */
};

struct item {
        char *text;
        enum style style;
        bool note;
};

struct table {
        const struct table_column *columns;
        size_t n_columns;
        struct item *items;
        size_t n_items;
};

int table_new(struct table **ret, const struct table_column *columns, size_t n) {
        struct table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->columns = columns;
        t->n_columns = n;

        *ret = t;
        return 0;
}

struct table *table_free(struct table *t) {
        if (!t)
                return NULL;

        for (size_t i = 0; i < t->n_items; i++)
                free(t->items[i].text);
        free(t->items);
        free(t);
        return NULL;
}

static int add_item(struct table *t, const char *s, enum style style, bool note) {
        /* The array doubles whenever its length is a power of two. */
        if ((t->n_items & (t->n_items - 1)) == 0) {
                struct item *items = reallocarray(t->items, t->n_items ? t->n_items * 2 : 1,
                                                  sizeof(*items));
                if (!items)
                        return -ENOMEM;
                t->items = items;
        }

        char *text = strdup(s);
        if (!text)
                return -ENOMEM;
        t->items[t->n_items++] = (struct item){text, style, note};
        return 0;
}

int table_add(struct table *t, const char *s, enum style style) {
        return add_item(t, s[0] ? s : "-", style, false);
}

int table_add_note(struct table *t, const char *s, enum style style) {
        return add_item(t, s, style, true);
}

/* The width of a column that is left out. */
#define LEFT_OUT SIZE_MAX

/* Whether the columns that remain fit with readable cells. Numbers are not cut. */
static bool is_readable(const struct table *t, const size_t *widths, size_t columns) {
        size_t total = 0;

        for (size_t i = 0; i < t->n_columns; i++)
                if (widths[i] != LEFT_OUT)
                        total += (total > 0 ? GAP : 0) +
                                 (t->columns[i].right ? widths[i]
                                                      : MIN(widths[i], (size_t) READABLE));
        return total <= columns;
}

/* Leaves columns out that are for wider terminals, and then more until the others fit. */
static void leave_out(const struct table *t, size_t *widths, size_t columns) {
        for (size_t i = 0; i < t->n_columns; i++)
                if (t->columns[i].from > columns)
                        widths[i] = LEFT_OUT;
        while (!is_readable(t, widths, columns)) {
                size_t first = t->n_columns;

                for (size_t i = 0; i < t->n_columns; i++)
                        if (t->columns[i].spare > 0 && widths[i] != LEFT_OUT &&
                            (first == t->n_columns ||
                             t->columns[i].spare < t->columns[first].spare))
                                first = i;
                if (first == t->n_columns)
                        return;
                widths[first] = LEFT_OUT;
        }
}

/* What must remain of a column; where that is too much for the terminal, of all but numbers little
 * does. */
static size_t least_of(const struct table_column *c, bool narrow) {
        if (narrow && !c->right)
                return LEAST;
        return c->least > 0 ? c->least : SIZE_MAX;
}

/* Takes columns from the widest column that may be cut until the table fits. */
static void shrink(const struct table *t, size_t *widths, size_t columns) {
        size_t total = 0, least = 0;
        bool narrow = false;

        for (size_t i = 0; i < t->n_columns; i++) {
                if (widths[i] == LEFT_OUT)
                        continue;
                total += (total > 0 ? GAP : 0) + widths[i];
                least += (least > 0 ? GAP : 0) + MIN(widths[i], least_of(&t->columns[i], true));
        }

        while (total > columns) {
                size_t widest = t->n_columns;
                for (size_t i = 0; i < t->n_columns; i++)
                        if (widths[i] != LEFT_OUT && widths[i] > least_of(&t->columns[i], narrow) &&
                            (widest == t->n_columns || widths[i] > widths[widest]))
                                widest = i;
                if (widest == t->n_columns) {
                        if (narrow || least > columns) /* it does not fit, whatever is cut */
                                return;
                        narrow = true;
                        continue;
                }
                widths[widest]--;
                total--;
        }
}

static void measure(const struct table *t, size_t *widths, const struct table_format *format) {
        for (size_t i = 0; i < t->n_columns; i++)
                widths[i] = format->legend ? text_width(t->columns[i].name) : 0;

        for (size_t i = 0, column = 0; i < t->n_items; i++)
                if (!t->items[i].note) {
                        widths[column] = MAX(widths[column], text_width(t->items[i].text));
                        column = (column + 1) % t->n_columns;
                }

        if (format->columns == 0)
                return;
        leave_out(t, widths, format->columns);
        shrink(t, widths, format->columns);
}

/* Whether a column is the last one of those that are shown. */
static bool is_last(const struct table *t, const size_t *widths, size_t column) {
        while (++column < t->n_columns)
                if (widths[column] != LEFT_OUT)
                        return false;
        return true;
}

static void print_cell(const struct table *t, struct text *out, size_t column, const char *s,
                       enum style style, const size_t *widths, bool colour) {
        const size_t width = widths[column];
        _cleanup_text_ struct text shown = {};

        if (width == LEFT_OUT)
                return;
        size_t padding = width - MIN(width, text_width(s));
        bool last = is_last(t, widths, column);

        if (t->columns[column].right)
                text_add_char(out, ' ', padding);
        (t->columns[column].end ? text_add_end : text_add_fitted)(&shown, s, width);
        text_add_styled(out, text_string(&shown), width, style, colour);
        out->failed = out->failed || shown.failed;
        if (!t->columns[column].right && !last)
                text_add_char(out, ' ', padding);
        text_add_char(out, last ? '\n' : ' ', last ? 1 : GAP);
}

static void print_note(struct text *out, const struct item *note,
                       const struct table_format *format) {
        size_t width = format->columns > INDENT + NOTE_WIDTH_MIN ? format->columns - INDENT
                       : format->columns > 0                     ? NOTE_WIDTH_MIN
                                                                 : SIZE_MAX;

        text_add_paragraph(out, note->text, INDENT, width, note->style, format->colour);
}

void table_print(const struct table *t, struct text *out, const struct table_format *format) {
        _cleanup_free_ size_t *widths = calloc(t->n_columns, sizeof(*widths));

        if (!widths) {
                out->failed = true;
                return;
        }
        measure(t, widths, format);

        for (size_t i = 0; format->legend && i < t->n_columns; i++)
                print_cell(t, out, i, t->columns[i].name, STYLE_BOLD, widths, format->colour);
        for (size_t i = 0, column = 0; i < t->n_items; i++) {
                const struct item *item = &t->items[i];
                if (item->note) {
                        print_note(out, item, format);
                        continue;
                }
                print_cell(t, out, column, item->text, item->style, widths, format->colour);
                column = (column + 1) % t->n_columns;
        }
}
