/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "ini.h"
#include "settings.h"
#include "util.h"

enum {
        SHOWN_BYTES = 96, /* of what a file holds, in a message */
};

struct lines {
        const struct config_sink *sink;
        const char *section; /* from the table */
};

static _printf_(3, 4) void complain(const struct lines *l, const struct ini_place *at,
                                    const char *format, ...) {
        char message[512];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        l->sink->complain(at->file, at->line, message, l->sink->userdata);
}

/* Names ---------------------------------------------------------------------------------------- */

/* The section's name as the table has it, or NULL. */
static const char *find_section(const char *name) {
        for (size_t i = 0; i < setting_count; i++)
                if (strcmp(setting_table[i].section, name) == 0)
                        return setting_table[i].section;
        return NULL;
}

static const struct setting *find_key(const char *section, const char *key) {
        for (size_t i = 0; i < setting_count; i++)
                if (strcmp(setting_table[i].section, section) == 0 &&
                    strcmp(setting_table[i].key, key) == 0)
                        return &setting_table[i];
        return NULL;
}

static void complain_section(const struct lines *l, const struct ini_place *at, const char *name) {
        char shown[SHOWN_BYTES];
        unsigned best = ini_slip(name);
        const char *near = NULL;

        for (size_t i = 0; i < setting_count; i++)
                if (ini_suggests(name, setting_table[i].section, &best))
                        near = setting_table[i].section;
        escape_shortened(name, shown, sizeof(shown));
        complain(l, at, "Unknown section [%s], it is left out%s%s%s", shown,
                 near ? "; did you mean [" : "", near ?: "", near ? "]?" : "");
}

static void complain_key(const struct lines *l, const struct ini_place *at, const char *key) {
        char shown[SHOWN_BYTES];
        unsigned best = ini_slip(key);
        const struct setting *elsewhere = NULL;
        const char *near = NULL;

        escape_shortened(key, shown, sizeof(shown));
        for (size_t i = 0; i < setting_count; i++)
                if (strcmp(setting_table[i].section, l->section) != 0) {
                        if (strcmp(setting_table[i].key, key) == 0)
                                elsewhere = &setting_table[i];
                } else if (ini_suggests(key, setting_table[i].key, &best)) {
                        near = setting_table[i].key;
                }
        if (elsewhere)
                complain(l, at, "%s= belongs to the section [%s], not [%s]", shown,
                         elsewhere->section, l->section);
        else
                complain(l, at, "Unknown setting %s= in [%s]%s%s%s", shown, l->section,
                         near ? "; did you mean " : "", near ?: "", near ? "=?" : "");
}

/* What is set ---------------------------------------------------------------------------------- */

static bool on_heading(const struct ini_place *at, char *name, void *userdata) {
        struct lines *l = userdata;

        l->section = name ? find_section(name) : NULL;
        if (name && !l->section)
                complain_section(l, at, name);
        return l->section;
}

static void take_service(const struct lines *l, const struct ini_place *at,
                         const struct setting *setting, const char *text) {
        struct service_rules *rules = setting_services_in(setting, l->sink->settings);
        char shown[SHOWN_BYTES], expect[SETTING_EXPECT_BYTES];
        int k;

        if (!*text) {
                *rules = (struct service_rules){};
                return;
        }
        k = service_rules_add(rules, text);
        if (k >= 0)
                return;
        escape_shortened(text, shown, sizeof(shown));
        setting_expect(setting, expect);
        if (k == -E2BIG)
                complain(l, at, "%s=%s is left out: there are more than %d", setting->key, shown,
                         SERVICE_RULES_MAX);
        else
                complain(l, at, "%s=%s is not understood; write %s", setting->key, shown, expect);
}

static void take_value(const struct lines *l, const struct ini_place *at,
                       const struct setting *setting, const char *text) {
        uint64_t *member = setting_in(setting, l->sink->settings);
        char shown[SHOWN_BYTES], expect[SETTING_EXPECT_BYTES], stands[SETTING_VALUE_BYTES];
        int k;

        if (!*text) {
                *member = setting->value;
                return;
        }
        k = setting_parse(setting, text, member);
        if (k >= 0)
                return;
        escape_shortened(text, shown, sizeof(shown));
        setting_expect(setting, expect);
        setting_format(setting, *member, stands);
        complain(l, at, "%s=%s is %s; write %s. It stays %s", setting->key, shown,
                 k == -ERANGE ? "out of range" : "not understood", expect, stands);
}

static void on_assignment(const struct ini_place *at, char *key, char *value, void *userdata) {
        const struct lines *l = userdata;
        const struct setting *setting = find_key(l->section, key);

        if (setting && setting->type == SETTING_SERVICE)
                take_service(l, at, setting, value);
        else if (setting)
                take_value(l, at, setting, value);
        else
                complain_key(l, at, key);
}

static void on_complaint(const struct ini_place *at, const char *message, void *userdata) {
        const struct lines *l = userdata;

        l->sink->complain(at->file, at->line, message, l->sink->userdata);
}

void config_lines(const struct config_sink *sink, const char *file, const char *text, size_t size) {
        struct lines l = {.sink = sink};
        const struct ini_sink ini = {on_heading, on_assignment, on_complaint, &l};

        ini_read(&ini, file, text, size);
}
