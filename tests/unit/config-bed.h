/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the tests of files that people write share: a directory with etc/ and usr/ as places for
 * them, and what was complained about. */

#include <sys/stat.h>

#include "tap-main.h"

static struct bed {
        char root[64];
        char etc[80], usr[80];
        const char *directories[3];
        char said[8192];
        unsigned complaints;
} bed;

static inline void bed_setup(void) {
        bed = (struct bed){.root = "/tmp/bpfmon-config-XXXXXX"};
        ck_assert_ptr_nonnull(mkdtemp(bed.root));
        snprintf(bed.etc, sizeof(bed.etc), "%s/etc", bed.root);
        snprintf(bed.usr, sizeof(bed.usr), "%s/usr", bed.root);
        ck_assert_int_eq(mkdir(bed.etc, 0755), 0);
        ck_assert_int_eq(mkdir(bed.usr, 0755), 0);
        bed.directories[0] = bed.etc;
        bed.directories[1] = bed.usr;
}

static inline void bed_teardown(void) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r -- %s", bed.root);
        ck_assert_int_eq(system(command), 0);
}

static inline const char *path_of(const char *name) {
        static char path[512];

        snprintf(path, sizeof(path), "%s/%s", bed.root, name);
        return path;
}

static inline void put_bytes(const char *name, const void *text, size_t size) {
        _cleanup_free_ char *directory = strdup(path_of(name));
        _cleanup_fclose_ FILE *f = NULL;

        *strrchr(directory, '/') = 0;
        (void) mkdir(directory, 0755);
        f = fopen(path_of(name), "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(text, 1, size, f), size);
}

static inline void put(const char *name, const char *text) {
        put_bytes(name, text, strlen(text));
}

/* Reading begins: nothing has been said yet. */
static inline void bed_listen(void) {
        bed.said[0] = 0;
        bed.complaints = 0;
}

/* A config_complain, with the bed as `userdata`. */
static inline void on_complaint(const char *file, unsigned line, const char *message,
                                void *userdata) {
        size_t used = strlen(bed.said);

        ck_assert_ptr_eq(userdata, &bed);
        bed.complaints++;
        ck_assert_ptr_null(strchr(message, '\n'));
        snprintf(bed.said + used, sizeof(bed.said) - used, "%s:%u: %s\n", strrchr(file, '/') + 1,
                 line, message);
}
