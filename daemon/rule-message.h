/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a rule says of an event: a text in which {FIELD} stands for the event's value. */

#include <stddef.h>

struct event;
struct rule_message;

enum {
        RULE_MESSAGE_MAX = 1024,      /* bytes that come out, with NUL */
        RULE_MESSAGE_ERROR_MAX = 512, /* bytes of why a text was refused, with NUL */
};

/* Reads a text (copied; UTF-8): {FIELD} is a field of fields.def, {bpf.attr.NAME} an entry of that
 * dictionary; {{ and }} are braces. Returns 0; -EINVAL with `error` saying why, printable; -ENOMEM.
 */
int rule_message_new(struct rule_message **ret, const char *text,
                     char error[static RULE_MESSAGE_ERROR_MAX]);
struct rule_message *rule_message_free(struct rule_message *m);

/* Writes what it says of an event. Values are made harmless for a terminal and shortened; "?"
 * stands for what is not known. */
void rule_message_write(const struct rule_message *m, const struct event *e,
                        char ret[static RULE_MESSAGE_MAX]);
