/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "attr.h"
#include "event.h"
#include "message.h"
#include "util.h"

enum {
        MESSAGE_MAX = 1024, /* bytes; what is longer is cut */
};

struct text {
        char bytes[MESSAGE_MAX];
        size_t used;
};

_printf_(2, 3) static void add(struct text *t, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        int n = vsnprintf(t->bytes + t->used, sizeof(t->bytes) - t->used, format, arguments);
        va_end(arguments);
        if (n > 0)
                t->used = MIN(t->used + (size_t) n, sizeof(t->bytes) - 1);
}

/* What a call is about, in the order in which a sentence prefers it. */
static const struct thing {
        const char *noun;
        enum field id, name, type;
} things[] = {
        {"link", FIELD_LINK_ID, _FIELD_MAX, FIELD_LINK_TYPE},
        {"program", FIELD_PROG_ID, FIELD_PROG_NAME, FIELD_PROG_TYPE},
        {"map", FIELD_MAP_ID, FIELD_MAP_NAME, FIELD_MAP_TYPE},
        {"BTF", FIELD_BTF_ID, FIELD_BTF_NAME, _FIELD_MAX},
};

static const char *string(const struct event *e, enum field f) {
        return f == _FIELD_MAX ? NULL : event_string(e, f);
}

/* `kprobe program "trace_open" (id 77)`, `tracing link 5`, `program 7`. Returns false when nothing
 * is known of such a thing. */
static bool add_thing(struct text *t, const struct event *e, const struct thing *thing) {
        const struct value *id = event_get(e, thing->id);
        const char *name = string(e, thing->name), *type = string(e, thing->type);

        if (!id && !name && !type)
                return false;

        add(t, " %s%s%s", type ?: "", type ? " " : "", thing->noun);
        if (name)
                add(t, " \"%s\"", name);
        if (id && name)
                add(t, " (id %u)", id->u32);
        else if (id)
                add(t, " %u", id->u32);
        return true;
}

static void add_object(struct text *t, const struct event *e, const struct command_info *info) {
        /* An attachment is of a program, even where the kernel makes a link for it. */
        bool attaching = strcmp(info->event, "attach") == 0;
        const struct value *length = event_get(e, FIELD_FILTER_INSTRUCTIONS);

        for (size_t i = attaching; i < ELEMENTSOF(things); i++)
                if (add_thing(t, e, &things[i])) {
                        if (i == 0 && event_has(e, FIELD_PROG_ID)) {
                                add(t, " of");
                                add_thing(t, e, &things[1]);
                        }
                        return;
                }

        add(t, " %s", info->what);
        if (length && length->u32 > 0)
                add(t, " of %u instruction%s", length->u32, length->u32 == 1 ? "" : "s");
}

/* How a thing is where it is: attached to it, detached from it, installed on it. */
static const char *preposition(const struct event *e, const struct command_info *info) {
        const char *class = event_string(e, FIELD_CLASS);

        if (class && strcmp(class, "remove") == 0)
                return "from";
        return strcmp(info->act, "install") == 0 ? "on" : "to";
}

static void add_place(struct text *t, const struct event *e, const struct command_info *info) {
        const char *path = event_string(e, FIELD_PIN_PATH);
        const char *target = event_string(e, FIELD_ATTACH_TARGET);
        const char *type = event_string(e, FIELD_ATTACH_TYPE);

        if (path)
                add(t, " at \"%s\"", path);
        if (target)
                add(t, " %s \"%s\"", preposition(e, info), target);
        else if (type)
                add(t, " as %s", type);
}

static void add_who(struct text *t, const struct event *e) {
        const char *name = event_string(e, FIELD_PROCESS_NAME);
        const struct value *pid = event_get(e, FIELD_PROCESS_PID);

        if (event_has(e, FIELD_ATTRIBUTED))
                add(t, "The kernel");
        else if (name)
                add(t, "%s", name);
        else
                add(t, "Process %u", pid ? pid->u32 : 0);
}

void message_set(struct event *e, const struct command_info *info) {
        const char *result = event_string(e, FIELD_RESULT), *error = event_string(e, FIELD_ERRNO);
        struct text t = {};

        if (!info->did || !result)
                return;

        if (strcmp(result, "rejected") == 0) {
                add(&t, "The verifier rejected");
                add_object(&t, e, info);
                add(&t, " of ");
                add_who(&t, e);
        } else {
                add_who(&t, e);
                if (strcmp(result, "ok") == 0)
                        add(&t, " %s", info->did);
                else if (strcmp(result, "denied") == 0)
                        add(&t, " was not allowed to %s", info->act);
                else
                        add(&t, " failed to %s", info->act);
                add_object(&t, e, info);
                add_place(&t, e, info);
        }
        if (error)
                add(&t, ": %s", error);

        event_set_string(e, FIELD_MESSAGE, t.bytes);
}
