/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "code.h"
#include "event.h"
#include "util.h"

enum {
        LOG_MAX = 4096, /* bytes of the log that are shown */
};

/* How lines begin that tell what the verifier did, not why it said no: kernel/bpf/verifier.c and
 * log.c of Linux 5.10 to 7.3. 0 stands for any digit. */
static const char *const telling[] = {
        "processed 0",
        "verification time ",
        "stack depth ",
        "max_states_per_insn ",
        "subprog 0",
        "-- ",
        "; ",
        "from 0",
        "frame0",
        "fp-0",
        "func#0",
        "Func#0",
        "Validating ",
        "Live regs before insn:",
        "mark_precise: ",
        "last_idx ",
        "regs=",
        "parent didn't have ",
        "parent already had ",
        "parent state ",
        "propagating ",
        "SCC ",
        "caller:",
        "callee:",
        "returning from callee:",
        "to caller at ",
        "cur state:",
        "old state:",
        "safe",
};

/* From 7.1 on some reasons are followed by a report of many lines, in which a suggestion comes
 * last. */
static const char report[] = "Verification failed: ";

static bool begins(const char *line, size_t n, const char *beginning) {
        for (; *beginning; line++, beginning++, n--)
                if (n == 0 ||
                    (*beginning == '0' ? !isdigit((unsigned char) *line) : *beginning != *line))
                        return false;
        return true;
}

/* "12: (b7) r0 = 0", "12: R0=0 R10=fp0"; "1   12: 0.. (b7) r0 = 0" of a loop. */
static bool is_instruction(const char *line, size_t n) {
        size_t i = 0;

        while (i < n && (isdigit((unsigned char) line[i]) || line[i] == ' '))
                i++;
        return i > 0 && i < n && line[i] == ':' && isdigit((unsigned char) line[0]);
}

/* "R0=0 R10=fp0", "R1_w=ctx": but "R0 !read_ok" is a reason. */
static bool is_registers(const char *line, size_t n) {
        size_t i = 1;

        if (n < 3 || line[0] != 'R' || !isdigit((unsigned char) line[1]))
                return false;
        while (i < n && isdigit((unsigned char) line[i]))
                i++;
        return i < n && (line[i] == '=' || line[i] == '_');
}

static bool is_reason(const char *line, size_t n) {
        if (n == 0 || is_instruction(line, n) || is_registers(line, n))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(telling); i++)
                if (begins(line, n, telling[i]))
                        return false;
        return true;
}

static bool is_report(const char *line, size_t n) {
        return begins(line, n, report);
}

/* A line without the space around it, and how much of the log is before it. */
struct line {
        const char *text;
        size_t n, before;
};

static bool find_last(const char *log, size_t n, bool (*is)(const char *line, size_t n),
                      struct line *ret) {
        while (n > 0) {
                const char *newline = memrchr(log, '\n', n), *end = log + n;
                const char *text = newline ? newline + 1 : log;

                n = newline ? (size_t) (newline - log) : 0;
                while (text < end && isspace((unsigned char) *text))
                        text++;
                while (text < end && isspace((unsigned char) end[-1]))
                        end--;
                if (is(text, (size_t) (end - text))) {
                        *ret = (struct line){text, (size_t) (end - text), n};
                        return true;
                }
        }
        return false;
}

static void set_reason(struct event *e, const char *log, size_t n) {
        struct line line;

        /* The title of a report will do where the reason before it is gone. */
        if (find_last(log, n, is_report, &line))
                find_last(log, line.before, is_reason, &line);
        else if (!find_last(log, n, is_reason, &line))
                return;
        event_set_stringn(e, FIELD_VERIFIER_REASON, line.text, line.n);
}

/* The first beginning of a line behind `at`, or `at` where there is none. */
static const char *next_line(const char *at, const char *end) {
        const char *newline = memchr(at, '\n', (size_t) (end - at));

        return newline ? newline + 1 : at;
}

void verifier_describe(struct event *e, const char *log, size_t n) {
        const char *start, *end;
        bool cut = n >= LOG_MAX; /* it may have come without its beginning */

        n = strnlen(log, n);
        while (n > 0 && isspace((unsigned char) log[n - 1]))
                n--;
        if (n == 0)
                return;

        start = log;
        end = log + n;
        if (cut)
                start = next_line(start, end);
        set_reason(e, start, (size_t) (end - start));
        if (end - start > LOG_MAX)
                start = next_line(end - LOG_MAX, end);
        event_set_stringn(e, FIELD_VERIFIER_LOG, start, (size_t) (end - start));
}
