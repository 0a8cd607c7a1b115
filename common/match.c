/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "event.h"
#include "glob.h"
#include "match.h"
#include "number.h"
#include "severity.h"
#include "util.h"

enum comparison {
        OP_NE,
        OP_LE,
        OP_GE,
        OP_EQ,
        OP_LT,
        OP_GT,
};

/* Longer ones come before their beginnings. A term holds where the value is less than, equal to or
 * greater than its own, as marked; != is the opposite of equal. */
static const struct {
        const char *text;
        bool less, equal, greater;
} operators[] = {
        [OP_NE] = {"!=", .equal = true},
        [OP_LE] = {"<=", .less = true, .equal = true},
        [OP_GE] = {">=", .equal = true, .greater = true},
        [OP_EQ] = {"=", .equal = true},
        [OP_LT] = {"<", .less = true},
        [OP_GT] = {">", .greater = true},
};

static bool is_ordered(enum comparison op) {
        return op != OP_EQ && op != OP_NE;
}

struct term {
        int field;
        enum comparison op;
        unsigned group; /* terms of one group are alternatives */
        bool present;   /* VALUE was *: any value will do */
        bool fold;      /* text without regard to case */
        bool numeric;   /* `number` is valid */
        bool truth;     /* `boolean` is valid */
        bool boolean;
        bool ranked; /* `number` is the place of a word in its order */
        struct number number;
        const char *key;  /* of a dictionary's entry, or NULL */
        const char *glob; /* compiled text, or NULL */
};

/* One allocation: the terms, a group's side by side, then their texts. */
struct match {
        size_t n;
        struct term terms[];
};

/* A term as it was written, in parts. */
struct source {
        const char *term;
        const char *name;
        const char *value;
        struct match_error *error;
};

/* Says why a term is refused: `format` is a printf format. Returns `r`. */
static int _printf_(3, 4) refuse(const struct source *s, int r, const char *format, ...) {
        va_list arguments;

        escape_shortened(s->term, s->error->term, sizeof(s->error->term));

        va_start(arguments, format);
        vsnprintf(s->error->message, sizeof(s->error->message), format, arguments);
        va_end(arguments);
        return r;
}

/* A part of a term, shortened for a message. */
struct quoted {
        char text[96];
};

static struct quoted quote(const char *s) {
        struct quoted q;

        escape_shortened(s, q.text, sizeof(q.text));
        return q;
}
#define QUOTE(s) (quote(s).text)

/* Fields whose values are upper-case names, which people write as it comes. */
static bool field_folds(int field) {
        return field == FIELD_BPF_CMD || field == FIELD_ERRNO;
}

static int unknown_field(const struct source *s) {
        const char *names[4];
        size_t n = field_suggest(s->name, names, ELEMENTSOF(names));
        char hint[256] = "";

        for (size_t i = 0; i < n; i++) {
                size_t used = strlen(hint);
                const char *before = i == 0 ? "; did you mean " : i + 1 < n ? ", " : " or ";
                snprintf(hint + used, sizeof(hint) - used, "%s\"%s\"", before, names[i]);
        }

        return refuse(s, -EINVAL, "Unknown field \"%s\" in \"%s\"%s%s", QUOTE(s->name),
                      QUOTE(s->term), hint, n > 0 ? "?" : "");
}

/* Finds the field, or the dictionary whose name with a dot begins the name. */
static int find_field(const struct source *s, struct term *t) {
        t->field = field_from_name(s->name);
        if (t->field >= 0)
                return 0;

        for (int f = 0; f < _FIELD_MAX; f++) {
                const struct field_info *info = field_info(f);
                size_t length = strlen(info->name);

                if (info->type == TYPE_DICT && strncmp(s->name, info->name, length) == 0 &&
                    s->name[length] == '.' && s->name[length + 1]) {
                        t->field = f;
                        t->key = s->name + length + 1;
                        return 0;
                }
        }

        return unknown_field(s);
}

static bool parse_bool(bool *ret, const char *s) {
        static const struct {
                const char *text;
                bool value;
        } words[] = {{"yes", true}, {"no", false}, {"true", true},
                     {"1", true},   {"0", false},  {"false", false}};

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcmp(s, words[i].text) == 0) {
                        *ret = words[i].value;
                        return true;
                }

        return false;
}

static int take_bool(const struct source *s, struct term *t, char *text) {
        t->truth = parse_bool(&t->boolean, s->value);
        if (t->truth)
                return 0;

        return refuse(s, -EINVAL, "\"%s\" in \"%s\" is neither yes nor no", QUOTE(s->value),
                      QUOTE(s->term));
}

static int take_number(const struct source *s, struct term *t, char *text) {
        static const char *const suffixes[] = {
                [UNIT_NONE] = "",
                [UNIT_NANOSECONDS] = " (suffixes: ns, us, ms, s, min)",
                [UNIT_MICROSECONDS] = " (suffixes: us, ms, s, min)",
                [UNIT_BYTES] = " (suffixes: K, M, G)",
                [UNIT_HEX] = "",
        };
        static const struct {
                struct number least, most;
        } ranges[] = {
                [TYPE_U32] = {{}, {false, UINT32_MAX}},
                [TYPE_U64] = {{}, {false, UINT64_MAX}},
                [TYPE_S64] = {{true, UINT64_C(1) << 63}, {false, INT64_MAX}},
                [TYPE_U32S] = {{}, {false, UINT32_MAX}},
        };
        const struct field_info *info = field_info(t->field);

        int r = number_parse(&t->number, s->value, info->unit);
        if (r == -EINVAL)
                return refuse(s, r, "\"%s\" in \"%s\" is not a number%s", QUOTE(s->value),
                              QUOTE(s->term), suffixes[info->unit]);
        if (r < 0 || number_compare(t->number, ranges[info->type].least) < 0 ||
            number_compare(t->number, ranges[info->type].most) > 0)
                return refuse(s, -EINVAL, "\"%s\" in \"%s\" is not a value that %s can have",
                              QUOTE(s->value), QUOTE(s->term), info->name);

        t->numeric = true;
        return 0;
}

/* Words that have an order. */
static bool field_ranks(int field) {
        return field == FIELD_SEVERITY;
}

static int take_rank(const struct source *s, struct term *t) {
        int rank = severity_from_name(s->value);

        if (rank < 0)
                return refuse(s, -EINVAL,
                              "\"%s\" in \"%s\" is none of info, notice, warning and critical",
                              QUOTE(s->value), QUOTE(s->term));

        t->ranked = true;
        t->number = number_signed(rank);
        return 0;
}

static int take_glob(const struct source *s, struct term *t, char *text) {
        t->fold = field_folds(t->field);
        t->glob = text;
        if (glob_compile(text, s->value) < 0)
                return refuse(s, -E2BIG, "More than %d bytes follow a * in \"%s\"", GLOB_PART_MAX,
                              QUOTE(s->term));

        return 0;
}

static int take_text(const struct source *s, struct term *t, char *text) {
        return is_ordered(t->op) ? take_rank(s, t) : take_glob(s, t, text);
}

/* An entry of a dictionary: its type is known when there is a value. */
static int take_any(const struct source *s, struct term *t, char *text) {
        t->truth = parse_bool(&t->boolean, s->value);
        t->numeric = number_parse(&t->number, s->value, UNIT_NONE) >= 0;
        if (is_ordered(t->op) && !t->numeric)
                return refuse(s, -EINVAL, "\"%s\" in \"%s\" is not a number", QUOTE(s->value),
                              QUOTE(s->term));

        return take_glob(s, t, text);
}

/* What a term on a field of this type may say. */
static const struct {
        int (*take)(const struct source *s, struct term *t, char *text); /* NULL: only * */
        bool ordered;                                                    /* < and > make sense */
        const char *kind;
} types[] = {
        [TYPE_BOOL] = {take_bool, .kind = "yes or no"},
        [TYPE_U32] = {take_number, true},
        [TYPE_U64] = {take_number, true},
        [TYPE_S64] = {take_number, true},
        [TYPE_STRING] = {take_text, .kind = "text"},
        [TYPE_STRINGS] = {take_text, .kind = "a list of texts"},
        [TYPE_U32S] = {take_number, true},
        [TYPE_BYTES] = {NULL, .kind = "bytes"},
        [TYPE_DICT] = {NULL, .kind = "a dictionary"},
};

static int take_value(const struct source *s, struct term *t, char *text) {
        enum field_type type = field_info(t->field)->type;
        bool ordered = t->key || types[type].ordered || field_ranks(t->field);

        if (!*s->value)
                return refuse(s, -EINVAL, "No value in \"%s\"; write %s%sVALUE", QUOTE(s->term),
                              QUOTE(s->name), operators[t->op].text);
        if (!ordered && is_ordered(t->op))
                return refuse(s, -EINVAL, "%s is %s: it takes = and !=, not %s, in \"%s\"", s->name,
                              types[type].kind, operators[t->op].text, QUOTE(s->term));

        t->present = !is_ordered(t->op) && strcmp(s->value, "*") == 0;
        if (t->present)
                return 0;
        if (t->key)
                return take_any(s, t, text);
        if (types[type].take)
                return types[type].take(s, t, text);

        return refuse(s, -EINVAL, "%s is %s: write %s, not \"%s\"", s->name, types[type].kind,
                      type == TYPE_DICT ? "bpf.attr.NAME=VALUE" : "=* or !=*", QUOTE(s->term));
}

/* Splits a term at its first operator into `copy`, which has room for it. */
static int split_term(struct source *s, struct term *t, char *copy) {
        size_t length = 0;

        for (; s->term[length]; length++)
                for (size_t op = 0; op < ELEMENTSOF(operators); op++) {
                        size_t n = strlen(operators[op].text);

                        if (strncmp(s->term + length, operators[op].text, n) != 0)
                                continue;

                        *(char *) mempcpy(copy, s->term, length) = '\0';
                        s->name = copy;
                        s->value = s->term + length + n;
                        t->op = op;
                        return 0;
                }

        return refuse(s, -EINVAL, "Term \"%s\" has no operator; write FIELD=VALUE", QUOTE(s->term));
}

static int check_term(const struct source *s) {
        size_t length = strnlen(s->term, MATCH_TERM_BYTES_MAX + 1);

        if (length > MATCH_TERM_BYTES_MAX)
                return refuse(s, -E2BIG, "Term \"%s\" has more than %d bytes", QUOTE(s->term),
                              MATCH_TERM_BYTES_MAX);

        for (size_t i = 0, n; i < length; i += n) {
                n = utf8_sequence(s->term + i, length - i);
                if (n == 0)
                        return refuse(s, -EINVAL, "Term \"%s\" is not valid UTF-8", QUOTE(s->term));
        }

        return 0;
}

/* Parses a term. `text` has room for it, with one more byte than its own NUL. */
static int term_parse(struct term *t, const char *term, char *text, struct match_error *error) {
        struct source s = {.term = term, .error = error};

        int r = check_term(&s);
        if (r >= 0)
                r = split_term(&s, t, text);
        if (r >= 0)
                r = find_field(&s, t);
        if (r >= 0)
                r = take_value(&s, t, text + strlen(text) + 1);
        return r;
}

static bool same_group(const struct term *a, const struct term *b) {
        return a->op == OP_EQ && b->op == OP_EQ && a->field == b->field &&
               (a->key ? b->key && strcmp(a->key, b->key) == 0 : !b->key);
}

static int compare_groups(const void *a, const void *b) {
        const struct term *ta = a, *tb = b;

        return (ta->group > tb->group) - (ta->group < tb->group);
}

/* Puts equal terms of one field side by side. */
static void group_terms(struct match *m) {
        for (size_t i = 0; i < m->n; i++) {
                size_t j = 0;

                while (j < i && !same_group(&m->terms[i], &m->terms[j]))
                        j++;
                m->terms[i].group = j < i ? m->terms[j].group : i;
        }

        qsort(m->terms, m->n, sizeof(m->terms[0]), compare_groups);
}

int match_new(struct match **ret, const char *const *terms, size_t n, struct match_error *error) {
        struct match_error unused;
        struct source s = {.term = "", .error = error ?: &unused};
        size_t size = sizeof(struct match) + n * sizeof(struct term);

        if (n > MATCH_TERMS_MAX)
                return refuse(&s, -E2BIG, "More than %d terms in one match", MATCH_TERMS_MAX);

        size_t texts = size;
        for (size_t i = 0; i < n; i++)
                size += strnlen(terms[i], MATCH_TERM_BYTES_MAX) + 2;

        _cleanup_free_ struct match *m = calloc(1, size);
        if (!m)
                return -ENOMEM;

        char *text = (char *) m + texts;
        m->n = n;
        for (size_t i = 0; i < n; i++) {
                int r = term_parse(&m->terms[i], terms[i], text, s.error);
                if (r < 0)
                        return r;
                text += strlen(terms[i]) + 2;
        }

        group_terms(m);
        *ret = TAKE_PTR(m);
        return 0;
}

struct match *match_free(struct match *m) {
        free(m);
        return NULL;
}

static bool compare(const struct term *t, struct number value) {
        int c = number_compare(value, t->number);
        return c < 0   ? operators[t->op].less
               : c > 0 ? operators[t->op].greater
                       : operators[t->op].equal;
}

static bool holds_number(const struct term *t, struct number value) {
        return t->numeric && compare(t, value);
}

/* A word of another version is in no order. */
static bool holds_rank(const struct term *t, const char *value) {
        int rank = severity_from_name(value);

        return rank >= 0 && compare(t, number_signed(rank));
}

/* Text in a dictionary may be a number, such as flags in hexadecimal. */
static bool holds_text(const struct term *t, const char *value) {
        struct number number;

        if (t->ranked)
                return holds_rank(t, value);
        if (!is_ordered(t->op) && glob_test(t->glob, value, t->fold))
                return true;

        return t->numeric && number_parse(&number, value, UNIT_NONE) >= 0 &&
               holds_number(t, number);
}

/* Whether one of the value's items is as the term says; != asks for equal ones here. */
static bool holds(const struct term *t, const struct value *v) {
        bool found = false;

        switch (v->type) {
        case TYPE_BOOL:
                return t->truth && v->boolean == t->boolean;
        case TYPE_U32:
                return holds_number(t, (struct number){false, v->u32});
        case TYPE_U64:
                return holds_number(t, (struct number){false, v->u64});
        case TYPE_S64:
                return holds_number(t, number_signed(v->s64));
        case TYPE_STRING:
                return holds_text(t, v->string);
        case TYPE_STRINGS:
                for (size_t i = 0; i < v->strings.n && !found; i++)
                        found = holds_text(t, v->strings.items[i]);
                return found;
        case TYPE_U32S:
                for (size_t i = 0; i < v->u32s.n && !found; i++)
                        found = holds_number(t, (struct number){false, v->u32s.items[i]});
                return found;
        default:
                return false;
        }
}

static bool term_test(const struct term *t, const struct event *e, bool absent) {
        const struct value *v = t->key ? event_dict_get(e, t->field, t->key)
                                       : event_get(e, t->field);

        if (!v)
                return absent || t->op == OP_NE;

        return (t->present || holds(t, v)) != (t->op == OP_NE);
}

/* `absent`: what a term on an absent field is, != apart. */
static bool test(const struct match *m, const struct event *e, bool absent) {
        if (!m)
                return true;

        for (size_t i = 0; i < m->n;) {
                unsigned group = m->terms[i].group;
                bool passes = false;

                for (; i < m->n && m->terms[i].group == group; i++)
                        passes = passes || term_test(&m->terms[i], e, absent);
                if (!passes)
                        return false;
        }

        return true;
}

bool match_test(const struct match *m, const struct event *e) {
        return test(m, e, false);
}

bool match_may(const struct match *m, const struct event *partial) {
        return test(m, partial, true);
}

bool match_names(const struct match *m, enum field f) {
        for (size_t i = 0; m && i < m->n; i++)
                if (m->terms[i].op == OP_EQ && m->terms[i].field == (int) f)
                        return true;

        return false;
}

bool match_names_kind(const struct match *m) {
        static const enum field names[] = {FIELD_EVENT,        FIELD_CLASS,
                                           FIELD_BPF_CMD,      FIELD_BPF_CMD_NUMBER,
                                           FIELD_SERVICE_NAME, FIELD_CONNECTION_ID};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (match_names(m, names[i]))
                        return true;

        return false;
}

int match_find(const struct match *m, bool (*found)(enum field f, const void *userdata),
               const void *userdata) {
        for (size_t i = 0; m && i < m->n; i++)
                if (found((enum field) m->terms[i].field, userdata))
                        return m->terms[i].field;

        return -ENOENT;
}

size_t match_numbers(const struct match *m, enum field f, uint64_t *ret, size_t max) {
        size_t n = 0;

        for (size_t i = 0; m && i < m->n; i++) {
                const struct term *t = &m->terms[i];

                if (t->op != OP_EQ || t->field != (int) f)
                        continue;
                if (!t->numeric || t->number.negative || n == max)
                        return 0;
                ret[n++] = t->number.magnitude;
        }

        return n;
}
