/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-flat.h"

#include "event.h"

/* A field is its number, then its value; FIELD_END ends the event. Strings have their NUL. */
enum {
        FIELD_END = 255,
};

_Static_assert((int) _FIELD_MAX < (int) FIELD_END, "a field is one byte");

static void put_string(struct bytes *b, const char *s) {
        bytes_put_block(b, s, strlen(s) + 1);
}

static void put_value(struct bytes *b, const struct value *v) {
        switch (v->type) {
        case TYPE_BOOL:
                bytes_put_byte(b, v->boolean);
                break;
        case TYPE_U32:
                bytes_put_number(b, v->u32);
                break;
        case TYPE_U64:
                bytes_put_number(b, v->u64);
                break;
        case TYPE_S64:
                bytes_put_signed(b, v->s64);
                break;
        case TYPE_STRING:
                put_string(b, v->string);
                break;
        case TYPE_STRINGS:
                bytes_put_number(b, v->strings.n);
                for (size_t i = 0; i < v->strings.n; i++)
                        put_string(b, v->strings.items[i]);
                break;
        case TYPE_U32S:
                bytes_put_number(b, v->u32s.n);
                bytes_put(b, v->u32s.items, v->u32s.n * sizeof(uint32_t));
                break;
        case TYPE_BYTES:
                bytes_put_block(b, v->bytes.data, v->bytes.size);
                break;
        case TYPE_DICT:
                bytes_put_number(b, v->dict.n);
                for (size_t i = 0; i < v->dict.n; i++) {
                        put_string(b, v->dict.items[i].key);
                        bytes_put_byte(b, (uint8_t) v->dict.items[i].value.type);
                        put_value(b, &v->dict.items[i].value);
                }
                break;
        default:
                break;
        }
}

void flat_put(struct bytes *b, const struct event *e) {
        for (int f = -1; (f = event_next(e, f)) >= 0;) {
                bytes_put_byte(b, (uint8_t) f);
                put_value(b, &e->values[f]);
        }
        bytes_put_byte(b, FIELD_END);
}

/* Room in the arena for `n` items of `size` bytes; NULL where it is full. */
static void *room(struct event *e, size_t n, size_t size) {
        size_t start = (e->arena_used + sizeof(void *) - 1) & ~(sizeof(void *) - 1);

        if (start > EVENT_ARENA_SIZE || n > (EVENT_ARENA_SIZE - start) / size)
                return NULL;

        e->arena_used = start + n * size;
        return e->arena + start;
}

static const char *take_string(struct bytes_reader *r) {
        size_t n;
        const char *s = bytes_take_block(r, &n);

        if (!s || n == 0 || s[n - 1]) {
                r->bad = true;
                return "";
        }

        return s;
}

static void take_strings(struct bytes_reader *r, struct event *e, struct value *v) {
        size_t n = bytes_take_number(r);
        const char **items = n <= bytes_left(r) ? room(e, n, sizeof(items[0])) : NULL;

        r->bad = r->bad || !items;
        for (size_t i = 0; !r->bad && i < n; i++)
                items[i] = take_string(r);
        v->strings.items = items;
        v->strings.n = n;
}

static void take_u32s(struct bytes_reader *r, struct event *e, struct value *v) {
        size_t n = bytes_take_number(r);
        const void *data = n <= bytes_left(r) ? bytes_take(r, n * sizeof(uint32_t)) : NULL;
        uint32_t *items = data ? room(e, n, sizeof(items[0])) : NULL;

        if (!items) {
                r->bad = true;
                return;
        }

        v->u32s.items = memcpy(items, data, n * sizeof(items[0]));
        v->u32s.n = n;
}

static void take_value(struct bytes_reader *r, struct event *e, enum field_type type,
                       struct value *ret);

static void take_dict(struct bytes_reader *r, struct event *e, struct value *v) {
        size_t n = bytes_take_number(r);
        struct dict_entry *items = n <= EVENT_DICT_MAX ? room(e, n, sizeof(items[0])) : NULL;

        r->bad = r->bad || !items;
        for (size_t i = 0; !r->bad && i < n; i++) {
                items[i].key = take_string(r);
                uint8_t type = bytes_take_byte(r);
                if (type >= TYPE_DICT)
                        r->bad = true;
                else
                        take_value(r, e, (enum field_type) type, &items[i].value);
        }
        v->dict.items = items;
        v->dict.n = n;
}

static void take_value(struct bytes_reader *r, struct event *e, enum field_type type,
                       struct value *ret) {
        ret->type = type;
        switch (type) {
        case TYPE_BOOL:
                ret->boolean = bytes_take_byte(r);
                break;
        case TYPE_U32:
                ret->u32 = (uint32_t) bytes_take_number(r);
                break;
        case TYPE_U64:
                ret->u64 = bytes_take_number(r);
                break;
        case TYPE_S64:
                ret->s64 = bytes_take_signed(r);
                break;
        case TYPE_STRING:
                ret->string = take_string(r);
                break;
        case TYPE_STRINGS:
                take_strings(r, e, ret);
                break;
        case TYPE_U32S:
                take_u32s(r, e, ret);
                break;
        case TYPE_BYTES:
                ret->bytes.data = bytes_take_block(r, &ret->bytes.size);
                break;
        case TYPE_DICT:
                take_dict(r, e, ret);
                break;
        default:
                r->bad = true;
        }
}

int flat_take(struct bytes_reader *r, struct event *e) {
        event_reset(e);
        for (uint8_t f; (f = bytes_take_byte(r)) != FIELD_END;) {
                if (r->bad || f >= _FIELD_MAX)
                        return -EBADMSG;
                take_value(r, e, field_info(f)->type, &e->values[f]);
                if (r->bad)
                        return -EBADMSG;
                e->present[f / 64] |= UINT64_C(1) << (f % 64);
        }

        return 0;
}
