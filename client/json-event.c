/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-event.h"

#include <json.h>

#include "util.h"

enum {
        ITEMS_MAX = 1024, /* of a list; a match needs no more */
};

static void set_strings(struct event *e, enum field f, struct json_object *list) {
        const size_t n = MIN(json_object_array_length(list), (size_t) ITEMS_MAX);
        const char *items[ITEMS_MAX];

        for (size_t i = 0; i < n; i++)
                items[i] = json_object_get_string(json_object_array_get_idx(list, i));
        event_set_strings(e, f, items, n);
}

static void set_numbers(struct event *e, enum field f, struct json_object *list) {
        const size_t n = MIN(json_object_array_length(list), (size_t) ITEMS_MAX);
        uint32_t items[ITEMS_MAX];

        for (size_t i = 0; i < n; i++)
                items[i] = (uint32_t) json_object_get_uint64(json_object_array_get_idx(list, i));
        event_set_u32s(e, f, items, n);
}

static void set(struct event *e, enum field f, struct json_object *value) {
        const enum json_type is = json_object_get_type(value);

        switch (field_info(f)->type) {
        case TYPE_BOOL:
                if (is == json_type_boolean)
                        event_set_bool(e, f, json_object_get_boolean(value));
                break;
        case TYPE_U32:
                if (is == json_type_int)
                        event_set_u32(e, f, (uint32_t) json_object_get_uint64(value));
                break;
        case TYPE_U64:
                if (is == json_type_int)
                        event_set_u64(e, f, json_object_get_uint64(value));
                break;
        case TYPE_S64:
                if (is == json_type_int)
                        event_set_s64(e, f, json_object_get_int64(value));
                break;
        case TYPE_STRING:
                if (is == json_type_string)
                        event_set_string(e, f, json_object_get_string(value));
                break;
        case TYPE_STRINGS:
                if (is == json_type_array)
                        set_strings(e, f, value);
                break;
        case TYPE_U32S:
                if (is == json_type_array)
                        set_numbers(e, f, value);
                break;
        case TYPE_BYTES:
        case TYPE_DICT:
        case _TYPE_MAX:
                break;
        }
}

void json_event(struct event *ret, struct json_object *object) {
        event_reset(ret);
        json_object_object_foreach(object, key, value) {
                int f = field_from_name(key);
                if (f >= 0)
                        set(ret, (enum field) f, value);
        }
}
