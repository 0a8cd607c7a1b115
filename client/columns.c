/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "columns.h"
#include "value.h"

enum {
        GAP = 2,
        CLOCK_WIDTH = 12, /* 14:03:07.218 */
        WIDTH_MAX = 32,   /* a column grows no further; wider values move the rest of their line */
};

/* Widths to start with, so that columns rarely move. */
static const size_t type_widths[_TYPE_MAX] = {
        [TYPE_BOOL] = 3, [TYPE_U32] = 7,     [TYPE_U64] = 8,
        [TYPE_S64] = 5,  [TYPE_STRING] = 11, [TYPE_DICT] = WIDTH_MAX,
};

void columns_init(struct columns *c, const enum field *fields, size_t n) {
        c->fields = fields;
        c->n = n;
        for (size_t i = 0; i < n; i++) {
                const struct field_info *info = field_info(fields[i]);
                size_t width = fields[i] == FIELD_TIME ? CLOCK_WIDTH : type_widths[info->type];
                c->widths[i] = MAX(strlen(info->name), width);
        }
}

/* Adds a cell of the line that began with `*room` columns to spare. */
static void add_cell(struct text *t, const struct columns *c, size_t i, const char *s, size_t *room,
                     enum style style, bool colour) {
        size_t width = MIN(text_width(s), *room);
        size_t padding = c->widths[i] - MIN(width, c->widths[i]);
        bool right = value_is_number(c->fields[i]), last = i + 1 == c->n;

        if (right)
                text_add_char(t, ' ', MIN(padding, *room - width));
        text_add_styled(t, s, width, style, colour);
        if (!last)
                text_add_char(t, ' ', MIN((right ? 0 : padding) + GAP, *room - width));
        *room -= MIN(*room, width + padding + GAP);
}

void columns_add_legend(struct text *t, const struct columns *c, const struct line_format *format) {
        size_t room = format->columns > 0 ? format->columns : SIZE_MAX / 2;

        for (size_t i = 0; i < c->n; i++)
                add_cell(t, c, i, field_info(c->fields[i])->name, &room, STYLE_BOLD,
                         format->colour);
        text_add_char(t, '\n', 1);
}

/* The time of a live event is a time of day, as in a sentence. */
static void add_value(struct text *t, enum field field, struct json_object *event) {
        if (!row_get(event, field))
                text_add(t, "-");
        else if (field == FIELD_TIME)
                text_add_clock(t, row_number(event, field), true);
        else
                value_add(t, (int) field, row_get(event, field));
}

void columns_add(struct text *t, struct columns *c, struct json_object *event,
                 const struct line_format *format) {
        size_t room = format->columns > 0 ? format->columns : SIZE_MAX / 2;
        _cleanup_text_ struct text value = {};

        for (size_t i = 0; i < c->n; i++) {
                text_reset(&value);
                add_value(&value, c->fields[i], event);
                size_t width = MIN(text_width(text_string(&value)), (size_t) WIDTH_MAX);
                if (i + 1 < c->n)
                        c->widths[i] = MAX(c->widths[i], width);
                add_cell(t, c, i, text_string(&value), &room, STYLE_NONE, format->colour);
        }
        text_add_char(t, '\n', 1);
        t->failed = t->failed || value.failed;
}
