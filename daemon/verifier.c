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

/* How lines begin that tell what the verifier did, not why it said no. kernel/bpf/verifier.c and
 * log.c of Linux 5.10 to 7.3. */
static const char *const telling[] = {
        "processed ",
        "verification time ",
        "stack depth ",
        "max_states_per_insn ",
        "-- ",
        "; ",
        "from ",
        "frame",
        "fp-",
        "func#",
        "subprog#",
        "Func#",
        "Validating ",
        "mark_precise: ",
        "last_idx ",
        "regs=",
        "parent ",
        "propagating ",
        "caller:",
        "callee:",
        "returning from callee:",
        "to caller at ",
        "cur state:",
        "old state:",
        "Live regs before insn:",
        "stack use/def",
        "safe",
};

/* "12: (b7) r0 = 0", "12: R0=0 R10=fp0" */
static bool is_instruction(const char *line, size_t n) {
        size_t digits = 0;

        while (digits < n && isdigit((unsigned char) line[digits]))
                digits++;
        return digits > 0 && digits < n && line[digits] == ':';
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
                if (strncmp(line, telling[i], MIN(n, strlen(telling[i]))) == 0 &&
                    n >= strlen(telling[i]))
                        return false;
        return true;
}

static void set_reason(struct event *e, const char *log, size_t n) {
        while (n > 0) {
                const char *newline = memrchr(log, '\n', n);
                const char *line = newline ? newline + 1 : log, *end = log + n;

                n = newline ? (size_t) (newline - log) : 0;
                while (line < end && isspace((unsigned char) *line))
                        line++;
                while (line < end && isspace((unsigned char) end[-1]))
                        end--;
                if (is_reason(line, (size_t) (end - line))) {
                        event_set_stringn(e, FIELD_VERIFIER_REASON, line, (size_t) (end - line));
                        return;
                }
        }
}

void verifier_describe(struct event *e, const char *log, size_t n) {
        const char *start = log, *newline;

        n = strnlen(log, n);
        while (n > 0 && isspace((unsigned char) log[n - 1]))
                n--;
        if (n > LOG_MAX) {
                start = log + n - LOG_MAX;
                newline = memchr(start, '\n', LOG_MAX);
                start = newline ? newline + 1 : start;
        }
        if (n == 0)
                return;
        event_set_stringn(e, FIELD_VERIFIER_LOG, start, (size_t) (log + n - start));
        set_reason(e, start, (size_t) (log + n - start));
}
