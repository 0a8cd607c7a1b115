/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The settings of bpfmond.conf: one table (settings.def) of what there is, and how their values are
 * read and written. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service.h"

/* What clients may take at most. */
enum limit {
        LIMIT_SUBSCRIPTIONS,
        LIMIT_SUBSCRIPTIONS_PER_USER,
        LIMIT_STREAMS,
        LIMIT_STREAMS_PER_USER,
        LIMIT_MATCH_TERMS,
        LIMIT_MATCH_BYTES, /* of all terms of a match together */
        LIMIT_PENDING_AUTHORIZATIONS,
        LIMIT_CONNECTION_LISTS_PER_USER, /* that are being made */
        LIMIT_QUERY_ROWS,                /* in one reply */
        LIMIT_MESSAGE_BYTES,             /* in one reply */
        LIMIT_WINDOW_BYTES, /* unconfirmed, per subscription: more is counted as lost */
        _LIMIT_MAX
};

/* Every setting but services is a number, whatever it looks like in the file. */
struct settings {
        uint64_t limits[_LIMIT_MAX];
        uint64_t ring_size;    /* bytes */
        uint64_t kprobes;      /* 0 or 1 */
        uint64_t log_level;    /* of syslog */
        uint64_t log_interval; /* µs */
        uint64_t history_size; /* bytes */
        uint64_t history_age;  /* µs */
        uint64_t log_burst;
        uint64_t connections_always;   /* 0 or 1 */
        uint64_t connections_max;      /* at a time */
        struct service_rules services; /* beside the usual ones */
};

enum setting_type {
        SETTING_NUMBER,
        SETTING_SIZE, /* bytes */
        SETTING_RING, /* bytes, a power of two */
        SETTING_SPAN, /* µs */
        SETTING_BOOLEAN,
        SETTING_LEVEL,   /* of syslog */
        SETTING_SERVICE, /* no number: each line adds to a struct service_rules, an empty one
                            empties it */
};

struct setting {
        const char *section, *key;
        enum setting_type type;
        size_t offset;  /* in struct settings */
        uint64_t value; /* by default */
        uint64_t least, most;
        bool restart;        /* takes effect with the next start */
        const char *meaning; /* for the manual page */
};

extern const struct setting setting_table[];
extern const size_t setting_count;

enum {
        SETTING_VALUE_BYTES = 32,   /* that a value takes when written, with NUL */
        SETTING_EXPECT_BYTES = 128, /* that setting_expect() writes at most, with NUL */
};

/* Every setting has its default. */
void settings_init(struct settings *s);

/* Where a number is, or the rules of services. */
struct service_rules *setting_services_in(const struct setting *setting, struct settings *s);
uint64_t *setting_in(const struct setting *setting, struct settings *s);

/* Reads a value: -EINVAL for what is none of its type, -ERANGE for one that is out of range. */
int setting_parse(const struct setting *setting, const char *text, uint64_t *ret);

/* Writes a value as a file has it. */
void setting_format(const struct setting *setting, uint64_t value,
                    char ret[static SETTING_VALUE_BYTES]);

/* Says what may be written: "a size from 64K to 32M". */
void setting_expect(const struct setting *setting, char ret[static SETTING_EXPECT_BYTES]);

/* Reads a time span as systemd writes it ("1h 30min"), in whole numbers; without a unit it is of
 * seconds. `ret` is in µs. Returns 0, -EINVAL or -ERANGE. */
int span_parse(const char *text, uint64_t *ret);
