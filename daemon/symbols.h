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

enum {
        SYMBOLS_LIST_MAX = 1024, /* addresses that are looked up at a time */
};

/* The kernel's function at an address, as "name+0x1f" ("name" at its beginning; a module's with
 * " [module]" behind), into `ret`, `n` bytes with NUL. Returns 0; -ENOENT where there is none, or
 * the kernel tells no addresses; -EBUSY when too much has been looked up in the last seconds. Reads
 * /proc/kallsyms, which takes a tenth of a second, and remembers what was asked for. */
int symbols_kernel(struct symbols *s, uint64_t address, char *ret, size_t n);

/* The same for `n` addresses at once, which takes no longer than one. Sets ret[i] to the name, or
 * to NULL where there is none; they live until the next call of this module. Returns 0; -E2BIG for
 * more than SYMBOLS_LIST_MAX; on other errors (-EBUSY) sets what is known already. */
int symbols_kernel_list(struct symbols *s, const uint64_t *addresses, size_t n, const char **ret);

/* Which file it must be that has a path. */
struct file_identity {
        uint64_t inode;
        uint32_t device; /* of its file system: major << 20 | minor */
};

/* The function at an offset into an ELF file, likewise. The absolute path is looked up as process
 * `pid` sees it (0: as we do), without symbolic links; -ESTALE where another file has it by now
 * than `which` (NULL: whichever it is). The file is hostile: it may be no ELF, no file, or change
 * meanwhile. Reads a bounded part of it, and nothing from file systems that ask somebody else
 * (FUSE, NFS) or that are not known. Returns 0 or a negative errno. */
int symbols_file(struct symbols *s, pid_t pid, const char *path, const struct file_identity *which,
                 uint64_t offset, char *ret, size_t n);

/* The same for `n` offsets into one file at once, as symbols_kernel_list(). */
int symbols_file_list(struct symbols *s, pid_t pid, const char *path,
                      const struct file_identity *which, const uint64_t *offsets, size_t n,
                      const char **ret);
