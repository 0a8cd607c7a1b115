/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alert-journal.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "event.h"
#include "log.h"
#include "message-ids.h"
#include "severity.h"

enum {
        NAME_BYTES = 64,   /* journald takes no longer name */
        NUMBER_BYTES = 24, /* of a number as text */
        MESSAGE_BYTES = 1024,
        TEXTS_BYTES = 8192, /* for names and numbers */
        HEX_BYTES = 64,     /* of a byte array */
};

/* The fields of one message; what does not fit is left out. */
struct journal {
        struct log_field fields[LOG_FIELDS_MAX];
        size_t n;
        char texts[TEXTS_BYTES];
        size_t used;
};

/* Room that lives as long as the message; NULL where there is none. */
static char *room(struct journal *j, size_t n) {
        char *at = j->texts + j->used;

        if (n > sizeof(j->texts) - j->used)
                return NULL;
        j->used += n;
        return at;
}

/* "process.pid" is BPFMON_PROCESS_PID. */
static char *make_name(struct journal *j, const char *field, const char *key) {
        char name[NAME_BYTES], *at;
        int n = snprintf(name, sizeof(name), "BPFMON_%s%s%s", field, key ? "_" : "", key ?: "");

        if (n < 0 || n >= NAME_BYTES)
                return NULL;
        for (char *s = name; *s; s++)
                *s = isascii((unsigned char) *s) && isalnum((unsigned char) *s)
                             ? (char) toupper((unsigned char) *s)
                             : '_';
        at = room(j, (size_t) n + 1);
        if (at)
                strcpy(at, name);
        return at;
}

static void add(struct journal *j, const char *name, const char *value) {
        if (name && value && j->n + 1 < LOG_FIELDS_MAX)
                j->fields[j->n++] = (struct log_field){name, value};
}

static void _printf_(3, 4)
        add_printf(struct journal *j, const char *name, const char *format, ...) {
        char *value = room(j, NUMBER_BYTES);
        va_list args;

        if (!value)
                return;
        va_start(args, format);
        (void) vsnprintf(value, NUMBER_BYTES, format, args);
        va_end(args);
        add(j, name, value);
}

static void add_bytes(struct journal *j, const char *name, const struct value *v) {
        size_t n = MIN(v->bytes.size, (size_t) HEX_BYTES);
        const uint8_t *data = v->bytes.data;
        char *value = room(j, 2 * n + 1);

        if (!value)
                return;
        value[0] = 0;
        for (size_t i = 0; i < n; i++)
                snprintf(value + 2 * i, 3, "%02x", data[i]);
        add(j, name, value);
}

/* Each item of a list is a value of the field: journald knows several. */
static void add_value(struct journal *j, const char *field, const char *key, const struct value *v,
                      enum field_unit unit) {
        const char *name = make_name(j, field, key);

        switch (v->type) {
        case TYPE_BOOL:
                add(j, name, v->boolean ? "yes" : "no");
                break;
        case TYPE_U32:
                add_printf(j, name, "%" PRIu32, v->u32);
                break;
        case TYPE_U64:
                if (unit == UNIT_HEX)
                        add_printf(j, name, "0x%" PRIx64, v->u64);
                else
                        add_printf(j, name, "%" PRIu64, v->u64);
                break;
        case TYPE_S64:
                add_printf(j, name, "%" PRId64, v->s64);
                break;
        case TYPE_STRING:
                add(j, name, v->string);
                break;
        case TYPE_STRINGS:
                for (size_t i = 0; i < v->strings.n; i++)
                        add(j, name, v->strings.items[i]);
                break;
        case TYPE_U32S:
                for (size_t i = 0; i < v->u32s.n; i++)
                        add_printf(j, name, "%" PRIu32, v->u32s.items[i]);
                break;
        case TYPE_BYTES:
                add_bytes(j, name, v);
                break;
        default:
                for (size_t i = 0; v->type == TYPE_DICT && i < v->dict.n; i++)
                        add_value(j, field, v->dict.items[i].key, &v->dict.items[i].value,
                                  UNIT_NONE);
        }
}

static bool has_hidden(const char *s) {
        for (size_t n; *s; s += n) {
                n = utf8_sequence(s, 4);
                if (n == 0 || utf8_hidden(s, n) > 0)
                        return true;
        }
        return false;
}

void alert_log(const struct event *e) {
        const char *severity = event_string(e, FIELD_SEVERITY) ?: "";
        const struct value *rules = event_get(e, FIELD_RULE_NAME);
        bool critical = strcmp(severity, severity_name(SEVERITY_CRITICAL)) == 0;
        const char *message = event_string(e, FIELD_MESSAGE) ?: "";
        char escaped[MESSAGE_BYTES];
        struct journal j;

        j.n = j.used = 0;
        for (int f = -1; (f = event_next(e, f)) >= 0;)
                if (f != FIELD_MESSAGE)
                        add_value(&j, field_info(f)->name, NULL, &e->values[f],
                                  field_info(f)->unit);
        j.fields[j.n] = (struct log_field){};

        /* Where a rule has no words of its own these are the event's, with names as they are. */
        if (has_hidden(message)) {
                escape_shortened(message, escaped, sizeof(escaped));
                message = escaped;
        }
        log_message(critical ? LOG_CRIT : LOG_WARNING, MESSAGE_ALERT, j.fields,
                    "%s (%s alert, rule %s)", message, severity,
                    rules && rules->strings.n > 0 ? rules->strings.items[0] : "?");
}
