/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "event.h"
#include "util.h"

enum {
        UTF8_MAX = 4, /* bytes of one character */
};

void event_reset(struct event *e) {
        memset(e->present, 0, sizeof(e->present));
        e->arena_used = 0;
        e->truncated = 0;
}

const char *event_string(const struct event *e, enum field f) {
        assert(field_info(f)->type == TYPE_STRING);
        return event_has(e, f) ? e->values[f].string : NULL;
}

int event_next(const struct event *e, int after) {
        unsigned f = (unsigned) (after + 1);

        while (f < _FIELD_MAX) {
                uint64_t word = e->present[f / 64] >> (f % 64);
                if (word)
                        return (int) f + __builtin_ctzll(word);
                f = (f / 64 + 1) * 64;
        }

        return -1;
}

void event_clear(struct event *e, enum field f) {
        e->present[f / 64] &= ~(UINT64_C(1) << (f % 64));
}

/* The field's value, to be set: in place, since numbers are set by the hundred thousand. */
static struct value *place(struct event *e, enum field f, enum field_type type) {
        assert(field_info(f)->type == type);
        e->present[f / 64] |= UINT64_C(1) << (f % 64);
        e->values[f].type = type;
        return &e->values[f];
}

static void set(struct event *e, enum field f, struct value value) {
        *place(e, f, value.type) = value;
}

/* Room for `n` items of `size` bytes, aligned for pointers and integers; NULL when the arena is
 * full. */
static void *arena_take(struct event *e, size_t n, size_t size) {
        size_t start = (e->arena_used + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);

        if (start > EVENT_ARENA_SIZE || n > (EVENT_ARENA_SIZE - start) / size)
                return NULL;

        e->arena_used = start + n * size;
        return e->arena + start;
}

/* A copy of up to NUL or `max` bytes; NULL when the arena is full. */
static const char *copy_string(struct event *e, const char *s, size_t max) {
        char *copy = e->arena + e->arena_used;
        size_t room = EVENT_ARENA_SIZE - e->arena_used;

        /* What is as long as the arena does not fit: no need to see how long it is. */
        size_t length = utf8_sanitize(s, MIN(max, (size_t) EVENT_ARENA_SIZE), copy, room);

        /* Where room is left for one more character nothing was cut. */
        if (length + UTF8_MAX + 1 > room)
                return NULL;

        e->arena_used += length + 1;
        return copy;
}

static const char *const *copy_strings(struct event *e, const char *const *items, size_t *n) {
        const char **copy = arena_take(e, *n, sizeof(copy[0]));
        size_t kept = 0;

        for (size_t i = 0; copy && i < *n; i++) {
                if (!items[i])
                        continue;
                copy[kept] = copy_string(e, items[i], SIZE_MAX);
                if (!copy[kept++])
                        return NULL;
        }

        *n = kept;
        return copy;
}

static void *copy_array(struct event *e, const void *items, size_t n, size_t size) {
        void *copy = arena_take(e, n, size);

        return copy ? memcpy(copy, items, n * size) : NULL;
}

/* Moves what the value points to into the arena. False when the arena is full, which is then as it
 * was before. */
static bool copy_value(struct event *e, struct value *v) {
        size_t used = e->arena_used;
        const void *copy = v;

        switch (v->type) {
        case TYPE_STRING:
                copy = v->string = copy_string(e, v->string, SIZE_MAX);
                break;
        case TYPE_STRINGS:
                copy = v->strings.items = copy_strings(e, v->strings.items, &v->strings.n);
                break;
        case TYPE_U32S:
                copy = v->u32s.items = copy_array(e, v->u32s.items, v->u32s.n, sizeof(uint32_t));
                break;
        case TYPE_BYTES:
                copy = v->bytes.data = copy_array(e, v->bytes.data, v->bytes.size, 1);
                break;
        default:
                break;
        }

        if (!copy)
                e->arena_used = used;
        return copy;
}

static void leave_out(struct event *e, enum field f) {
        event_clear(e, f);
        e->truncated++;
}

static void set_copy(struct event *e, enum field f, struct value value) {
        if (copy_value(e, &value))
                set(e, f, value);
        else
                leave_out(e, f);
}

void event_set_bool(struct event *e, enum field f, bool v) {
        place(e, f, TYPE_BOOL)->boolean = v;
}

void event_set_u32(struct event *e, enum field f, uint32_t v) {
        place(e, f, TYPE_U32)->u32 = v;
}

void event_set_u64(struct event *e, enum field f, uint64_t v) {
        place(e, f, TYPE_U64)->u64 = v;
}

void event_set_s64(struct event *e, enum field f, int64_t v) {
        place(e, f, TYPE_S64)->s64 = v;
}

void event_set_static(struct event *e, enum field f, const char *v) {
        if (v)
                place(e, f, TYPE_STRING)->string = v;
        else
                event_clear(e, f);
}

void event_set_string(struct event *e, enum field f, const char *v) {
        event_set_stringn(e, f, v, SIZE_MAX);
}

void event_set_stringn(struct event *e, enum field f, const char *v, size_t max) {
        if (!v) {
                event_clear(e, f);
                return;
        }

        const char *copy = copy_string(e, v, max);
        if (copy)
                place(e, f, TYPE_STRING)->string = copy;
        else
                leave_out(e, f);
}

void event_set_printf(struct event *e, enum field f, const char *format, ...) {
        char *text = e->arena + e->arena_used;
        size_t room = EVENT_ARENA_SIZE - e->arena_used;
        size_t used = e->arena_used;
        va_list arguments;

        va_start(arguments, format);
        int n = vsnprintf(text, room, format, arguments);
        va_end(arguments);
        if (n < 0 || (size_t) n >= room) {
                leave_out(e, f);
                return;
        }

        /* What was formatted gives way to its valid copy. */
        e->arena_used = used + (size_t) n + 1;
        const char *copy = copy_string(e, text, (size_t) n);
        e->arena_used = used;
        if (!copy) {
                leave_out(e, f);
                return;
        }

        size_t size = strlen(copy) + 1;
        set(e, f, (struct value){TYPE_STRING, .string = memmove(text, copy, size)});
        e->arena_used += size;
}

void event_set_strings(struct event *e, enum field f, const char *const *items, size_t n) {
        if (items)
                set_copy(e, f, (struct value){TYPE_STRINGS, .strings = {items, n}});
        else
                event_clear(e, f);
}

void event_set_u32s(struct event *e, enum field f, const uint32_t *items, size_t n) {
        if (items)
                set_copy(e, f, (struct value){TYPE_U32S, .u32s = {items, n}});
        else
                event_clear(e, f);
}

void event_set_bytes(struct event *e, enum field f, const void *data, size_t size) {
        if (data)
                set_copy(e, f, (struct value){TYPE_BYTES, .bytes = {data, size}});
        else
                event_clear(e, f);
}

static struct dict_entry *dict_find(const struct value *dict, const char *key) {
        for (size_t i = 0; i < dict->dict.n; i++)
                if (strcmp(dict->dict.items[i].key, key) == 0)
                        return (struct dict_entry *) &dict->dict.items[i];

        return NULL;
}

/* The entry for `key`, new where there is none; NULL when there is no room. */
static struct dict_entry *dict_make(struct event *e, enum field f, const char *key) {
        if (!event_has(e, f)) {
                /* Room for all entries at once: what is not used costs nothing but the room. */
                struct dict_entry *items = arena_take(e, EVENT_DICT_MAX, sizeof(items[0]));
                if (!items)
                        return NULL;
                set(e, f, (struct value){TYPE_DICT, .dict = {items, 0}});
        }

        struct value *dict = &e->values[f];
        struct dict_entry *entry = dict_find(dict, key);
        if (entry || dict->dict.n == EVENT_DICT_MAX)
                return entry;

        entry = (struct dict_entry *) &dict->dict.items[dict->dict.n++];
        entry->key = key;
        return entry;
}

void event_dict_add(struct event *e, enum field f, const char *key, const struct value *value) {
        size_t used = e->arena_used;
        struct value copy = *value;

        assert(field_info(f)->type == TYPE_DICT && value->type != TYPE_DICT);

        struct dict_entry *entry = copy_value(e, &copy) ? dict_make(e, f, key) : NULL;
        if (entry) {
                entry->value = copy;
        } else {
                e->arena_used = used;
                e->truncated++;
        }
}

const struct value *event_dict_get(const struct event *e, enum field f, const char *key) {
        const struct value *dict = event_get(e, f);

        assert(field_info(f)->type == TYPE_DICT);
        struct dict_entry *entry = dict ? dict_find(dict, key) : NULL;
        return entry ? &entry->value : NULL;
}

void event_copy(struct event *e, const struct event *from, enum field f) {
        const struct value *v = event_get(from, f);

        event_clear(e, f);
        if (!v)
                return;
        if (v->type == TYPE_DICT)
                for (size_t i = 0; i < v->dict.n; i++)
                        event_dict_add(e, f, v->dict.items[i].key, &v->dict.items[i].value);
        else
                set_copy(e, f, *v);
}
