/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>
#include <string.h>

#include "value.h"

static void add_list(struct text *t, struct json_object *list) {
        size_t n = json_object_array_length(list);

        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        text_add(t, ", ");
                value_add(t, -1, json_object_array_get_idx(list, i));
        }
}

static void add_dictionary(struct text *t, struct json_object *dictionary) {
        bool first = true;

        json_object_object_foreach(dictionary, key, value) {
                if (!first)
                        text_add(t, " ");
                first = false;
                text_add_escaped(t, key);
                text_add(t, "=");
                value_add(t, -1, value);
        }
}

static void add_number(struct text *t, enum field_unit unit, struct json_object *value) {
        switch (unit) {
        case UNIT_NANOSECONDS:
                text_add_duration(t, json_object_get_uint64(value));
                break;
        case UNIT_MICROSECONDS:
                text_add_date(t, json_object_get_uint64(value));
                break;
        case UNIT_BYTES:
                text_add_size(t, json_object_get_uint64(value));
                break;
        case UNIT_HEX:
                text_printf(t, "0x%jx", (uintmax_t) json_object_get_uint64(value));
                break;
        default:
                text_add(t, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
        }
}

void value_add(struct text *t, int field, struct json_object *value) {
        switch (json_object_get_type(value)) {
        case json_type_null:
                break;
        case json_type_boolean:
                text_add(t, json_object_get_boolean(value) ? "yes" : "no");
                break;
        case json_type_string:
                text_add_escaped(t, json_object_get_string(value));
                break;
        case json_type_array:
                add_list(t, value);
                break;
        case json_type_object:
                add_dictionary(t, value);
                break;
        default:
                add_number(t, field < 0 ? UNIT_NONE : field_info((enum field) field)->unit, value);
        }
}

bool value_is_number(enum field field) {
        const struct field_info *info = field_info(field);

        return (info->type == TYPE_U32 || info->type == TYPE_U64 || info->type == TYPE_S64) &&
               info->unit != UNIT_MICROSECONDS;
}

struct json_object *row_get(struct json_object *row, enum field field) {
        return json_object_object_get(row, field_info(field)->name);
}

const char *row_string(struct json_object *row, enum field field) {
        struct json_object *value = row_get(row, field);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

uint64_t row_number(struct json_object *row, enum field field) {
        struct json_object *value = row_get(row, field);

        return json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;
}

/* A value by the name that a template has for it. */
static struct json_object *find(struct json_object *row, const char *name, size_t length,
                                int *ret_field) {
        static const char prefix[] = "bpf.attr.";
        char key[64];

        if (length >= sizeof(key))
                return NULL;
        memcpy(key, name, length);
        key[length] = '\0';

        *ret_field = -1;
        if (strncmp(key, prefix, strlen(prefix)) != 0) {
                *ret_field = field_from_name(key);
                return json_object_object_get(row, key);
        }

        struct json_object *attr = row_get(row, FIELD_BPF_ATTR);
        return json_object_is_type(attr, json_type_object)
                       ? json_object_object_get(attr, key + strlen(prefix))
                       : NULL;
}

/* Adds `n` bytes of a template without groups. False, with nothing added, where a field is absent.
 */
static bool add_part(struct text *t, struct json_object *row, const char *s, size_t n,
                     size_t start) {
        const char *end = s + n;
        size_t before = t->n;
        int field;

        while (s < end) {
                const char *close = *s == '{' ? memchr(s, '}', (size_t) (end - s)) : NULL;
                if (!close) {
                        if (*s != ' ' || t->n > start)
                                text_add_char(t, *s, 1);
                        s++;
                        continue;
                }

                struct json_object *value = find(row, s + 1, (size_t) (close - s - 1), &field);
                if (!value) {
                        t->n = before;
                        if (t->data)
                                t->data[before] = '\0';
                        return false;
                }
                value_add(t, field, value);
                s = close + 1;
        }

        return true;
}

void row_add(struct text *t, struct json_object *row, const char *template) {
        size_t start = t->n;

        while (*template) {
                if (*template != '<') {
                        size_t n = strcspn(template, "<");
                        add_part(t, row, template, n, start);
                        template += n;
                        continue;
                }

                const char *end = strchrnul(template, '>');
                for (const char *s = template + 1; s < end;) {
                        const char *bar = memchr(s, '|', (size_t) (end - s));
                        const char *stop = bar ? bar : end;
                        if (add_part(t, row, s, (size_t) (stop - s), start))
                                break;
                        s = stop + 1;
                }
                template = *end ? end + 1 : end;
        }
}
