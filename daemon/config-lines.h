/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The lines of one configuration file: [Section], Key=Value, comments with # and ;. */

#include <stddef.h>

#include "config.h"

/* Where settings go, and who is told what is wrong. */
struct config_sink {
        struct settings *settings;
        config_complain complain;
        void *userdata;
};

/* Takes what the `size` bytes at `text` set. `file`: its name, printable. */
void config_lines(const struct config_sink *sink, const char *file, const char *text, size_t size);
