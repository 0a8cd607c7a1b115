/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "distance.h"
#include "event.h"
#include "util.h"

enum {
        NAME_MAX_BYTES = DISTANCE_BYTES_MAX + 1,
};

static const struct field_info fields[] = {
#define FIELD(identifier, field_name, field_type, field_unit, text) \
        [FIELD_##identifier] = {field_name, TYPE_##field_type, UNIT_##field_unit, text},
#include "fields.def"
#undef FIELD
};

/* A reader looks every key of every event up: comparing lengths first leaves few strings. */
static const unsigned char name_lengths[] = {
#define FIELD(identifier, field_name, field_type, field_unit, text) \
        [FIELD_##identifier] = sizeof(field_name) - 1,
#include "fields.def"
#undef FIELD
};

const struct field_info *field_info(enum field field) {
        assert(field >= 0 && field < _FIELD_MAX);
        return &fields[field];
}

const char *field_type_signature(enum field_type type) {
        static const char *const signatures[] = {
                [TYPE_BOOL] = "b",  [TYPE_U32] = "u",    [TYPE_U64] = "t",
                [TYPE_S64] = "x",   [TYPE_STRING] = "s", [TYPE_STRINGS] = "as",
                [TYPE_U32S] = "au", [TYPE_BYTES] = "ay", [TYPE_DICT] = "a{sv}",
        };

        assert(type >= 0 && type < _TYPE_MAX);
        return signatures[type];
}

int field_from_name(const char *name) {
        size_t length = strlen(name);

        for (int f = 0; f < _FIELD_MAX; f++)
                if (name_lengths[f] == length && memcmp(fields[f].name, name, length) == 0)
                        return f;

        return -ENOENT;
}

size_t field_suggest(const char *name, const char **ret, size_t max) {
        char lower[NAME_MAX_BYTES];
        size_t length = strnlen(name, sizeof(lower));
        size_t n = 0;

        if (length == 0 || length == sizeof(lower) || max == 0)
                return 0;
        for (size_t i = 0; i <= length; i++)
                lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i];

        /* Without its prefix: "pid" for process.pid and namespace.pid. */
        for (int f = 0; f < _FIELD_MAX && n < max; f++) {
                const char *dot = strrchr(fields[f].name, '.');
                if (strcmp(fields[f].name, lower) == 0 || (dot && strcmp(dot + 1, lower) == 0))
                        ret[n++] = fields[f].name;
        }
        if (n > 0)
                return n;

        struct nearest nearest = nearest_to(lower);
        for (int f = 0; f < _FIELD_MAX; f++)
                nearest_offer(&nearest, fields[f].name);
        if (nearest.word)
                ret[n++] = nearest.word;
        return n;
}

const char *field_nearest(const char *name) {
        const char *nearest = NULL;

        return field_suggest(name, &nearest, 1) > 0 ? nearest : NULL;
}
