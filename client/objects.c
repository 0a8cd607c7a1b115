/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "objects.h"

#include <json.h>
#include <string.h>

#include "bus-json.h"
#include "bus.h"
#include "client.h"
#include "value.h"

enum { PAGE_ROWS = 4096 };

static const struct kind_info kinds[_KIND_MAX] = {
        [KIND_PROG] = {"prog", "program", "programs", "ListPrograms", "GetProgram", FIELD_PROG_ID},
        [KIND_MAP] = {"map", "map", "maps", "ListMaps", "GetMap", FIELD_MAP_ID},
        [KIND_LINK] = {"link", "link", "links", "ListLinks", "GetLink", FIELD_LINK_ID},
        [KIND_BTF] = {"btf", "BTF", "BTF", "ListBtf", "GetBtf", FIELD_BTF_ID},
};

const struct kind_info *kind_info(enum kind kind) {
        return &kinds[kind];
}

int kind_from_name(const char *name) {
        for (int i = 0; i < _KIND_MAX; i++)
                if (strcmp(name, kinds[i].name) == 0 || strcmp(name, kinds[i].one) == 0 ||
                    strcmp(name, kinds[i].many) == 0)
                        return i;

        return -ENOENT;
}

/* Which rows of the list: all (`limit` 0), or so many after an id. */
struct page {
        uint32_t limit, after;
};

static int append_page(sd_bus_message *m, const void *userdata) {
        const struct page *p = userdata;

        return p->limit ? sd_bus_message_append(m, "{sv}{sv}", "limit", "u", p->limit, "after", "u",
                                                p->after)
                        : 0;
}

/* Rows of `from` go to the end of `to`. */
static int move_rows(struct json_object *to, struct json_object *from) {
        const size_t n = json_object_array_length(from);

        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_get(json_object_array_get_idx(from, i));
                if (json_object_array_add(to, row) < 0) {
                        json_object_put(row);
                        return -ENOMEM;
                }
        }
        return 0;
}

/* "links" or "links: out of time" */
static bool is_about(const char *part, const char *what) {
        const size_t n = strlen(what);

        return strncmp(part, what, n) == 0 && (part[n] == 0 || part[n] == ':');
}

bool objects_cut(struct json_object *rows, enum kind kind) {
        static const enum field fields[] = {FIELD_INCOMPLETE, FIELD_INCOMPLETE_REASONS};
        const char *what = kind == KIND_BTF ? kinds[kind].name : kinds[kind].many;

        for (size_t i = 0; i < json_object_array_length(rows) * ELEMENTSOF(fields); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i / ELEMENTSOF(fields));
                struct json_object *parts = row_get(row, fields[i % ELEMENTSOF(fields)]);

                for (size_t j = 0; parts && j < json_object_array_length(parts); j++)
                        if (is_about(json_object_get_string(json_object_array_get_idx(parts, j)),
                                     what))
                                return true;
        }
        return false;
}

/* An empty part is the end. Where there may be more, the call fails: of that it is enough when the
 * rows say so. */
int objects_fetch(sd_bus *bus, enum kind kind, char **matches, size_t n,
                  const struct options *options, const struct field_set *only,
                  struct json_object **ret) {
        _cleanup_json_ struct json_object *all = json_object_new_array();
        struct page page = {};
        bool limited = false, unread = false;
        int r = all ? 0 : -ENOMEM;

        while (r >= 0) {
                const struct bus_options more = {only, append_page, &page,
                                                 page.limit ? NULL : &limited,
                                                 objects_cut(all, kind) ? &unread : NULL};
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                _cleanup_json_ struct json_object *rows = NULL;
                int status = bus_call_options(bus, kinds[kind].list, matches, n, options, &more,
                                              &reply);

                if (limited && !page.limit) {
                        page.limit = PAGE_ROWS;
                        continue;
                }
                if (unread)
                        break;
                if (status != EXIT_SUCCESS)
                        return status;
                r = bus_json_read_rows(reply, &rows);
                if (r <= 0)
                        return bus_complain(NULL, r < 0 ? r : -EBADMSG);
                const size_t got = json_object_array_length(rows);
                r = move_rows(all, rows);
                if (!page.limit || got == 0)
                        break;
                page.after = (uint32_t) row_number(json_object_array_get_idx(rows, got - 1),
                                                   kinds[kind].id);
        }
        if (r < 0)
                return bus_complain(NULL, r);
        *ret = TAKE_PTR(all);
        return EXIT_SUCCESS;
}

static int append_id(sd_bus_message *m, const void *userdata) {
        return sd_bus_message_append(m, "u", *(const uint32_t *) userdata);
}

int objects_fetch_one(sd_bus *bus, enum kind kind, uint32_t id, const struct options *options,
                      struct json_object **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int status = bus_call_arguments(bus, kinds[kind].get, append_id, &id, options, &reply);

        if (status != EXIT_SUCCESS)
                return status;
        int r = bus_json_read_row(reply, NULL, ret);
        return r > 0 ? EXIT_SUCCESS : bus_complain(NULL, r < 0 ? r : -EBADMSG);
}
