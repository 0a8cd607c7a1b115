/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config-files.h"
#include "config-lines.h"
#include "settings.h"
#include "util.h"

static const char *const directories[] = {"/etc/bpfmon", "/run/bpfmon", "/usr/local/lib/bpfmon",
                                          "/usr/lib/bpfmon", NULL};

const struct config_places config_places_default = {directories, "bpfmond.conf"};

const char *const config_rule_directories[] = {"/etc/bpfmon/rules.d", "/run/bpfmon/rules.d",
                                               "/usr/local/lib/bpfmon/rules.d",
                                               "/usr/lib/bpfmon/rules.d", NULL};

static void read_main(const struct config_file_sink *sink, const struct config_places *places) {
        for (const char *const *d = places->directories; *d; d++) {
                _cleanup_free_ char *path = NULL;
                struct stat st;

                if (asprintf(&path, "%s/%s", *d, places->name) < 0)
                        return;
                if (lstat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
                        continue;
                config_file_read(sink, path);
                return;
        }
}

static void on_file(const char *file, _unused_ const char *name, const char *text, size_t size,
                    void *userdata) {
        config_lines(userdata, file, text, size);
}

static void on_complaint(const char *file, unsigned line, const char *message, void *userdata) {
        const struct config_sink *sink = userdata;

        sink->complain(file, line, message, sink->userdata);
}

void config_read(struct settings *ret, const struct config_places *places, config_complain complain,
                 void *userdata) {
        struct config_sink sink = {ret, complain, userdata};
        const struct config_file_sink files = {on_file, on_complaint, &sink};
        _cleanup_free_ char *drop_ins = NULL;

        settings_init(ret);
        read_main(&files, places);
        if (asprintf(&drop_ins, "%s.d", places->name) >= 0)
                config_drop_ins_read(&files, places->directories, drop_ins);
}
