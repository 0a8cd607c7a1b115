/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "clock.h"
#include "escape.h"
#include "log-output.h"

enum {
        TEXT_BYTES = 2048,
        FIELDS_MAX = LOG_FIELDS_MAX + 8, /* with our own */
        FIELD_BYTES = 2048,
        FLUSH_USEC = 5000000, /* that the end waits for who takes the messages */
};

static int max_level = LOG_INFO;
static uint64_t rate_interval, rate_burst;
static enum log_target log_target;
static struct log_site *sites; /* that left something out */
/* What is loaded in a thread of its own tells about it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const target_names[_LOG_TARGET_MAX] = {
        [LOG_TARGET_AUTO] = "auto",
        [LOG_TARGET_CONSOLE] = "console",
        [LOG_TARGET_JOURNAL] = "journal",
        [LOG_TARGET_NULL] = "null",
};

void log_set_level(int level) {
        max_level = level;
}

int log_level(void) {
        return max_level;
}

void log_set_rate(uint64_t interval, uint64_t burst) {
        rate_interval = interval;
        rate_burst = burst;
}

void log_set_target(enum log_target target) {
        log_target = target;
}

int log_set_target_name(const char *name) {
        for (int i = 0; i < _LOG_TARGET_MAX; i++)
                if (strcmp(target_names[i], name) == 0) {
                        log_target = i;
                        return 0;
                }
        return -EINVAL;
}

const char *log_target_name(void) {
        return target_names[log_target];
}

/* Where it goes -------------------------------------------------------------------------------- */

/* systemd.exec(5): the variable names the device and inode of the journal's stream; whoever is
 * started with another stderr may have inherited it. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static bool is_journal(void) {
        static int journal = -1;

        if (journal < 0)
                journal = stderr_is_journal();
        return journal;
}

struct fields {
        struct iovec parts[FIELDS_MAX];
        char *texts[FIELDS_MAX];
        int n;
};

static void fields_done(struct fields *f) {
        while (f->n > 0)
                free(f->texts[--f->n]);
}

static _printf_(2, 3) void add_field(struct fields *f, const char *format, ...) {
        va_list args;
        int n;

        if (f->n == FIELDS_MAX)
                return;
        va_start(args, format);
        n = vasprintf(&f->texts[f->n], format, args);
        va_end(args);
        if (n < 0)
                return;
        f->parts[f->n] = (struct iovec){f->texts[f->n], (size_t) n};
        f->n++;
}

static void emit(const struct log_site *site, int level, const char *id,
                 const struct log_field *fields, const char *text) {
        _cleanup_(fields_done) struct fields f = {};
        const char *file = strrchr(site->file, '/');

        if (log_target == LOG_TARGET_JOURNAL || (log_target == LOG_TARGET_AUTO && is_journal())) {
                add_field(&f, "MESSAGE=%s", text);
                add_field(&f, "PRIORITY=%d", level);
                add_field(&f, "SYSLOG_IDENTIFIER=bpfmond");
                add_field(&f, "CODE_FILE=%s", file ? file + 1 : site->file);
                add_field(&f, "CODE_LINE=%d", site->line);
                if (id)
                        add_field(&f, "MESSAGE_ID=%s", id);
                for (; fields && fields->name; fields++)
                        add_field(&f, "%s=%.*s", fields->name, FIELD_BYTES, fields->value);
        }
        output_say(level, is_journal(), text, f.parts, (size_t) f.n);
}

/* What is left out ----------------------------------------------------------------------------- */

/* Says what was left out of sites whose interval is over, or of all. */
static void tell_left_out(uint64_t now, bool all) {
        struct log_site **i = &sites;

        while (*i) {
                struct log_site *site = *i;
                char text[TEXT_BYTES];

                if (!all && now - site->since < rate_interval) {
                        i = &site->next;
                        continue;
                }
                *i = site->next;
                snprintf(text, sizeof(text), "Left out %" PRIu64 " more message%s like \"%s\"",
                         site->left_out, site->left_out == 1 ? "" : "s", site->sample);
                site->left_out = 0;
                if (log_target != LOG_TARGET_NULL)
                        emit(site, LOG_NOTICE, NULL, NULL, text);
        }
}

void log_flush(void) {
        pthread_mutex_lock(&lock);
        tell_left_out(clock_usec(CLOCK_MONOTONIC), true);
        pthread_mutex_unlock(&lock);
        (void) output_wait(FLUSH_USEC);
}

static bool may_say(struct log_site *site, const char *text) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC);

        tell_left_out(now, rate_interval == 0);
        if (rate_interval == 0)
                return true;
        if (site->logged == 0 || now - site->since >= rate_interval) {
                site->since = now;
                site->logged = 0;
        }
        if (site->logged < rate_burst) {
                site->logged++;
                return true;
        }
        if (site->left_out++ == 0) {
                (void) utf8_sanitize(text, strlen(text), site->sample, sizeof(site->sample));
                site->next = sites;
                sites = site;
        }
        return false;
}

void log_write(struct log_site *site, int level, const char *id, const struct log_field *fields,
               const char *format, ...) {
        char text[TEXT_BYTES];
        int error = errno;
        va_list args;

        if (level > max_level || log_target == LOG_TARGET_NULL)
                return;
        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        pthread_mutex_lock(&lock);
        if (level == LOG_DEBUG || may_say(site, text))
                emit(site, level, id, fields, text);
        pthread_mutex_unlock(&lock);
        errno = error;
}
