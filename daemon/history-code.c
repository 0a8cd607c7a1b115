/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history-code.h"

#include <ctype.h>
#include <inttypes.h>

#include "escape.h"
#include "history-string.h"

/* Few different values, all of them small, or the same for most events of a kind. */
static const enum field kind_fields[] = {
        FIELD_EVENT,         FIELD_CLASS,         FIELD_SEVERITY,
        FIELD_RESULT,        FIELD_ERRNO,         FIELD_SOURCE,
        FIELD_HOST,          FIELD_BPF_CMD,       FIELD_BPF_CMD_NUMBER,
        FIELD_BPF_COMPAT,    FIELD_BPF_IN_KERNEL, FIELD_BPF_ATTR_SOURCE,
        FIELD_PROG_TYPE,     FIELD_PROG_GPL,      FIELD_PROG_ATTACH_TYPE,
        FIELD_MAP_TYPE,      FIELD_LINK_TYPE,     FIELD_ATTACH_VIA,
        FIELD_ATTACH_TYPE,   FIELD_EXISTED,       FIELD_ATTRIBUTED,
        FIELD_FILTER_SOURCE, FIELD_LOST_WHERE,    FIELD_FIRST_SEEN,
};

static const enum field process_fields[] = {
        FIELD_PROCESS_PID,
        FIELD_PROCESS_TID,
        FIELD_PROCESS_PPID,
        FIELD_PROCESS_START,
        FIELD_PROCESS_NAME,
        FIELD_PROCESS_EXECUTABLE,
        FIELD_USER_ID,
        FIELD_PROCESS_CAPABILITIES,
        FIELD_USER_NAME,
        FIELD_USER_LOGIN_ID,
        FIELD_GROUP_ID,
        FIELD_CGROUP_ID,
        FIELD_CGROUP_PATH,
        FIELD_UNIT,
        FIELD_SESSION,
        FIELD_CONTAINER_ID,
        FIELD_NAMESPACE_PID,
        FIELD_NAMESPACE_MNT,
        FIELD_NAMESPACE_NET,
        FIELD_NAMESPACE_USER,
        FIELD_PROCESS_EXECUTABLE_INODE,
        FIELD_PROCESS_EXECUTABLE_CHANGED,
        FIELD_PROCESS_EXECUTABLE_PROTECTED,
        FIELD_PROCESS_BUILD_ID,
};

static const enum field column_fields[] = {
        FIELD_PROG_ID, FIELD_MAP_ID, FIELD_LINK_ID, FIELD_PROG_NAME, FIELD_MAP_NAME,
};

static const enum field no_fields[] = {FIELD_SEQ, FIELD_TIME, FIELD_BOOT_ID};

static uint8_t parts[_FIELD_MAX];

static void fill_parts(const enum field *fields, size_t n, enum code_part part) {
        for (size_t i = 0; i < n; i++)
                parts[fields[i]] = part;
}

__attribute__((constructor)) static void make_parts(void) {
        fill_parts(kind_fields, ELEMENTSOF(kind_fields), PART_KIND);
        fill_parts(process_fields, ELEMENTSOF(process_fields), PART_PROCESS);
        fill_parts(column_fields, ELEMENTSOF(column_fields), PART_COLUMN);
        fill_parts(no_fields, ELEMENTSOF(no_fields), PART_NONE);
}

enum code_part code_part(enum field f) {
        return parts[f];
}

/* Types as they are in files: their numbers stay. */
_Static_assert(TYPE_BOOL == 0 && TYPE_U32 == 1 && TYPE_U64 == 2 && TYPE_S64 == 3 &&
                       TYPE_STRING == 4 && TYPE_STRINGS == 5 && TYPE_U32S == 6 && TYPE_BYTES == 7 &&
                       TYPE_DICT == 8,
               "files of the history have these numbers");

/* Byte arrays are mostly zeroes: so many bytes as they are, so many zeroes, and again. */
static void put_sparse(struct bytes *b, const uint8_t *data, size_t n) {
        bytes_put_number(b, n);
        for (size_t i = 0; i < n;) {
                size_t start = i, zeroes = 0;

                for (; i < n && zeroes < 3; i++)
                        zeroes = data[i] ? 0 : zeroes + 1;
                for (; i < n && zeroes >= 3 && !data[i]; i++)
                        zeroes++;
                zeroes = zeroes >= 3 ? zeroes : 0;
                bytes_put_block(b, data + start, i - start - zeroes);
                bytes_put_number(b, zeroes);
        }
}

static void put_string(const struct code_writer *w, struct bytes *b, enum field f, const char *s) {
        if (parts[f] == PART_KIND)
                string_put_label(b, s, w->word, w->userdata);
        else
                string_put(b, s, f == FIELD_MESSAGE, w->word, w->userdata);
}

/* `head` tells what is there, `b` gets the values; both may be the same. */
static void put_value(const struct code_writer *w, enum field f, const struct value *v,
                      struct bytes *head, struct bytes *b) {
        switch (v->type) {
        case TYPE_BOOL:
                bytes_put_byte(b, v->boolean);
                break;
        case TYPE_U32:
                bytes_put_number(b, v->u32);
                break;
        case TYPE_U64:
                if (field_info(f)->unit == UNIT_MICROSECONDS)
                        bytes_put_signed(b, (int64_t) (v->u64 - w->base));
                else
                        bytes_put_number(b, v->u64);
                break;
        case TYPE_S64:
                bytes_put_signed(b, v->s64);
                break;
        case TYPE_STRING:
                put_string(w, b, f, v->string);
                break;
        case TYPE_STRINGS:
                bytes_put_number(b, v->strings.n);
                for (size_t i = 0; i < v->strings.n; i++)
                        put_string(w, b, f, v->strings.items[i]);
                break;
        case TYPE_U32S:
                bytes_put_number(b, v->u32s.n);
                for (size_t i = 0; i < v->u32s.n; i++)
                        bytes_put_number(b, v->u32s.items[i]);
                break;
        case TYPE_BYTES:
                put_sparse(b, v->bytes.data, v->bytes.size);
                break;
        case TYPE_DICT:
                bytes_put_number(head, v->dict.n);
                for (size_t i = 0; i < v->dict.n; i++) {
                        const struct dict_entry *entry = &v->dict.items[i];
                        string_put_label(head, entry->key, w->word, w->userdata);
                        bytes_put_byte(head, (uint8_t) entry->value.type);
                        put_value(w, f, &entry->value, head, b);
                }
                break;
        default:
                break;
        }
}

/* Times of a row are told from the event's own. */
static uint64_t row_base(const struct event *e, uint64_t base) {
        const struct value *time = event_get(e, FIELD_TIME);

        return time ? time->u64 : base;
}

static void put_part(const struct code_writer *w, const struct event *e, enum code_part part,
                     struct bytes *head, struct bytes *values) {
        for (int f = -1; (f = event_next(e, f)) >= 0;) {
                if (parts[f] != part || !w->fields->number[f])
                        continue;
                bytes_put_byte(head, w->fields->number[f]);
                bytes_put_byte(head, (uint8_t) e->values[f].type);
                put_value(w, f, &e->values[f], head, values);
        }
}

void code_put(const struct code_writer *w, const struct event *e, struct bytes *kind,
              struct bytes *process, struct bytes *row) {
        put_part(w, e, PART_KIND, kind, kind);
        bytes_put_byte(kind, 0);
        struct code_writer own = *w;
        own.base = row_base(e, w->base);
        put_part(&own, e, PART_ROW, kind, row);
        put_part(w, e, PART_PROCESS, process, process);
}

/* Room in the arena for `n` items of `size` bytes; NULL where it is full. */
static void *room(struct event *e, size_t n, size_t size) {
        size_t start = (e->arena_used + sizeof(void *) - 1) & ~(sizeof(void *) - 1);

        if (start > EVENT_ARENA_SIZE || n > (EVENT_ARENA_SIZE - start) / size)
                return NULL;

        e->arena_used = start + n * size;
        return e->arena + start;
}

static bool take_sparse(struct bytes_reader *r, struct event *e, struct value *v) {
        size_t n = bytes_take_number(r), at = 0;
        uint8_t *data = room(e, n, 1);

        while (data && at < n && !r->bad) {
                size_t some;
                const void *block = bytes_take_block(r, &some);
                size_t zeroes = bytes_take_number(r);

                if (!block || some > n - at || zeroes > n - at - some || some + zeroes == 0)
                        r->bad = true;
                if (r->bad)
                        return false;
                memcpy(data + at, block, some);
                memset(data + at + some, 0, zeroes);
                at += some + zeroes;
        }

        /* Without room the reader doesn't know where it ends. */
        r->bad = r->bad || !data;
        v->bytes.data = data;
        v->bytes.size = n;
        return !r->bad;
}

static const char *take_string(const struct code_reader *c, struct bytes_reader *r,
                               struct event *e) {
        char *at = e->arena + e->arena_used;
        size_t used = 0;
        const char *s = string_take(r, at, EVENT_ARENA_SIZE - e->arena_used, &used, c->text,
                                    c->userdata);

        e->arena_used += used;
        return s;
}

static bool take_strings(const struct code_reader *c, struct bytes_reader *r, struct event *e,
                         struct value *v) {
        size_t n = bytes_take_number(r);
        const char **items = n <= bytes_left(r) ? room(e, n, sizeof(items[0])) : NULL;
        bool whole = true;

        if (!items) {
                r->bad = true;
                return false;
        }
        for (size_t i = 0; i < n && !r->bad; i++) {
                items[i] = take_string(c, r, e);
                whole = whole && items[i];
        }
        v->strings.items = items;
        v->strings.n = n;
        return whole && !r->bad;
}

static bool take_u32s(struct bytes_reader *r, struct event *e, struct value *v) {
        size_t n = bytes_take_number(r);
        uint32_t *items = n <= bytes_left(r) ? room(e, n, sizeof(items[0])) : NULL;

        if (!items) {
                r->bad = true;
                return false;
        }
        for (size_t i = 0; i < n; i++)
                items[i] = (uint32_t) bytes_take_number(r);
        v->u32s.items = items;
        v->u32s.n = n;
        return !r->bad;
}

static bool take_value(const struct code_reader *c, bool time, enum field_type type,
                       struct bytes_reader *head, struct bytes_reader *r, struct event *e,
                       struct value *ret);

static bool take_dict(const struct code_reader *c, struct bytes_reader *head,
                      struct bytes_reader *r, struct event *e, struct value *v) {
        size_t n = bytes_take_number(head);
        struct dict_entry *items = n <= EVENT_DICT_MAX ? room(e, n, sizeof(items[0])) : NULL;
        bool whole = true;

        if (!items) {
                r->bad = true;
                return false;
        }
        for (size_t i = 0; i < n && !head->bad && !r->bad; i++) {
                items[i].key = take_string(c, head, e);
                uint8_t type = bytes_take_byte(head);
                if (type >= TYPE_DICT)
                        head->bad = true;
                else if (!take_value(c, false, (enum field_type) type, head, r, e,
                                     &items[i].value) ||
                         !items[i].key)
                        whole = false;
        }
        v->dict.items = items;
        v->dict.n = n;
        return whole;
}

/* False where the value is not there as a whole. */
static bool take_value(const struct code_reader *c, bool time, enum field_type type,
                       struct bytes_reader *head, struct bytes_reader *r, struct event *e,
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
                ret->u64 = time ? c->base + (uint64_t) bytes_take_signed(r) : bytes_take_number(r);
                break;
        case TYPE_S64:
                ret->s64 = bytes_take_signed(r);
                break;
        case TYPE_STRING:
                ret->string = take_string(c, r, e);
                return ret->string;
        case TYPE_STRINGS:
                return take_strings(c, r, e, ret);
        case TYPE_U32S:
                return take_u32s(r, e, ret);
        case TYPE_BYTES:
                return take_sparse(r, e, ret);
        case TYPE_DICT:
                return take_dict(c, head, r, e, ret);
        default:
                r->bad = true;
        }

        return !r->bad;
}

static void skip_sparse(struct bytes_reader *r) {
        size_t n = bytes_take_number(r);

        while (n > 0 && !r->bad) {
                size_t some;

                bytes_take_block(r, &some);
                some += bytes_take_number(r);
                if (some == 0 || some > n)
                        r->bad = true;
                n -= some;
        }
}

static void skip_value(const struct code_reader *c, enum field_type type, struct bytes_reader *head,
                       struct bytes_reader *r) {
        uint64_t n;

        switch (type) {
        case TYPE_BOOL:
                bytes_take_byte(r);
                break;
        case TYPE_STRING:
                string_skip(r, c->text, c->userdata);
                break;
        case TYPE_STRINGS:
                for (n = bytes_take_number(r); n > 0 && !r->bad; n--)
                        string_skip(r, c->text, c->userdata);
                break;
        case TYPE_U32S:
                for (n = bytes_take_number(r); n > 0 && !r->bad; n--)
                        bytes_take_number(r);
                break;
        case TYPE_BYTES:
                skip_sparse(r);
                break;
        case TYPE_DICT:
                for (n = bytes_take_number(head); n > 0 && !r->bad && !head->bad; n--) {
                        string_skip(head, c->text, c->userdata);
                        uint8_t inner = bytes_take_byte(head);
                        if (inner >= TYPE_DICT)
                                head->bad = true;
                        else
                                skip_value(c, (enum field_type) inner, head, r);
                }
                break;
        default:
                bytes_take_number(r);
        }
}

/* Reads fields until the end of `head`, or of this part of it. */
static int take_part(const struct code_reader *c, struct bytes_reader *head,
                     struct bytes_reader *values, enum code_part part, const struct field_set *only,
                     struct event *e) {
        while (bytes_left(head) > 0) {
                uint8_t number = bytes_take_byte(head);
                if (number == 0)
                        break;

                uint8_t type = bytes_take_byte(head);
                int f = c->fields->field[number];
                bool known = f >= 0 && parts[f] == part && field_info(f)->type == type;
                bool time = type == TYPE_U64 && f >= 0 && field_info(f)->unit == UNIT_MICROSECONDS;
                struct value v;

                if (type >= _TYPE_MAX)
                        return -EBADMSG;
                if (only && (f < 0 || !field_set_has(only, (enum field) f))) {
                        skip_value(c, (enum field_type) type, head, values);
                        if (head->bad || values->bad)
                                return -EBADMSG;
                        continue;
                }
                bool whole = take_value(c, time, (enum field_type) type, head, values, e, &v);
                if (head->bad || values->bad)
                        return -EBADMSG;
                if (!known)
                        continue;
                if (!whole) {
                        e->truncated++;
                        continue;
                }
                e->values[f] = v;
                e->present[f / 64] |= UINT64_C(1) << (f % 64);
        }

        return 0;
}

int code_take_kind(const struct code_reader *c, struct event *e, const void *kind, size_t n_kind,
                   const void *row, size_t n_row, const struct field_set *only) {
        struct bytes_reader head = bytes_reader(kind, n_kind), values = bytes_reader(row, n_row);
        int r = take_part(c, &head, &head, PART_KIND, only, e);

        if (r < 0 || !row)
                return r;

        struct code_reader own = *c;
        own.base = row_base(e, c->base);
        return take_part(&own, &head, &values, PART_ROW, only, e);
}

int code_take_process(const struct code_reader *c, struct event *e, const void *data, size_t n) {
        struct bytes_reader head = bytes_reader(data, n);

        return take_part(c, &head, &head, PART_PROCESS, NULL, e);
}

void code_kind_fields(const struct code_reader *c, const void *kind, size_t n,
                      struct field_set *ret) {
        struct bytes_reader head = bytes_reader(kind, n);

        while (bytes_left(&head) > 0 && bytes_take_byte(&head) != 0) {
                uint8_t type = bytes_take_byte(&head);
                skip_value(c, (enum field_type) type, &head, &head);
        }
        while (bytes_left(&head) > 0) {
                int f = c->fields->field[bytes_take_byte(&head)];

                if (f >= 0)
                        field_set_add(ret, (enum field) f);
                if (bytes_take_byte(&head) != TYPE_DICT)
                        continue;
                for (uint64_t left = bytes_take_number(&head); left > 0 && !head.bad; left--) {
                        string_skip(&head, c->text, c->userdata);
                        bytes_take_byte(&head);
                }
        }
}
