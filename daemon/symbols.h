/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Names of addresses: of the kernel's functions, and of functions in ELF files. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct symbols;

int symbols_new(struct symbols **ret);

/* NULL is fine; returns NULL. */
struct symbols *symbols_free(struct symbols *s);

/* The kernel's function at an address, as "name+0x1f" ("name" at its beginning), into `ret`, `n`
 * bytes with NUL. Returns 0 or -ENOENT. /proc/kallsyms is read when it is first needed. */
int symbols_kernel(struct symbols *s, uint64_t address, char *ret, size_t n);

/* The function at an offset into an ELF file, likewise. The file is looked up as process `pid` sees
 * it (0: as we do) and is hostile: it may be no ELF, no file, or change meanwhile. Never blocks,
 * and reads no more than a bounded part. Returns 0 or a negative errno. */
int symbols_file(struct symbols *s, pid_t pid, const char *path, uint64_t offset, char *ret,
                 size_t n);
