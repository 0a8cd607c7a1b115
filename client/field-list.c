/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl --fields=help: the fields that there are. */

#include <string.h>

#include "client.h"
#include "output.h"
#include "table.h"

static const struct table_column columns[] = {
        {"FIELD"},
        {"TYPE"},
        {"MEANING", .least = 20},
};

static const char *const types[_TYPE_MAX] = {
        [TYPE_BOOL] = "yes or no", [TYPE_U32] = "number",    [TYPE_U64] = "number",
        [TYPE_S64] = "number",     [TYPE_STRING] = "string", [TYPE_STRINGS] = "strings",
        [TYPE_U32S] = "numbers",   [TYPE_BYTES] = "bytes",   [TYPE_DICT] = "dictionary",
};

static int fill(struct table *t) {
        int r = 0;

        for (int f = 0; f < _FIELD_MAX && r >= 0; f++) {
                const struct field_info *info = field_info((enum field) f);
                r = table_add(t, info->name, STYLE_BOLD);
                if (r >= 0)
                        r = table_add(t, types[info->type], STYLE_NONE);
                if (r >= 0)
                        r = table_add(t, info->meaning, STYLE_NONE);
        }

        return r;
}

int list_fields(const struct options *options) {
        const struct table_format format = {
                .columns = options->full ? 0 : output_columns(),
                .colour = options->colour,
                .legend = options->legend,
        };
        _cleanup_(table_freep) struct table *t = NULL;
        struct output output = OUTPUT_INIT;

        int r = table_new(&t, columns, ELEMENTSOF(columns));
        if (r >= 0)
                r = fill(t);
        if (r < 0) {
                complain("cannot list the fields: %s", strerror(-r));
                return EXIT_FAILURE;
        }

        table_print(t, &output.text, &format);
        output_start_pager(&output, options);
        return output_finish(&output);
}
