/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Where messages for the administrator go, without ever waiting for who takes them: what the
 * journal or stderr does not take at once waits for it in a thread of its own, up to a limit. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
        OUTPUT_BYTES_MAX = 1 << 20, /* that wait; what comes then is dropped, and counted */
};

/* Says a message of one line: to the journal, as the fields ("NAME=value"), or, where there is none
 * or `n` is 0, as `text` to stderr. `stream`: stderr is a stream of the journal. Nothing is kept of
 * what was given; messages come in the order in which they were said. */
void output_say(int level, bool stream, const char *text, const struct iovec *fields, size_t n);

/* Waits until all is said, or for `usec`. Returns whether it is. */
bool output_wait(uint64_t usec);

/* Messages that were dropped up to now. */
uint64_t output_dropped(void);
