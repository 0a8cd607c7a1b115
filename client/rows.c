/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <json.h>
#include <string.h>

#include "output.h"
#include "rows.h"
#include "value.h"

int rows_add(struct table *t, struct json_object *row, const char *template, enum style style) {
        _cleanup_text_ struct text cell = {};

        row_add(&cell, row, template);
        return cell.failed ? -ENOMEM : table_add(t, text_string(&cell), style);
}

int rows_add_fields(struct table *t, struct json_object *row, const struct options *options) {
        int r = 0;

        for (size_t i = 0; i < options->n_fields && r >= 0; i++) {
                _cleanup_text_ struct text cell = {};

                value_add(&cell, (int) options->fields[i], row_get(row, options->fields[i]));
                r = cell.failed ? -ENOMEM : table_add(t, text_string(&cell), STYLE_NONE);
        }

        return r;
}

void rows_field_columns(struct table_column *ret, const struct options *options) {
        for (size_t i = 0; i < options->n_fields; i++) {
                enum field f = options->fields[i];
                bool number = value_is_number(f);
                ret[i] = (struct table_column){field_info(f)->name, number, number ? 0 : 8};
        }
}

static int fill(struct table *t, struct json_object *rows, size_t n, const struct rows_view *view,
                const struct options *options) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                r = options->n_fields > 0 ? rows_add_fields(t, row, options)
                                          : view->add(t, row, view->userdata);
        }

        return r;
}

void rows_add_count(struct text *t, uint64_t n, uint64_t all, const char *one, const char *many) {
        text_printf(t, "\n%" PRIu64 " %s", n, n == 1 ? one : many);
        if (n < all)
                text_printf(t, " of %" PRIu64, all);
        text_add(t, "\n");
}

static int add_table(struct output *o, struct json_object *rows, size_t n,
                     const struct rows_view *view, const struct options *options) {
        const struct table_format format = {
                .columns = options->full ? 0 : output_columns(),
                .colour = options->colour,
                .legend = options->legend,
        };
        struct table_column chosen[_FIELD_MAX];
        _cleanup_(table_freep) struct table *t = NULL;

        rows_field_columns(chosen, options);
        int r = options->n_fields > 0 ? table_new(&t, chosen, options->n_fields)
                                      : table_new(&t, view->columns, view->n_columns);
        if (r >= 0)
                r = fill(t, rows, n, view, options);
        if (r < 0)
                return r;

        table_print(t, &o->text, &format);
        if (options->legend)
                rows_add_count(&o->text, n, json_object_array_length(rows), view->one, view->many);
        return 0;
}

int rows_print(struct json_object *rows, const struct rows_view *view,
               const struct options *options) {
        size_t n = MIN(json_object_array_length(rows), options->lines);
        struct output output = OUTPUT_INIT;

        if (options->json != JSON_OFF) {
                for (size_t i = 0; i < n; i++)
                        output_row(&output, json_object_array_get_idx(rows, i), options);
        } else if (add_table(&output, rows, n, view, options) < 0)
                output.text.failed = true;

        output_start_pager(&output, options);
        return output_finish(&output);
}
