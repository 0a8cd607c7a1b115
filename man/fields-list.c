/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the fields of events for their manual page, from their table, at build time: copies its
 * input, and puts them in place of the line @FIELDS@. */

#include <stdio.h>
#include <string.h>

#include "event.h"
#include "field-values.h"
#include "util.h"

static const char *const unit_texts[] = {
        [UNIT_NONE] = "",
        [UNIT_NANOSECONDS] = ", in nanoseconds",
        [UNIT_MICROSECONDS] = "",
        [UNIT_BYTES] = ", in bytes",
        [UNIT_HEX] = ", in hexadecimal",
};

/* What scdoc would take for its own. */
static void text(const char *s) {
        for (; *s; s++) {
                if (strchr("\\*_`#", *s))
                        putchar('\\');
                putchar(*s);
        }
}

static void group(const char *title) {
        printf("## ");
        text(title);
        printf("\n\n");
}

static void values(const struct field_values *v) {
        bool first = true;

        for (size_t i = 0; i < v->n; i++) {
                if (!v->values[i])
                        continue;
                printf(first ? "%s" : ", ", first ? "\n\tOne of " : "");
                putchar('_');
                text(v->values[i]);
                putchar('_');
                first = false;
        }
        if (!first)
                printf(v->ours ? ".\n" : ", or what else the kernel has.\n");
}

static void field(enum field f) {
        const struct field_info *info = field_info(f);
        const struct field_values known = field_values(f);

        putchar('*');
        text(info->name);
        printf("* (%s)\n\t", field_type_signature(info->type));
        text(info->meaning);
        printf("%s.\n", unit_texts[info->unit]);
        values(&known);
        putchar('\n');
}

static void list(void) {
#define GROUP(title)                                                   group(title);
#define FIELD(identifier, field_name, field_type, field_unit, meaning) field(FIELD_##identifier);
#include "fields.def"
#undef FIELD
}

int main(void) {
        char line[1024];

        while (fgets(line, sizeof(line), stdin))
                if (strcmp(line, "@FIELDS@\n") == 0)
                        list();
                else
                        fputs(line, stdout);
        return ferror(stdin) || fflush(stdout) != 0;
}
