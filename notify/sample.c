/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sample.h"

#include <json.h>

#include "clock.h"
#include "event.h"
#include "util.h"

static void add(struct json_object *row, enum field f, struct json_object *value) {
        json_object_object_add(row, field_info(f)->name, value);
}

struct json_object *sample_alert(void) {
        static const struct {
                enum field field;
                const char *value;
        } strings[] = {
                {FIELD_EVENT, "prog-load"},
                {FIELD_CLASS, "install"},
                {FIELD_SEVERITY, "warning"},
                {FIELD_MESSAGE, "This is a sample: nothing happened. An alert looks like it."},
                {FIELD_RESULT, "ok"},
                {FIELD_PROCESS_NAME, "example"},
                {FIELD_PROCESS_EXECUTABLE, SAMPLE_PROGRAM},
                {FIELD_USER_NAME, "root"},
                {FIELD_PROG_NAME, "sample"},
                {FIELD_PROG_TYPE, "kprobe"},
        };
        struct json_object *row = json_object_new_object();

        if (!row)
                return NULL;
        add(row, FIELD_TIME, json_object_new_uint64(clock_usec(CLOCK_REALTIME)));
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                add(row, strings[i].field, json_object_new_string(strings[i].value));
        add(row, FIELD_PROCESS_PID, json_object_new_int(4711));
        add(row, FIELD_PROG_ID, json_object_new_int(42));
        return row;
}

struct json_object *sample_lost(uint64_t count) {
        struct json_object *row = json_object_new_object();

        if (!row)
                return NULL;
        add(row, FIELD_TIME, json_object_new_uint64(clock_usec(CLOCK_REALTIME)));
        add(row, FIELD_EVENT, json_object_new_string("lost"));
        add(row, FIELD_CLASS, json_object_new_string("self"));
        add(row, FIELD_SEVERITY, json_object_new_string("warning"));
        add(row, FIELD_LOST_COUNT, json_object_new_uint64(count));
        return row;
}
