/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alert.h"

#include <json.h>
#include <string.h>

#include "severity.h"
#include "text.h"
#include "value.h"

static const enum urgency urgencies[_SEVERITY_MAX] = {
        [SEVERITY_INFO] = URGENCY_LOW,
        [SEVERITY_NOTICE] = URGENCY_LOW,
        [SEVERITY_WARNING] = URGENCY_NORMAL,
        [SEVERITY_CRITICAL] = URGENCY_CRITICAL,
};

static enum urgency urgency_of(struct json_object *row) {
        const char *severity = row_string(row, FIELD_SEVERITY);
        int s = severity ? severity_from_name(severity) : -ENOENT;

        return s < 0 ? URGENCY_NORMAL : urgencies[s];
}

/* No user's name has a colon in it: it separates the fields of passwd(5). */
static const char program[] = "<container {container.id} ><{process.executable}|"
                              "{user.name}:{process.name}|{user.id}:{process.name}|"
                              "?:{process.name}>";

/* Without a rule, events of one kind that ended alike are of one cause. */
static const char cause[] = "<{event} {result}|{event}>";

static char *fill(struct json_object *row, const char *template) {
        struct text t = {};

        row_add(&t, row, template);
        if (t.failed)
                text_clear(&t);
        else if (!t.data)
                return strdup("");
        return t.data;
}

/* Events of one rule are of one cause. The first of its rules is the one whose words an event has.
 */
static char *name_cause(struct json_object *row) {
        struct json_object *names = row_get(row, FIELD_RULE_NAME);
        struct text t = {};

        if (!json_object_is_type(names, json_type_array) || json_object_array_length(names) == 0)
                return fill(row, cause);
        text_add(&t, "rule ");
        value_add(&t, -1, json_object_array_get_idx(names, 0));
        if (t.failed)
                text_clear(&t);
        return t.data;
}

/* bpfmond counts what repeats, and tells that later in an event `alert`. */
static void set_count(struct alert *a) {
        const char *event = row_string(a->row, FIELD_EVENT);
        uint64_t count = row_number(a->row, FIELD_ALERT_COUNT);

        a->again = event && strcmp(event, "alert") == 0;
        a->count = a->again && count > 0 ? count : 1;
}

static bool has_process(struct json_object *row) {
        return row_get(row, FIELD_PROCESS_NAME) || row_get(row, FIELD_PROCESS_EXECUTABLE);
}

int alert_new(struct alert **ret, struct json_object *row) {
        _cleanup_alert_ struct alert *a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;

        a->row = json_object_get(row);
        a->urgency = urgency_of(row);
        a->time = row_number(row, FIELD_TIME);
        a->cause = name_cause(row);
        set_count(a);
        if (has_process(row))
                a->program = fill(row, program);
        if (!a->cause || (has_process(row) && !a->program))
                return -ENOMEM;

        *ret = TAKE_PTR(a);
        return 0;
}

struct alert *alert_free(struct alert *a) {
        if (!a)
                return NULL;

        json_object_put(a->row);
        free(a->program);
        free(a->cause);
        free(a);
        return NULL;
}
