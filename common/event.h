/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* An event: a flat list of named, typed fields, as common/fields.def defines them. Rows of lists
 * (callers, probes) are events too. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field {
#define FIELD(identifier, name, type, unit, meaning) FIELD_##identifier,
#include "fields.def"
#undef FIELD
        _FIELD_MAX
};

enum field_type {
        TYPE_BOOL,    /* b */
        TYPE_U32,     /* u */
        TYPE_U64,     /* t */
        TYPE_S64,     /* x */
        TYPE_STRING,  /* s: valid UTF-8 */
        TYPE_STRINGS, /* as */
        TYPE_U32S,    /* au */
        TYPE_BYTES,   /* ay */
        TYPE_DICT,    /* a{sv}: values of the types above, but not DICT */
        _TYPE_MAX
};

enum field_unit { UNIT_NONE, UNIT_NANOSECONDS, UNIT_MICROSECONDS, UNIT_BYTES, UNIT_HEX };

struct field_info {
        const char *name;
        enum field_type type;
        enum field_unit unit;
        const char *meaning;
};

/* Describes a field (never NULL; static). */
const struct field_info *field_info(enum field field);

/* D-Bus signature of a type, such as "a{sv}" (static). */
const char *field_type_signature(enum field_type type);

/* Finds a field by its name (exact). Returns the field, or -ENOENT. */
int field_from_name(const char *name);

/* Fills `ret` with up to `max` field names (static) that somebody who wrote `name` may have meant:
 * all that have it after their prefix, in the order of fields.def ("pid": process.pid,
 * namespace.pid), else the one that is spelt most alike. Returns how many. */
size_t field_suggest(const char *name, const char **ret, size_t max);

/* The first of these, or NULL when nothing is near. Static. */
const char *field_nearest(const char *name);

/* The fields that somebody asks for. A zeroed set is empty. */
struct field_set {
        uint64_t bits[(_FIELD_MAX + 63) / 64];
};

static inline void field_set_add(struct field_set *s, enum field f) {
        s->bits[f / 64] |= UINT64_C(1) << (f % 64);
}

static inline void field_set_remove(struct field_set *s, enum field f) {
        s->bits[f / 64] &= ~(UINT64_C(1) << (f % 64));
}

static inline bool field_set_has(const struct field_set *s, enum field f) {
        return s->bits[f / 64] & (UINT64_C(1) << (f % 64));
}

struct dict_entry;

/* The value of a field. Everything pointed to belongs to the event's arena or is static. */
struct value {
        enum field_type type;
        union {
                bool boolean;
                uint32_t u32;
                uint64_t u64;
                int64_t s64;
                const char *string;
                struct {
                        const char *const *items;
                        size_t n;
                } strings;
                struct {
                        const uint32_t *items;
                        size_t n;
                } u32s;
                struct {
                        const void *data;
                        size_t size;
                } bytes;
                struct {
                        const struct dict_entry *items;
                        size_t n;
                } dict;
        };
};

struct dict_entry {
        const char *key;
        struct value value;
};

enum {
        /* Bytes for all strings, arrays and dictionaries of one event. */
        EVENT_ARENA_SIZE = 32 * 1024,
        EVENT_DICT_MAX = 64, /* entries of one dictionary */
};

/* An event owns its arena: copying the struct is not allowed. About 35 KiB: allocate once and reuse
 * with event_reset(). */
struct event {
        uint64_t present[(_FIELD_MAX + 63) / 64];
        struct value values[_FIELD_MAX];
        size_t arena_used;
        size_t truncated; /* fields that were left out because the arena was full */
        _Alignas(max_align_t) char arena[EVENT_ARENA_SIZE];
};

/* Empties the event. Must be called before the first use of a fresh struct. Cheap: touches no arena
 * memory. */
void event_reset(struct event *e);

static inline bool event_has(const struct event *e, enum field f) {
        return e->present[f / 64] & (UINT64_C(1) << (f % 64));
}

/* The value of a field, or NULL where it is absent. */
static inline const struct value *event_get(const struct event *e, enum field f) {
        return event_has(e, f) ? &e->values[f] : NULL;
}

/* The string of a STRING field, or NULL where it is absent. */
const char *event_string(const struct event *e, enum field f);

/* Iterates over the present fields in the order of fields.def: for (int f = -1; (f = event_next(e,
 * f)) >= 0;). Returns -1 after the last. */
int event_next(const struct event *e, int after);

/* Removes a field. */
void event_clear(struct event *e, enum field f);

/* Set a field; the type must be the one of fields.def (asserted). The _static form keeps the
 * pointer, all others copy into the arena. Strings that are not valid UTF-8 are made so: each bad
 * byte becomes U+FFFD. NULL leaves the field absent (within an array it is left out). When the
 * arena is full the field is left out and counted in `truncated`. */
void event_set_bool(struct event *e, enum field f, bool v);
void event_set_u32(struct event *e, enum field f, uint32_t v);
void event_set_u64(struct event *e, enum field f, uint64_t v);
void event_set_s64(struct event *e, enum field f, int64_t v);
void event_set_static(struct event *e, enum field f, const char *v);
void event_set_string(struct event *e, enum field f, const char *v);
void event_set_stringn(struct event *e, enum field f, const char *v,
                       size_t max); /* up to NUL or `max` bytes */
void event_set_printf(struct event *e, enum field f, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void event_set_strings(struct event *e, enum field f, const char *const *items, size_t n);
void event_set_u32s(struct event *e, enum field f, const uint32_t *items, size_t n);
void event_set_bytes(struct event *e, enum field f, const void *data, size_t size);

/* Copies a field from another event, deeply; clears it where it is absent there. Of dictionaries
 * the keys must live as long as `e`. */
void event_copy(struct event *e, const struct event *from, enum field f);

/* Adds an entry to a DICT field (created when absent). `key` is static. `value` is copied deeply
 * into the arena (strings sanitized as above); it must not be a DICT. Full arena or more than
 * EVENT_DICT_MAX entries: left out, counted. */
void event_dict_add(struct event *e, enum field f, const char *key, const struct value *value);

/* The entry of a DICT field, or NULL. */
const struct value *event_dict_get(const struct event *e, enum field f, const char *key);
