/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-bus.h"

#include <stdint.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "event.h"
#include "util.h"

/* How a value of each type is appended; what it adds to `at`, the offset where it begins, is its
 * marshalled size with padding (D-Bus specification, "Marshaling"). */

static size_t align(size_t at, size_t to) {
        return (at + to - 1) & ~(to - 1);
}

static int append_bool(sd_bus_message *m, const struct value *v, size_t *at) {
        int boolean = v->boolean;

        *at = align(*at, 4) + 4;
        return sd_bus_message_append_basic(m, 'b', &boolean);
}

static int append_u32(sd_bus_message *m, const struct value *v, size_t *at) {
        *at = align(*at, 4) + 4;
        return sd_bus_message_append_basic(m, 'u', &v->u32);
}

static int append_u64(sd_bus_message *m, const struct value *v, size_t *at) {
        *at = align(*at, 8) + 8;
        return sd_bus_message_append_basic(m, 't', &v->u64);
}

static int append_s64(sd_bus_message *m, const struct value *v, size_t *at) {
        *at = align(*at, 8) + 8;
        return sd_bus_message_append_basic(m, 'x', &v->s64);
}

static int append_text(sd_bus_message *m, const char *text, size_t *at) {
        *at = align(*at, 4) + 4 + strlen(text) + 1;
        return sd_bus_message_append_basic(m, 's', text);
}

static int append_string(sd_bus_message *m, const struct value *v, size_t *at) {
        return append_text(m, v->string, at);
}

static int append_strings(sd_bus_message *m, const struct value *v, size_t *at) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        if (r < 0)
                return r;

        *at = align(*at, 4) + 4;
        for (size_t i = 0; i < v->strings.n; i++) {
                r = append_text(m, v->strings.items[i], at);
                if (r < 0)
                        return r;
        }

        return sd_bus_message_close_container(m);
}

static int append_u32s(sd_bus_message *m, const struct value *v, size_t *at) {
        size_t size = v->u32s.n * sizeof(uint32_t);

        *at = align(*at, 4) + 4 + size;
        return sd_bus_message_append_array(m, 'u', v->u32s.items, size);
}

static int append_bytes(sd_bus_message *m, const struct value *v, size_t *at) {
        *at = align(*at, 4) + 4 + v->bytes.size;
        return sd_bus_message_append_array(m, 'y', v->bytes.data, v->bytes.size);
}

static int append_dict(sd_bus_message *m, const struct value *v, size_t *at);

static const struct {
        const char *signature;
        int (*append)(sd_bus_message *m, const struct value *v, size_t *at);
} types[_TYPE_MAX] = {
        [TYPE_BOOL] = {"b", append_bool},     [TYPE_U32] = {"u", append_u32},
        [TYPE_U64] = {"t", append_u64},       [TYPE_S64] = {"x", append_s64},
        [TYPE_STRING] = {"s", append_string}, [TYPE_STRINGS] = {"as", append_strings},
        [TYPE_U32S] = {"au", append_u32s},    [TYPE_BYTES] = {"ay", append_bytes},
        [TYPE_DICT] = {"a{sv}", append_dict},
};

/* One {sv}. Without the varargs of sd_bus_message_append(), whose parsing of the signature costs
 * as much again. */
static int append_entry(sd_bus_message *m, const char *key, const struct value *v, size_t *at) {
        const char *signature = types[v->type].signature;
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r < 0)
                return r;

        *at = align(*at, 8);
        r = append_text(m, key, at);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(m, 'v', signature);
        if (r < 0)
                return r;

        *at += 1 + strlen(signature) + 1;
        r = types[v->type].append(m, v, at);
        if (r < 0)
                return r;

        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(m);
}

static int append_dict(sd_bus_message *m, const struct value *v, size_t *at) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r < 0)
                return r;

        *at = align(align(*at, 4) + 4, 8);
        for (size_t i = 0; i < v->dict.n; i++) {
                r = append_entry(m, v->dict.items[i].key, &v->dict.items[i].value, at);
                if (r < 0)
                        return r;
        }

        return sd_bus_message_close_container(m);
}

int event_append(const struct event *e, const struct field_set *only, sd_bus_message *m) {
        /* Where the array begins is unknown: 3 bytes of padding, its length, 4 bytes more before
         * the first entry; 16 keeps the offset aligned. */
        size_t at = 16;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r < 0)
                return r;

        for (int f = -1; (f = event_next(e, f)) >= 0;) {
                if (only && !field_set_has(only, (enum field) f))
                        continue;
                r = append_entry(m, field_info(f)->name, &e->values[f], &at);
                if (r < 0)
                        return r;
        }

        r = sd_bus_message_close_container(m);
        if (r < 0)
                return r;

        return at;
}
