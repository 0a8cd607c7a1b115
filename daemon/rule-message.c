/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "event.h"
#include "util.h"

enum {
        PARTS_MAX = 64,
        VALUE_MAX = 256, /* bytes of one value, with NUL */
        SHOWN_BYTES = 96,
        HEX_BYTES = 16, /* of a byte array */
};

/* Text, or in its place a field, or an entry of it. */
struct part {
        const char *text;
        size_t n;
        int field; /* -1: none */
        const char *key;
};

struct rule_message {
        size_t n;
        struct part parts[PARTS_MAX];
        char text[];
};

/* Reading -------------------------------------------------------------------------------------- */

static int _printf_(2, 3) refuse(char *error, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(error, RULE_MESSAGE_ERROR_MAX, format, args);
        va_end(args);
        return -EINVAL;
}

static int unknown_field(const char *name, char *error) {
        const char *near = field_nearest(name);
        char shown[SHOWN_BYTES];

        escape_shortened(name, shown, sizeof(shown));
        return refuse(error, "There is no field \"%s\"%s%s%s", shown,
                      near ? "; did you mean \"" : "", near ?: "", near ? "\"?" : "");
}

static int find_field(struct part *p, const char *name, char *error) {
        static const char attr[] = "bpf.attr.";

        p->field = field_from_name(name);
        if (p->field >= 0)
                return 0;
        if (strncmp(name, attr, strlen(attr)) != 0 || !name[strlen(attr)])
                return unknown_field(name, error);
        p->field = FIELD_BPF_ATTR;
        p->key = name + strlen(attr);
        return 0;
}

/* Takes "{FIELD}". Returns what is behind it, NULL where it is refused. */
static char *take_field(struct part *p, char *s, char *error) {
        char *name = s + 1, *end = name + strcspn(name, "{}");

        if (*end != '}') {
                refuse(error, "A { lacks its }; write {{ for a brace");
                return NULL;
        }
        *end = 0;
        return find_field(p, name, error) < 0 ? NULL : end + 1;
}

/* Takes a text up to a brace that stands for no other thing. Returns what is behind it. */
static char *take_text(struct part *p, char *s, char *error) {
        size_t n = strcspn(s, "{}");

        p->text = s;
        p->n = n;
        if (n > 0)
                return s + n;
        if (s[0] != s[1]) {
                refuse(error, "A } lacks its {; write }} for a brace");
                return NULL;
        }
        p->n = 1;
        return s + 2;
}

static int take_parts(struct rule_message *m, char *error) {
        for (char *s = m->text; *s; m->n++) {
                struct part *p = &m->parts[m->n];

                if (m->n == PARTS_MAX)
                        return refuse(error, "It has more than %d fields and texts", PARTS_MAX);
                p->field = -1;
                s = s[0] == '{' && s[1] != '{' ? take_field(p, s, error) : take_text(p, s, error);
                if (!s)
                        return -EINVAL;
        }
        return 0;
}

int rule_message_new(struct rule_message **ret, const char *text,
                     char error[static RULE_MESSAGE_ERROR_MAX]) {
        _cleanup_free_ struct rule_message *m = calloc(1, sizeof(*m) + strlen(text) + 1);
        int k;

        if (!m)
                return -ENOMEM;
        strcpy(m->text, text);
        k = take_parts(m, error);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(m);
        return 0;
}

struct rule_message *rule_message_free(struct rule_message *m) {
        free(m);
        return NULL;
}

/* Writing -------------------------------------------------------------------------------------- */

struct output {
        char *at;
        size_t n, size;
};

static void _printf_(2, 3) say(struct output *o, const char *format, ...) {
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(o->at + o->n, o->size - o->n, format, args);
        va_end(args);
        o->n = MIN(o->n + (size_t) MAX(n, 0), o->size - 1);
}

static void say_text(struct output *o, const char *text) {
        char shown[VALUE_MAX];

        escape_shortened(text, shown, sizeof(shown));
        say(o, "%s", shown);
}

static void say_bytes(struct output *o, const struct value *v) {
        const uint8_t *data = v->bytes.data;

        for (size_t i = 0; i < MIN(v->bytes.size, (size_t) HEX_BYTES); i++)
                say(o, "%02x", data[i]);
        if (v->bytes.size > HEX_BYTES)
                say(o, "…");
}

static void say_value(struct output *o, const struct value *v, enum field_unit unit) {
        switch (v->type) {
        case TYPE_BOOL:
                say(o, "%s", v->boolean ? "yes" : "no");
                break;
        case TYPE_U32:
                say(o, "%" PRIu32, v->u32);
                break;
        case TYPE_U64:
                say(o, unit == UNIT_HEX ? "0x%" PRIx64 : "%" PRIu64, v->u64);
                break;
        case TYPE_S64:
                say(o, "%" PRId64, v->s64);
                break;
        case TYPE_STRING:
                say_text(o, v->string);
                break;
        case TYPE_STRINGS:
                for (size_t i = 0; i < v->strings.n; i++) {
                        say(o, "%s", i > 0 ? ", " : "");
                        say_text(o, v->strings.items[i]);
                }
                break;
        case TYPE_U32S:
                for (size_t i = 0; i < v->u32s.n; i++)
                        say(o, "%s%" PRIu32, i > 0 ? ", " : "", v->u32s.items[i]);
                break;
        case TYPE_BYTES:
                say_bytes(o, v);
                break;
        default:
                for (size_t i = 0; v->type == TYPE_DICT && i < v->dict.n; i++) {
                        say(o, "%s", i > 0 ? ", " : "");
                        say_text(o, v->dict.items[i].key);
                        say(o, "=");
                        say_value(o, &v->dict.items[i].value, UNIT_NONE);
                }
        }
}

/* Bytes of `s` up to a whole character, at most `max`. */
static size_t whole(const char *s, size_t max) {
        size_t n = 0;

        for (size_t step; s[n] && (step = utf8_sequence(s + n, 4)) > 0 && n + step <= max;)
                n += step;
        return n;
}

/* One value takes no more than its share of the message. */
static void say_field(struct output *o, const struct part *p, const struct event *e) {
        const struct value *v = p->key ? event_dict_get(e, FIELD_BPF_ATTR, p->key)
                                       : event_get(e, (enum field) p->field);
        char value[VALUE_MAX * 2];
        struct output one = {value, 0, sizeof(value)};

        value[0] = 0;
        if (!v) {
                say(o, "?");
                return;
        }
        say_value(&one, v, p->key ? UNIT_NONE : field_info((enum field) p->field)->unit);
        size_t n = whole(value, VALUE_MAX - 1);
        say(o, "%.*s%s", (int) n, value, value[n] ? "…" : "");
}

void rule_message_write(const struct rule_message *m, const struct event *e,
                        char ret[static RULE_MESSAGE_MAX]) {
        struct output o = {ret, 0, RULE_MESSAGE_MAX};

        ret[0] = 0;
        for (size_t i = 0; i < m->n; i++)
                if (m->parts[i].field >= 0)
                        say_field(&o, &m->parts[i], e);
                else
                        say(&o, "%.*s", (int) m->parts[i].n, m->parts[i].text);
        ret[whole(ret, RULE_MESSAGE_MAX - 1)] = 0;
}
