/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Finds and reads the files of a configuration as systemd does (systemd-system.conf(5)), without
 * waiting for anything that only looks like a file. */

#include <stddef.h>

#include "config.h"

enum {
        CONFIG_FILE_MAX = 1024 * 1024, /* bytes of a file */
        CONFIG_DROP_INS_MAX = 256,
};

/* Who takes what is read, and who is told what is wrong. */
struct config_file_sink {
        /* `file`: the file's name, printable; `name`: its last part, as it is. */
        void (*file)(const char *file, const char *name, const char *text, size_t size,
                     void *userdata);
        config_complain complain;
        void *userdata;
};

/* Reads one file. A link to /dev/null is none. */
void config_file_read(const struct config_file_sink *sink, const char *path);

/* Reads the files *.conf in the directory `name` (NULL: they are it) of each of `directories` (the
 * first counts most, NULL ends them), in the order of their names; of those with one name the first
 * counts. */
void config_drop_ins_read(const struct config_file_sink *sink, const char *const *directories,
                          const char *name);
