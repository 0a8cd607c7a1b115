/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Messages for the administrator: to the journal with their fields where stderr goes there, else
 * to stderr. What says the same again and again is left out, and counted; nothing ever waits for
 * who takes it (log-output.h). */

#include <errno.h>
#include <stdint.h>
#include <syslog.h>

#include "util.h"

/* A field of a message in the journal, such as BPFMON_SETTING. */
struct log_field {
        const char *name, *value;
};

/* A place in the source that logs: what it said lately. Zeroed at first; its file is static. */
struct log_site {
        const char *file;
        int line;
        uint64_t since;        /* CLOCK_MONOTONIC, µs: when its interval began */
        uint64_t logged;       /* since then */
        uint64_t left_out;     /* and what was not */
        char sample[96];       /* the first of those */
        struct log_site *next; /* of those that left something out */
};

enum {
        LOG_FIELDS_MAX = 160, /* of one message, with the one that ends them */
};

enum log_target {
        LOG_TARGET_AUTO,    /* the journal where stderr goes there, else stderr */
        LOG_TARGET_CONSOLE, /* stderr */
        LOG_TARGET_JOURNAL,
        LOG_TARGET_NULL,
        _LOG_TARGET_MAX
};

/* Logs one message of a syslog level (LOG_ERR, …), unless it is above the level set or `site` has
 * said too much. `id`: of message-ids.h, or NULL. `fields` (may be NULL) end with one without a
 * name. Keeps errno. Use the macros below. */
void log_write(struct log_site *site, int level, const char *id, const struct log_field *fields,
               const char *format, ...) _printf_(5, 6);

/* Says how much was left out up to now, and waits until all is said; for 5 s, where nobody takes
 * it. */
void log_flush(void);

/* The least important level that is logged; LOG_INFO at first. */
void log_set_level(int level);
int log_level(void);

/* Of one site `burst` messages are logged in `interval` µs; 0: all. Debug messages are never left
 * out. */
void log_set_rate(uint64_t interval, uint64_t burst);

void log_set_target(enum log_target target);
/* Takes a target by its name; -EINVAL for none of ours. */
int log_set_target_name(const char *name);
const char *log_target_name(void);

#define log_message(level, id, fields, ...)                                          \
        ({                                                                           \
                static struct log_site _site = {.file = __FILE__, .line = __LINE__}; \
                log_write(&_site, level, id, fields, __VA_ARGS__);                   \
        })
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {}})

#define log_error(...)   log_message(LOG_ERR, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, NULL, NULL, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, NULL, NULL, __VA_ARGS__)
#define log_debug(...)   log_message(LOG_DEBUG, NULL, NULL, __VA_ARGS__)
