/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Lines for the administrator: to stderr, with the journal's level prefix where stderr goes there.
 */

#include <errno.h>
#include <stdarg.h>
#include <syslog.h>

#include "util.h"

/* Prints one line of a syslog level (LOG_ERR, …). Lines above the level set are left out. */
void log_line(int level, const char *format, ...) _printf_(2, 3);
void log_linev(int level, const char *format, va_list args) _printf_(2, 0);

/* Sets the least important level that is printed; LOG_INFO at first. */
void log_set_level(int level);

#define log_error(...)   log_line(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
