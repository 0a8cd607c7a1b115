/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bpfmonctl programs, maps, links and btf: what is in the kernel now, and who brought it. */

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "clock.h"
#include "objects.h"
#include "output.h"
#include "rows.h"
#include "value.h"

enum {
        COLUMNS_MAX = 16,
        FIELDS_MAX = 6,
        /* Terminals that are wide enough for more columns. */
        WIDE = 100,
        WIDER = 140,
        WIDEST = 190,
};

/* A cell that a template is not enough for. */
typedef void (*add_cell)(struct text *t, struct json_object *row);

/* A column: where it is shown, and what it is made from. */
struct column {
        struct table_column table;
        size_t from;          /* columns of the terminal; 0: always */
        const char *template; /* of value.h */
        add_cell add;         /* where there is none */
        enum style style;
        enum field fields[FIELDS_MAX]; /* ends with 0, which is FIELD_SEQ */
};

/* Cells ---------------------------------------------------------------------------------------- */

static bool is_true(struct json_object *row, enum field f) {
        return json_object_get_boolean(row_get(row, f));
}

static void add_loader(struct text *t, struct json_object *row) {
        if (is_true(row, FIELD_OWN))
                text_add(t, "(bpfmond itself)");
        else if (row_get(row, FIELD_LOADED_BY_NAME))
                row_add(t, row, "{loaded_by.name}<[{loaded_by.pid}]>");
        else if (is_true(row, FIELD_EXISTED))
                text_add(t, "(before bpfmond)");
        else if (is_true(row, FIELD_BTF_KERNEL))
                text_add(t, "(the kernel)");
        else
                text_add(t, "(not seen)");
}

/* Since when it is there: when it was seen to come, or when the kernel says that it did. */
static void add_age(struct text *t, struct json_object *row) {
        const uint64_t time = row_number(row, FIELD_LOADED_BY_TIME)
                                      ?: row_number(row, FIELD_PROG_LOAD_TIME);
        const uint64_t us = clock_usec(CLOCK_REALTIME);

        if (time > 0 && us >= time + 1000000)
                text_add_duration(t, (us - time) / 1000000 * 1000000000);
        else if (time > 0)
                text_add(t, "now");
}

static void add_count(struct text *t, struct json_object *row, enum field f) {
        struct json_object *list = row_get(row, f);

        if (json_object_is_type(list, json_type_array))
                text_printf(t, "%zu", json_object_array_length(list));
}

static void add_maps(struct text *t, struct json_object *row) {
        add_count(t, row, FIELD_PROG_MAPS);
}

static void add_btf_progs(struct text *t, struct json_object *row) {
        add_count(t, row, FIELD_BTF_PROGS);
}

static void add_btf_maps(struct text *t, struct json_object *row) {
        add_count(t, row, FIELD_BTF_MAPS);
}

/* Of a second of one processor. */
static void add_share(struct text *t, struct json_object *row) {
        if (row_get(row, FIELD_PROG_TIME_RATE)) {
                const uint64_t permille = row_number(row, FIELD_PROG_TIME_RATE) / 100000;
                text_printf(t, "%ju.%02ju%%", (uintmax_t) permille / 100,
                            (uintmax_t) permille % 100);
        }
}

/* Columns -------------------------------------------------------------------------------------- */

#define LOADER                                                                               \
        {                                                                                    \
                {"LOADED BY", .least = 14}, 0, NULL, add_loader, STYLE_NONE, {               \
                        FIELD_OWN, FIELD_EXISTED, FIELD_LOADED_BY_NAME, FIELD_LOADED_BY_PID, \
                                FIELD_BTF_KERNEL                                             \
                }                                                                            \
        }
#define UNIT                                                                                       \
        {                                                                                          \
                {"UNIT", .least = 10}, WIDER, "<{loaded_by.unit}|{loaded_by.container.id}>", NULL, \
                        STYLE_DIM, {                                                               \
                        FIELD_LOADED_BY_UNIT, FIELD_LOADED_BY_CONTAINER_ID                         \
                }                                                                                  \
        }
#define AGE                                                        \
        {                                                          \
                {"AGE"}, WIDE, NULL, add_age, STYLE_NONE, {        \
                        FIELD_LOADED_BY_TIME, FIELD_PROG_LOAD_TIME \
                }                                                  \
        }
#define MEMORY                                                                     \
        {                                                                          \
                {"MEMORY", .right = true}, WIDE, "<{memory}>", NULL, STYLE_NONE, { \
                        FIELD_MEMORY                                               \
                }                                                                  \
        }
#define HOLDERS                                                                     \
        {                                                                           \
                {"HELD BY", .least = 12}, WIDER, "<{holders}>", NULL, STYLE_NONE, { \
                        FIELD_HOLDERS                                               \
                }                                                                   \
        }
#define PINS                                                                             \
        {                                                                                \
                {"PINNED AT", .least = 12}, WIDEST, "<{pin.paths}>", NULL, STYLE_NONE, { \
                        FIELD_PIN_PATHS                                                  \
                }                                                                        \
        }

static const struct column prog_columns[] = {
        {{"ID", .right = true}, 0, "<{prog.id}>", NULL, STYLE_BOLD, {FIELD_PROG_ID}},
        {{"TYPE", .least = 8}, 0, "<{prog.type}>", NULL, STYLE_NONE, {FIELD_PROG_TYPE}},
        {{"NAME", .least = 8}, 0, "<{prog.name}>", NULL, STYLE_CYAN, {FIELD_PROG_NAME}},
        LOADER,
        UNIT,
        AGE,
        {{"TAG"}, WIDEST, "<{prog.tag}>", NULL, STYLE_DIM, {FIELD_PROG_TAG}},
        MEMORY,
        {{"MAPS", .right = true}, WIDER, NULL, add_maps, STYLE_NONE, {FIELD_PROG_MAPS}},
        HOLDERS,
        PINS,
        {{"ATTACHED TO", .least = 11}, 0, "<{attachments}>", NULL, STYLE_NONE, {FIELD_ATTACHMENTS}},
};

/* While statistics are on. */
static const struct column rate_columns[] = {
        {{"RUNS/S", .right = true},
         0,
         "<{prog.run_rate}>",
         NULL,
         STYLE_NONE,
         {FIELD_PROG_RUN_RATE}},
        {{"CPU", .right = true}, 0, NULL, add_share, STYLE_NONE, {FIELD_PROG_TIME_RATE}},
};

static const struct column map_columns[] = {
        {{"ID", .right = true}, 0, "<{map.id}>", NULL, STYLE_BOLD, {FIELD_MAP_ID}},
        {{"TYPE", .least = 8}, 0, "<{map.type}>", NULL, STYLE_NONE, {FIELD_MAP_TYPE}},
        {{"NAME", .least = 8}, 0, "<{map.name}>", NULL, STYLE_CYAN, {FIELD_MAP_NAME}},
        LOADER,
        UNIT,
        AGE,
        {{"KEY", .right = true}, WIDE, "<{map.key_size}>", NULL, STYLE_NONE, {FIELD_MAP_KEY_SIZE}},
        {{"VALUE", .right = true},
         WIDE,
         "<{map.value_size}>",
         NULL,
         STYLE_NONE,
         {FIELD_MAP_VALUE_SIZE}},
        {{"ENTRIES", .right = true},
         0,
         "<{map.max_entries}>",
         NULL,
         STYLE_NONE,
         {FIELD_MAP_MAX_ENTRIES}},
        MEMORY,
        HOLDERS,
        PINS,
        {{"PROGRAMS", .least = 8}, 0, "<{map.progs}>", NULL, STYLE_NONE, {FIELD_MAP_PROGS}},
};

static const struct column link_columns[] = {
        {{"ID", .right = true}, 0, "<{link.id}>", NULL, STYLE_BOLD, {FIELD_LINK_ID}},
        {{"TYPE", .least = 8}, 0, "<{link.type}>", NULL, STYLE_NONE, {FIELD_LINK_TYPE}},
        {{"PROGRAM", .least = 12},
         0,
         "<{prog.id}>< {prog.name}>",
         NULL,
         STYLE_CYAN,
         {FIELD_PROG_ID, FIELD_PROG_NAME}},
        LOADER,
        UNIT,
        AGE,
        HOLDERS,
        PINS,
        {{"ATTACHED TO", .least = 11},
         0,
         "<{attach.type} >{attach.target}",
         NULL,
         STYLE_NONE,
         {FIELD_ATTACH_TYPE, FIELD_ATTACH_TARGET}},
};

static const struct column btf_columns[] = {
        {{"ID", .right = true}, 0, "<{btf.id}>", NULL, STYLE_BOLD, {FIELD_BTF_ID}},
        {{"NAME", .least = 8}, 0, "<{btf.name}>", NULL, STYLE_CYAN, {FIELD_BTF_NAME}},
        {{"SIZE", .right = true}, 0, "<{btf.size}>", NULL, STYLE_NONE, {FIELD_BTF_SIZE}},
        LOADER,
        UNIT,
        AGE,
        {{"PROGRAMS", .right = true}, 0, NULL, add_btf_progs, STYLE_NONE, {FIELD_BTF_PROGS}},
        {{"MAPS", .right = true}, 0, NULL, add_btf_maps, STYLE_NONE, {FIELD_BTF_MAPS}},
        {{"HELD BY", .least = 12}, 0, "<{holders}>", NULL, STYLE_NONE, {FIELD_HOLDERS}},
};

static const struct {
        const struct column *columns;
        size_t n;
} tables[_KIND_MAX] = {
        [KIND_PROG] = {prog_columns, ELEMENTSOF(prog_columns)},
        [KIND_MAP] = {map_columns, ELEMENTSOF(map_columns)},
        [KIND_LINK] = {link_columns, ELEMENTSOF(link_columns)},
        [KIND_BTF] = {btf_columns, ELEMENTSOF(btf_columns)},
};

/* Those that are shown. */
struct chosen {
        const struct column *columns[COLUMNS_MAX];
        struct table_column table[COLUMNS_MAX];
        size_t n;
};

static void choose(struct chosen *c, const struct column *columns, size_t n, size_t width) {
        for (size_t i = 0; i < n && c->n < COLUMNS_MAX; i++) {
                /* Without a terminal nothing is too much. */
                if (width > 0 && columns[i].from > width)
                        continue;
                c->columns[c->n] = &columns[i];
                c->table[c->n++] = columns[i].table;
        }
}

static int add_row(struct table *t, struct json_object *row, const void *userdata) {
        const struct chosen *c = userdata;
        int r = 0;

        for (size_t i = 0; i < c->n && r >= 0; i++) {
                const struct column *column = c->columns[i];
                _cleanup_text_ struct text cell = {};

                if (column->add)
                        column->add(&cell, row);
                else
                        row_add(&cell, row, column->template);
                r = cell.failed ? -ENOMEM : table_add(t, text_string(&cell), column->style);
        }
        return r;
}

static void add_fields(struct field_set *set, const enum field *fields, size_t n) {
        for (size_t i = 0; i < n && fields[i]; i++)
                field_set_add(set, fields[i]);
}

/* What is asked for: no more than what is shown. */
static void wanted_fields(struct field_set *set, enum kind kind, const struct chosen *c,
                          const struct options *options) {
        field_set_add(set, kind_info(kind)->id);
        if (options->json == JSON_OFF)
                field_set_add(set, FIELD_INCOMPLETE_REASONS);
        if (options->n_fields > 0) {
                for (size_t i = 0; i < options->n_fields; i++)
                        field_set_add(set, options->fields[i]);
                return;
        }
        for (size_t i = 0; i < c->n; i++)
                add_fields(set, c->columns[i]->fields, FIELDS_MAX);
        if (kind == KIND_PROG)
                for (size_t i = 0; i < ELEMENTSOF(rate_columns); i++)
                        add_fields(set, rate_columns[i].fields, FIELDS_MAX);
}

static bool any_has(struct json_object *rows, enum field f) {
        const size_t n = json_object_array_length(rows);

        for (size_t i = 0; i < n; i++)
                if (row_get(json_object_array_get_idx(rows, i), f))
                        return true;
        return false;
}

/* What was cut short, on standard error: rows that are missing say nothing. What is never
 * accessible on a machine is no news: `show` has it. */
static void tell_incomplete(struct json_object *rows) {
        static const char standing[] = ": not accessible";
        _cleanup_json_ struct json_object *told = json_object_new_object();
        _cleanup_text_ struct text t = {};

        for (size_t i = 0; told && i < json_object_array_length(rows); i++) {
                struct json_object *all = row_get(json_object_array_get_idx(rows, i),
                                                  FIELD_INCOMPLETE_REASONS);

                for (size_t j = 0; all && j < json_object_array_length(all); j++) {
                        const char *why = json_object_get_string(json_object_array_get_idx(all, j));

                        if (strstr(why, standing) || json_object_object_get_ex(told, why, NULL))
                                continue;
                        json_object_object_add(told, why, NULL);
                        text_add(&t, t.n > 0 ? ", " : "");
                        text_add_escaped(&t, why);
                }
        }
        if (t.n > 0 && !t.failed)
                complain("this is not all: %s", text_string(&t));
}

static int list(enum kind kind, char **arguments, size_t n, const struct options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_json_ struct json_object *rows = NULL;
        const size_t width = options->full ? 0 : output_columns();
        struct field_set wanted = {};
        struct chosen chosen = {};
        struct rows_view view = {
                .add = add_row,
                .one = kind_info(kind)->one,
                .many = kind_info(kind)->many,
                .userdata = &chosen,
        };

        choose(&chosen, tables[kind].columns, tables[kind].n, width);
        wanted_fields(&wanted, kind, &chosen, options);
        const bool all = options->json != JSON_OFF && options->n_fields == 0;

        int r = bus_check_matches(arguments, n);
        if (r == EXIT_SUCCESS)
                r = bus_connect(&bus, options);
        if (r == EXIT_SUCCESS)
                r = objects_fetch(bus, kind, arguments, n, options, all ? NULL : &wanted, &rows);
        if (r != EXIT_SUCCESS)
                return r;

        if (kind == KIND_PROG && any_has(rows, FIELD_PROG_RUN_RATE))
                choose(&chosen, rate_columns, ELEMENTSOF(rate_columns), width);
        view.columns = chosen.table;
        view.n_columns = chosen.n;
        r = rows_print(rows, &view, options);
        if (options->json == JSON_OFF)
                tell_incomplete(rows);
        return r;
}

int verb_programs(char **arguments, size_t n, const struct options *options) {
        return list(KIND_PROG, arguments, n, options);
}

int verb_maps(char **arguments, size_t n, const struct options *options) {
        return list(KIND_MAP, arguments, n, options);
}

int verb_links(char **arguments, size_t n, const struct options *options) {
        return list(KIND_LINK, arguments, n, options);
}

int verb_btf(char **arguments, size_t n, const struct options *options) {
        return list(KIND_BTF, arguments, n, options);
}
