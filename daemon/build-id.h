/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Build ids of executables, from the notes in their ELF files. */

#include <stdint.h>
#include <sys/types.h>

struct build_ids;

enum {
        BUILD_ID_TEXT_MAX = 2 * 64 +
                            1, /* hexadecimal digits with NUL; ids are of 20 bytes mostly */
        BUILD_IDS_MAX = 128,   /* remembered */
};

int build_ids_new(struct build_ids **ret);

/* NULL is fine; returns NULL. */
struct build_ids *build_ids_free(struct build_ids *b);

/* The id of the file that has the absolute path as process `pid` sees it (0: as we do), if it is
 * the one with this inode that was changed then (ctime, µs): valid until the next call; NULL where
 * it has none, or the file cannot be had without waiting. Reads each file once. */
const char *build_ids_get(struct build_ids *b, pid_t pid, const char *path, uint64_t inode,
                          uint64_t changed);

/* Reads the id of an ELF file, which is hostile. Returns 0; -ENOENT where it has none; -EBADMSG
 * where it is no ELF file; another negative errno. */
int build_id_read(int fd, char ret[static BUILD_ID_TEXT_MAX]);
