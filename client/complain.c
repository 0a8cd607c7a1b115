/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>

#include "client.h"
#include "escape.h"

void complain(const char *format, ...) {
        _cleanup_free_ char *message = NULL, *shown = NULL;
        va_list arguments;

        va_start(arguments, format);
        int n = vasprintf(&message, format, arguments);
        va_end(arguments);
        if (n < 0)
                message = NULL;
        if (message)
                shown = escape_terminal(message);
        fprintf(stderr, "bpfmonctl: %s\n", shown ? shown : "out of memory");
}
