/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Points in time as systemd.time(7) has people write them. */

#include <stddef.h>
#include <stdint.h>

/* Reads "now", "today", "yesterday", "tomorrow"; "2026-11-22", "2026-11-22 10:00",
 * "2026-11-22 10:00:00.5", "26-11-22", "10:00" (today), a day of the week before any of these; each
 * with " UTC" behind it, else in local time; "@1700000000"; "-1h 30min", "+5s", "2 days ago", "1h
 * left". `now` is µs since 1970-01-01 UTC, and so is `ret`. Returns 0, or -EINVAL with one sentence
 * in `error` (`size` bytes, printable) that says what is wrong. */
int when_parse(uint64_t *ret, const char *s, uint64_t now, char *error, size_t size);
