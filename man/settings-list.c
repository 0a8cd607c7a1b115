/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the settings of bpfmond.conf from their table, at build time: copies its input, and puts
 * them in place of the line @SETTINGS@: for the manual page ("page") or as comments ("conf"). */

#include <stdio.h>
#include <string.h>

#include "settings.h"
#include "util.h"

static void section_page(const char *name) {
        printf("## [%s]\n\n", name);
}

static void setting_page(const struct setting *s, const char *value, const char *expect) {
        printf("*%s=*\n\t%s\n\n\tTakes %s. Default: %s.%s\n\n", s->key, s->meaning, expect,
               *value ? value : "none",
               s->restart ? " A change takes effect with the next start." : "");
}

static void section_conf(const char *name) {
        printf("[%s]\n", name);
}

static void setting_conf(const struct setting *s, const char *value, _unused_ const char *expect) {
        printf("#%s=%s\n", s->key, value);
}

static const struct form {
        const char *name;
        void (*section)(const char *name);
        void (*setting)(const struct setting *s, const char *value, const char *expect);
} forms[] = {{"page", section_page, setting_page}, {"conf", section_conf, setting_conf}};

static void list(const struct form *form) {
        const char *section = "";

        for (size_t i = 0; i < setting_count; i++) {
                const struct setting *s = &setting_table[i];
                char value[SETTING_VALUE_BYTES], expect[SETTING_EXPECT_BYTES];

                if (strcmp(s->section, section) != 0) {
                        if (*section && form->section == section_conf)
                                putchar('\n');
                        form->section(s->section);
                        section = s->section;
                }
                setting_format(s, s->value, value);
                setting_expect(s, expect);
                form->setting(s, value, expect);
        }
}

int main(int argc, char *argv[]) {
        const struct form *form = NULL;
        char line[1024];

        for (size_t i = 0; argc == 2 && i < ELEMENTSOF(forms); i++)
                if (strcmp(forms[i].name, argv[1]) == 0)
                        form = &forms[i];
        if (!form)
                return 2;
        while (fgets(line, sizeof(line), stdin))
                if (strcmp(line, "@SETTINGS@\n") == 0)
                        list(form);
                else
                        fputs(line, stdout);
        return ferror(stdin) || fflush(stdout) != 0;
}
