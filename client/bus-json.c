/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "bus-json.h"

union basic {
        uint8_t y;
        int b; /* and h */
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
        const char *s; /* and o, g */
};

static struct json_object *from_basic(char type, const union basic *v) {
        switch (type) {
        case 'y':
                return json_object_new_int(v->y);
        case 'b':
                return json_object_new_boolean(v->b);
        case 'n':
                return json_object_new_int(v->n);
        case 'q':
                return json_object_new_int(v->q);
        case 'i':
                return json_object_new_int(v->i);
        case 'u':
                return json_object_new_int64(v->u);
        case 'x':
                return json_object_new_int64(v->x);
        case 't':
                return json_object_new_uint64(v->t);
        case 'd': /* JSON has no infinity and no NaN */
                return isfinite(v->d) ? json_object_new_double(v->d) : NULL;
        case 'h':
                return json_object_new_int(v->b);
        default:
                return json_object_new_string(v->s);
        }
}

static int read_basic(sd_bus_message *m, char type, struct json_object **ret) {
        union basic v = {};

        int r = sd_bus_message_read_basic(m, type, &v);
        if (r <= 0)
                return r;

        *ret = from_basic(type, &v);
        return *ret || type == 'd' ? 1 : -ENOMEM;
}

static int read_bytes(sd_bus_message *m, struct json_object **ret) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *data;
        size_t size;

        int r = sd_bus_message_read_array(m, 'y', (const void **) &data, &size);
        if (r <= 0)
                return r;

        _cleanup_free_ char *hex = malloc(size * 2 + 1);
        if (!hex)
                return -ENOMEM;
        for (size_t i = 0; i < size; i++) {
                hex[2 * i] = digits[data[i] >> 4];
                hex[2 * i + 1] = digits[data[i] & 0xf];
        }

        *ret = json_object_new_string_len(hex, (int) (size * 2));
        return *ret ? 1 : -ENOMEM;
}

/* Arrays, and structures: whose parts have no names. */
static int read_array(sd_bus_message *m, char type, const char *contents,
                      struct json_object **ret) {
        _cleanup_json_ struct json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        int r = sd_bus_message_enter_container(m, type, contents);
        if (r <= 0)
                return r;

        for (;;) {
                struct json_object *item = NULL;

                r = bus_json_read(m, &item);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (json_object_array_add(array, item) < 0) {
                        json_object_put(item);
                        return -ENOMEM;
                }
        }

        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(array);
        return 1;
}

/* A dictionary whose keys are of any basic type: a key is the text of its JSON value. */
static int read_dictionary(sd_bus_message *m, const char *contents, struct json_object **ret) {
        char entry[256];
        _cleanup_json_ struct json_object *object = json_object_new_object();

        if (!object)
                return -ENOMEM;
        size_t length = strlen(contents);
        if (length < 4 || length - 2 >= sizeof(entry))
                return -EBADMSG;
        memcpy(entry, contents + 1, length - 2); /* without the braces */
        entry[length - 2] = '\0';

        int r = sd_bus_message_enter_container(m, 'a', contents);
        if (r <= 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', entry)) > 0) {
                _cleanup_json_ struct json_object *key = NULL, *value = NULL;

                r = bus_json_read(m, &key);
                if (r > 0)
                        r = bus_json_read(m, &value);
                if (r > 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
                if (json_object_object_add(object, key ? json_object_get_string(key) : "null",
                                           value) < 0)
                        return -ENOMEM;
                value = NULL;
        }
        if (r == 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(object);
        return 1;
}

static int read_variant(sd_bus_message *m, const char *contents, struct json_object **ret) {
        _cleanup_json_ struct json_object *value = NULL;

        int r = sd_bus_message_enter_container(m, 'v', contents);
        if (r <= 0)
                return r;
        r = bus_json_read(m, &value);
        if (r == 0)
                r = -EBADMSG;
        if (r > 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(value);
        return 1;
}

/* Recursion ends where sd-bus refuses to enter: at the nesting limit of the D-Bus specification. */
int bus_json_read(sd_bus_message *m, struct json_object **ret) {
        const char *contents;
        char type;

        int r = sd_bus_message_peek_type(m, &type, &contents);
        if (r <= 0)
                return r;

        switch (type) {
        case 'a':
                if (contents[0] == 'y')
                        return read_bytes(m, ret);
                if (contents[0] == '{')
                        return read_dictionary(m, contents, ret);
                return read_array(m, 'a', contents, ret);
        case 'r':
                return read_array(m, 'r', contents, ret);
        case 'v':
                return read_variant(m, contents, ret);
        default:
                return read_basic(m, type, ret);
        }
}

/* The field named `name`, looked for after `previous` first: rows have their keys in the order of
 * the table. */
static int field_after(int previous, const char *name) {
        for (int f = previous + 1; f < _FIELD_MAX; f++)
                if (strcmp(field_info((enum field) f)->name, name) == 0)
                        return f;

        return field_from_name(name);
}

/* The variant of a field that has the type of the table: no need to look first what is in it.
 * -ENXIO where it is of another type. `ret` NULL: skips it. */
static int read_field(sd_bus_message *m, enum field f, struct json_object **ret) {
        const char *signature = field_type_signature(field_info(f)->type);
        struct json_object *value = NULL;

        int r = sd_bus_message_enter_container(m, 'v', signature);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;

        if (!ret)
                r = sd_bus_message_skip(m, signature);
        else if (!signature[1])
                r = read_basic(m, signature[0], &value);
        else
                r = bus_json_read(m, &value);
        if (r > 0)
                r = sd_bus_message_exit_container(m);
        if (r <= 0) {
                json_object_put(value);
                return r < 0 ? r : -EBADMSG;
        }

        if (ret)
                *ret = value;
        return 1;
}

/* Any other variant. */
static int read_unknown(sd_bus_message *m, struct json_object **ret) {
        const char *contents;

        if (!ret)
                return sd_bus_message_skip(m, "v");

        int r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r > 0)
                r = read_variant(m, contents, ret);
        return r == 0 ? -EBADMSG : r;
}

/* One {sv} of a row. `field` is the field before it and becomes this one. Returns as
 * bus_json_read(). */
static int read_entry(sd_bus_message *m, const struct field_set *only, int *field,
                      struct json_object *row) {
        _cleanup_json_ struct json_object *value = NULL;
        const char *key;

        int r = sd_bus_message_enter_container(m, 'e', "sv");
        if (r <= 0)
                return r;
        r = sd_bus_message_read_basic(m, 's', &key);
        if (r < 0)
                return r;

        int f = field_after(*field, key);
        bool known = f >= 0;
        bool wanted = !only || (known && field_set_has(only, (enum field) f));

        r = known ? read_field(m, (enum field) f, wanted ? &value : NULL) : -ENXIO;
        if (r == -ENXIO)
                r = read_unknown(m, wanted ? &value : NULL);
        if (r > 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        if (known)
                *field = f;
        if (!wanted)
                return 1;
        if (json_object_object_add_ex(row, known ? field_info((enum field) f)->name : key, value,
                                      known ? JSON_C_OBJECT_KEY_IS_CONSTANT : 0) < 0)
                return -ENOMEM;

        value = NULL;
        return 1;
}

int bus_json_read_row(sd_bus_message *m, const struct field_set *only, struct json_object **ret) {
        _cleanup_json_ struct json_object *row = json_object_new_object();
        int field = -1;

        if (!row)
                return -ENOMEM;
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r <= 0)
                return r;

        do
                r = read_entry(m, only, &field, row);
        while (r > 0);
        if (r == 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(row);
        return 1;
}

int bus_json_read_rows(sd_bus_message *m, struct json_object **ret) {
        _cleanup_json_ struct json_object *rows = json_object_new_array();

        if (!rows)
                return -ENOMEM;
        int r = sd_bus_message_enter_container(m, 'a', "a{sv}");
        if (r <= 0)
                return r;

        for (;;) {
                struct json_object *row = NULL;

                r = bus_json_read_row(m, NULL, &row);
                if (r <= 0)
                        break;
                if (json_object_array_add(rows, row) < 0) {
                        json_object_put(row);
                        return -ENOMEM;
                }
        }
        if (r == 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(rows);
        return 1;
}
